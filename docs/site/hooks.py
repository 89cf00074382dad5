"""What MkDocs is told beyond its configuration: generated pages, and links that leave docs/.

The pages of the techniques, settings, operations and decisions are written from the classes, the
OpenAPI document and the records while the site is built, so that none can be out of date.
"""

import re
import shutil
import sys
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

SITE = Path(__file__).resolve().parent
ROOT = SITE.parent.parent
sys.path[:0] = [str(ROOT), str(SITE)]

import cards  # noqa: E402 - its folder is no package
import operations  # noqa: E402

ELSEWHERE = {"README.md": "index.md", "deploy/README.md": "generated/deploy.md"}
"""Files of the repository outside docs/ that are pages here too."""
ALONE = ("index.md", "tutorial.md")
"""Pages that are a tab by themselves."""
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]*(?:\n[^\]\n]*)?)\]\((?P<to>[^)\s]+)\)")
_NOT_RUN = re.compile(r"^\*(Not run by our tests: .+?)\*$", re.M)
_CODE = re.compile(r"^(```.*?^```|~~~.*?^~~~)$", re.M | re.S)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The menu, with the pages that are there only when they are generated."""
    described = {"generated/operations": operations.menu(), "generated/decisions": _decisions()}
    config.nav = [_filled(entry, described) for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of docs/, and what is generated."""
    made: dict[str, str | bytes] = {**cards.pages(), **cards.pictures(), **operations.pages()}
    made["generated/deploy.md"] = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text with its links as they are in the site, and its marks as words."""
    here = PurePosixPath(page.file.src_uri)
    # Where the page lies in the repository, seen from its top.
    at = "deploy" if here.name == "deploy.md" else str(PurePosixPath("docs") / here.parent)

    def link(found: re.Match[str]) -> str:
        target, sharp, anchor = found["to"].partition("#")
        if not target or "://" in target or target.startswith(("/", "mailto:")):
            return found[0]
        path = normpath(f"{at}/{target}")
        if path == "README.md" and anchor == "settings":
            path, sharp, anchor = "docs/generated/settings.md", "", ""
        inside = ELSEWHERE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else "")
        if inside and files.get_file_from_path(inside) is not None:
            return f"[{found['text']}]({relpath(inside, str(here.parent))}{sharp}{anchor})"
        if inside == "decisions":
            return found["text"]
        return f"`{path}`" if found["text"].startswith("`") else f"{found['text']} (`{path}`)"

    text = "".join(
        part if part.startswith(("```", "~~~")) else _LINK.sub(link, part)
        for part in _CODE.split(markdown)
    )
    # Sidebars that would be empty leave their room to the text.
    hidden = [("toc", "\n## " not in text), ("navigation", page.file.src_uri in ALONE)]
    page.meta.setdefault("hide", [name for name, is_empty in hidden if is_empty])
    text = _NOT_RUN.sub(r'<p class="not-run" markdown="span">\1</p>', text)
    return cards.with_links(text) if page.file.src_uri == "techniques.md" else text


def on_post_build(config: MkDocsConfig) -> None:
    """Leave out what no page loads: maps of the theme's sources, and how to search in Thai."""
    scripts = Path(config.site_dir) / "assets" / "javascripts"
    for unused in (*Path(config.site_dir).rglob("*.map"), scripts / "lunr"):
        shutil.rmtree(unused) if unused.is_dir() else unused.unlink(missing_ok=True)


def _decisions() -> list[dict[str, str]]:
    """The menu's entries of the decision records, in their order."""
    return [
        {path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# "): f"decisions/{path.name}"}
        for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))
    ]


def _filled(entry: object, described: dict[str, list[dict[str, str]]]) -> object:
    """A part of the menu, with lists of pages in the place of their names."""
    if isinstance(entry, dict):
        return {title: _filled(below, described) for title, below in entry.items()}
    if isinstance(entry, list):
        return [_filled(one, described) for one in entry]
    return described.get(entry, entry) if isinstance(entry, str) else entry
