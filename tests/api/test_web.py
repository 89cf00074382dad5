"""The dashboard's files: served whole, kept rightly, and asking nobody else."""

import re
import shutil
import subprocess

import pytest

from tests.api.client import Client
from tests.source import ROOT

STATIC = ROOT / "service" / "web" / "static"
VENDORED = STATIC / "vendor"
OURS = sorted(path for path in STATIC.rglob("*.js") if VENDORED not in path.parents)
IMPORT = re.compile(r"""(?:from\s*|import\s*\(?\s*)["'](\.[^"']+)["']""")


def test_the_first_page_is_answered_and_loads_what_is_there(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        answer = client.get(f"/{asset}")
        assert answer.status_code == 200, asset
        assert answer.content, asset


def test_nothing_in_the_page_may_run_but_files_of_ours(client: Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", client.get("/").text)


@pytest.mark.parametrize(
    ("path", "kind", "kept"),
    [
        ("app.js", "text/javascript", "no-cache"),
        ("pages/job.js", "text/javascript", "no-cache"),
        ("style.css", "text/css", "no-cache"),
        ("icon.svg", "image/svg+xml", "no-cache"),
        ("vendor/preact/preact.js", "text/javascript", "public, max-age=86400"),
    ],
)
def test_a_file_says_what_it_is_and_is_asked_for_again_cheaply(
    client: Client, path: str, kind: str, kept: str
) -> None:
    answer = client.get(f"/web/{path}")
    assert answer.headers["content-type"].split(";")[0] == kind
    assert answer.headers["cache-control"] == kept
    again = client.get(f"/web/{path}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.request("HEAD", f"/web/{path}").status_code == 200


def test_every_module_that_is_imported_is_there() -> None:
    missing = [
        f"{path.relative_to(STATIC)}: {name}"
        for path in STATIC.rglob("*.js")
        for name in IMPORT.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / name).resolve().is_file()
    ]
    assert not missing


LINKED = {"https://arxiv.org/abs/$"}
"""Papers, which a reader may go to; the policy lets no page load anything from there."""


def test_no_file_of_ours_names_another_host() -> None:
    named = [
        f"{path.relative_to(STATIC)}: {address}"
        for path in [*OURS, *STATIC.glob("*.html"), *STATIC.glob("*.css")]
        for address in re.findall(r"https?://[^\s\"'`)]*", path.read_text(encoding="utf-8"))
        if address.partition("{")[0] not in LINKED
    ]
    assert not named


def test_every_module_of_ours_is_read_by_node_and_is_no_longer_than_a_noun_needs() -> None:
    long = [str(p) for p in OURS if len(p.read_text(encoding="utf-8").splitlines()) > 400]
    assert not long
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node here to read the modules")
    read = "import fs from 'node:fs'; import vm from 'node:vm';" + (
        "for (const path of process.argv.slice(1)) {"
        "  const text = fs.readFileSync(path, 'utf8');"
        "  try { new vm.SourceTextModule(text, { identifier: path }); }"
        "  catch (error) { console.error(path, error.message); process.exitCode = 1; } }"
    )
    command = [node, "--no-warnings", "--experimental-vm-modules", "--input-type=module", "-e"]
    done = subprocess.run(
        [*command, read, *map(str, OURS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_is_vendored_has_its_licence_and_is_listed() -> None:
    listed = (VENDORED / "README.md").read_text(encoding="utf-8")
    folders = [path for path in VENDORED.iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        assert list(folder.glob("LICENSE*")), folder
        assert f"`{folder.name}/`" in listed
