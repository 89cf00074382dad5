"""The docstring of a package is its first page: it names each of its files, and none beside."""

import ast
import re
from pathlib import Path

import pytest

from tests.source import CLIENT, ROOT, files, tree
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
    assert set(listed) == present
