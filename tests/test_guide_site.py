"""The guide as it is built: strictly, and whole without a network."""

import html.parser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source import ROOT
from worker.regularization import techniques

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


class Loads(html.parser.HTMLParser):
    """What a page has a browser load by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in LOADED and given.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(given.get(LOADED[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    done = subprocess.run(
        [*command, "-f", "docs/site/mkdocs.yml", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=350,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.found, page
        for address in loads.found:
            assert "//" not in address.removeprefix("data:"), (page, address)
            if page.name != "404.html" and address and not address.startswith("data:"):
                assert (page.parent / address.partition("?")[0]).exists(), (page, address)
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(encoding="utf-8")
        assert "@import" not in style.read_text(encoding="utf-8")


def test_every_technique_has_its_section_and_nearly_all_a_picture(site: Path) -> None:
    """A new one may come without: a picture is two more files, here and in the dashboard."""
    folder = site / "generated" / "techniques"
    text = "".join(page.read_text(encoding="utf-8") for page in folder.glob("*.html"))
    for name in techniques():
        assert f'<h2 id="{name}">' in text
    pictures = {path.stem: path.stat().st_size for path in folder.glob("*.svg")}
    assert len(pictures) >= 36
    assert pictures.keys() <= techniques().keys()
    assert max(pictures.values()) < 150_000


def test_every_operation_is_described(site: Path) -> None:
    overview = (site / "generated" / "operations" / "index.html").read_text(encoding="utf-8")
    assert "POST /v1/jobs</code>" in overview
    assert "GET /v2/models/{name}</code>" in overview
