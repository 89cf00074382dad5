"""Whose what is: every call that may say a tenant says it."""

import ast
import re

from tests.source import ROOT, files, tree

OWNING = ("worker/storage", "worker/jobs", "service/serving")
"""Where functions take a tenant or a caller, and have one where none is given."""
KEEPERS = {
    "_engine",
    "_registry",
    "_tables",
    "catalogue",
    "intake",
    "predictions",
    "rows",
    "serving",
    "tables",
}
"""What objects are called whose methods do."""


def takes_a_tenant(node: ast.AST) -> bool:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    arguments = node.args
    given = [*arguments.args, *arguments.kwonlyargs]
    return any(argument.arg in ("tenant", "caller") for argument in given)


def test_whoever_may_say_a_tenant_says_it() -> None:
    """Tenants have a default; but for that, what forgot one would be another tenant's."""
    functions: set[tuple[str, str]] = set()
    methods: set[str] = set()
    for path in files(*OWNING):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                methods |= {getattr(one, "name", "") for one in node.body if takes_a_tenant(one)}
        functions |= {
            (path.stem, node.name)
            for node in tree(path).body
            if isinstance(node, ast.FunctionDef) and takes_a_tenant(node)
        }
    assert ("jobs", "find_job") in functions
    assert {"find", "at_hand", "accept_once", "get"} <= methods
    said, silent = 0, []
    for path in files("service", "worker"):
        for node in ast.walk(tree(path)):
            call = node.func if isinstance(node, ast.Call) else None
            if not isinstance(call, ast.Attribute):
                continue
            holder = call.value
            is_module = isinstance(holder, ast.Name) and (holder.id, call.attr) in functions
            is_keeper = isinstance(holder, ast.Attribute) and holder.attr in KEEPERS
            if is_module or (is_keeper and call.attr in methods):
                if re.search("tenant|caller|operator", ast.unparse(node)):
                    said += 1
                else:
                    silent.append(f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(node)}")
    assert said > 60
    assert not silent, "\n".join(silent)
