"""The client is a package of its own: docs/decisions/0040."""

import subprocess
import sys

from tests.source import CLIENT, imports, modules, within

HEAVY = ("torch", "fastapi", "sqlalchemy", "pydantic", "numpy", "pandas", "service", "worker")


def test_it_knows_neither_the_service_nor_the_worker() -> None:
    client = [name for name in modules() if within(name, "parsimony")]
    assert len(client) > 5
    assert not [
        f"{source} imports {name}"
        for source in client
        for name in imports(modules()[source])
        if within(name, "service", "worker")
    ]


def test_importing_it_loads_nothing_heavy() -> None:
    program = f"import parsimony, sys; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CLIENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_it_says_that_it_is_typed() -> None:
    assert (CLIENT / "parsimony" / "py.typed").exists()
