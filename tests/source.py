"""The sources of the project as data: its modules, and what each imports.

Read with ``ast``, not executed, so that what is found holds for lazy imports too.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "service" / "client"


def files(*folders: str) -> list[Path]:
    """The Python files below folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    """As it is imported; the client is a package of its own: docs/decisions/0040."""
    top = CLIENT if path.is_relative_to(CLIENT) else ROOT
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in files("service", "worker")}


def nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``, which never run."""
    left = [node]
    while left:
        for child in ast.iter_child_nodes(left.pop()):
            if not (isinstance(child, ast.If) and _is_for_types(child.test)):
                yield child
                left.append(child)


def _is_for_types(test: ast.expr) -> bool:
    names = (getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(test))
    return "TYPE_CHECKING" in names


@cache
def imports(path: Path) -> frozenset[str]:
    """What a file imports, as dotted names; ``from a import b`` counts as ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in nodes(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


@cache
def import_nodes(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Each import in a file, lazy ones and those for types included."""
    return [n for n in ast.walk(tree(path)) if isinstance(n, ast.Import | ast.ImportFrom)]


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def reached(start: list[str]) -> dict[str, str]:
    """Every module that importing these would run → the module that imports it."""
    seen: dict[str, str] = dict.fromkeys(start, "")
    queue = list(start)
    while queue:
        source = queue.pop()
        parents = [source.rsplit(".", n)[0] for n in range(1, source.count(".") + 1)]
        named = imports(modules()[source]) if source in modules() else frozenset()
        for name in [*parents, *named]:
            if name not in seen:
                seen[name] = source
                queue.append(name)
    return seen
