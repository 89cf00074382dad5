"""The docstring of a package is its first page: it names each of its files, and none beside.

So does docs/architecture.md with the packages, and with what may import what.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.pages import blocks
from tests.source import CLIENT, ROOT, files, imports, modules, tree, within
from worker.regularization import techniques

ROOMS = {
    str(path.parent.relative_to(ROOT)): path.parent
    for path in files("service", "worker")
    if path.name == "__init__.py"
    and not path.is_relative_to(CLIENT)  # its page is for its users
    and "migrations" not in path.parts
}


def in_folder(room: Path) -> set[str]:
    """The modules and packages of a room, without what runs it as a program."""
    modules = {path.stem for path in room.glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in room.glob("*/__init__.py")}
    clients = {"client"} if CLIENT.parent == room else set()
    return modules | packages | clients


def on_page(room: Path) -> list[str]:
    """The names at the beginnings of the lines of its docstring: ```name, name``  what it is``."""
    page = ast.get_docstring(tree(room / "__init__.py")) or ""
    rows = re.findall(r"^``([\w, ]+)``  ", page, flags=re.M)
    return [name for row in rows for name in row.split(", ")]


@pytest.mark.parametrize("room", ROOMS.values(), ids=list(ROOMS))
def test_the_first_page_of_a_room_names_its_files(room: Path) -> None:
    listed = on_page(room)
    assert len(listed) == len(set(listed)), "a file stands there twice"
    present = in_folder(room)
    if room == ROOT / "worker" / "regularization":  # one file a technique, as its page says
        present -= {technique.__module__.rsplit(".", 1)[1] for technique in techniques().values()}
    page = f"{room.relative_to(ROOT)}/__init__.py"
    assert not present - set(listed), f"give each a line in the docstring of {page}"
    assert not set(listed) - present, f"the docstring of {page} names what is not there"


def architecture() -> list[str]:
    """The packages in the order of the page's table, the upper ones first."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| package |")[1].split("\n\n")[0]
    return re.findall(r"^\| `([\w/]+)` \|", table, flags=re.M)


def test_the_page_of_the_architecture_names_every_package_and_imports_point_down_its_table() -> (
    None
):
    packages = [name.replace("/", ".") for name in architecture()]
    assert set(architecture()) == {"service"} | {
        room for room in ROOMS if room.startswith("worker/") and room.count("/") == 1
    }
    upwards = [
        f"{module} imports {name}"
        for place, package in enumerate(packages)
        for module, path in modules().items()
        if within(module, package)
        for name in imports(path)
        if within(name, *packages[:place])
    ]
    assert not upwards


def test_the_files_that_the_page_of_the_architecture_names_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)` \|.*\| ([^|]+) \|$", page, flags=re.M)
    named = [f"{package}/{file}" for package, row in rows for file in re.findall(r"`([^`]+)`", row)]
    named += re.findall(r"`((?:service|worker|tests|docs)/[\w./]+)`", page)
    assert len(named) > 40
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_its_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [block] = blocks("docs/architecture.md")
    exec(block.text, {})
    assert "strength=0.01" in capsys.readouterr().out
