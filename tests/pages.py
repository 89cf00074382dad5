"""The blocks of code on the pages for people, and how they are run: in order, against a service."""

import os
import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.source import ROOT

LANGUAGES = ("bash", "python", "javascript")
NOT_RUN = re.compile(r"\*Not run by our tests: (.+)\.\*\n\n\Z")
"""The line above a block that needs what tests have not. It is for readers, who see it."""
USUAL = ("127.0.0.1:8000", "localhost:8000")
"""Where the pages say that the service is."""
MARK = "=== next block ==="

DATA = ("json", "yaml")
"""What is not run but read: requests, answers, settings."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A block of code."""

    language: str
    text: str
    why_not_run: str | None
    """What it needs, where that is said above it."""


def every_page() -> list[str]:
    """The pages with blocks of code, from the top of the repository."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").glob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found if blocks(path))


def blocks(page: str | Path) -> list[Block]:
    """A page's blocks in the languages that can be run, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        if match[1] in LANGUAGES:
            mark = NOT_RUN.search(text[: match.start()])
            found.append(Block(match[1], match[2], mark and mark[1]))
    return found


def data_blocks() -> list[tuple[str, Block]]:
    """The blocks of JSON and YAML on all pages."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").glob("*.md")]
    return [
        (str(page.relative_to(ROOT)), Block(match[1], match[2], None))
        for page in sorted(pages)
        for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))
        if match[1] in DATA
    ]


def walked(
    page: str,
    url: str,
    folder: Path,
    changes: Mapping[str, str] = {},
    *,
    before: str = "",
    languages: Collection[str] = LANGUAGES,
) -> list[str]:
    """What each block printed, all in one shell.

    ``changes`` are texts, each once on the page, and what stands for them there; ``before`` is run
    first: what the page takes for granted.
    """
    lines = [f"{before}\n"]
    run = [one for one in blocks(page) if one.why_not_run is None and one.language in languages]
    for number, block in enumerate(run):
        if number:
            lines.append(f"\necho; echo '{MARK}'\n")
        lines.append(_in_a_shell(block, folder, number, url, changes))
    script = "".join(lines)
    assert all(script.count(other) == 1 for other in changes.values()), changes
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=_environment(url),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(MARK)


def wrong_syntax(block: Block) -> str | None:
    """What is wrong with a block, as far as that can be seen without running it."""
    if block.language == "python":
        try:
            compile(block.text, "block", "exec")
        except SyntaxError as error:
            return str(error)
        return None
    command = {
        "bash": ["bash", "-n"],
        "javascript": ["node", "--input-type=module", "--check"],
    }[block.language]
    done = subprocess.run(command, input=block.text, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else None


def _in_a_shell(
    block: Block, folder: Path, number: int, url: str, changes: Mapping[str, str]
) -> str:
    text = block.text
    for said, other in changes.items():
        text = text.replace(said, other)
    for usual in USUAL:
        text = text.replace(usual, url.removeprefix("http://"))
    if block.language == "bash":
        return text
    name, program = {
        "python": (f"block{number}.py", sys.executable),
        "javascript": (f"block{number}.mjs", "node"),
    }[block.language]
    (folder / name).write_text(text, encoding="utf-8")
    return f"'{program}' {name}\n"


def _environment(url: str) -> dict[str, str]:
    """Ours, with the commands of this installation and the address of the service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARSIMONY")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    client = str(ROOT / "service" / "client")
    found = {"PATH": path, "PYTHONPATH": f"{ROOT}{os.pathsep}{client}"}
    return {**kept, **found, "PARSIMONY": url, "PARSIMONY_URL": url}
