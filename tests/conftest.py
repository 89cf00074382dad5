"""What all tests share."""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

# What is imported stays: until all tests are collected, nobody need look for garbage.
gc.disable()

# One thread: tests run beside others on few processors, where threads that wait for each other by
# spinning make a one-second test last a minute. Bits depend on the number of threads, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Processes that tests start, and the next run, need not compile everything anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Where memory can hold them, so do it: a disk takes milliseconds for each of the many commits that
# are synced. Nothing here tests what a power failure leaves.
MEMORY = Path("/dev/shm")
ROOM_BYTES = 2**31
if MEMORY.is_mount() and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
    tempfile.tempdir = os.environ.setdefault("TMPDIR", str(MEMORY))

# Before any verb is defined: techniques and layers are held against the shapes that they declare.
from worker import shapes  # noqa: E402

shapes.ENABLED = True

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from tests import key_scan  # noqa: E402
from tests.databases import KINDS, Databases, compile_statements_once  # noqa: E402

# On a busy machine an example may take any time, and what it drew is no finding.
settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "database_kinds(*kinds, others_are_slow): what it runs on, if not on SQLite"
    )
    plugin, patch = key_scan.Plugin(key_scan.SCAN), pytest.MonkeyPatch()
    plugin.hang_in(patch)
    compile_statements_once(patch)
    config.add_cleanup(patch.undo)
    config.pluginmanager.register(plugin, "key_scan")
    if hasattr(config, "workerinput"):
        # xdist waits for the interpreter's end, which takes seconds: all modules are taken apart.
        atexit.register(os._exit, 0)


def pytest_sessionfinish() -> None:
    """At the end pytest looks for garbage five times: once there is some to be found."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """From here on there is garbage, but not in what was imported and collected."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Who asks for a ``database_kind`` runs on SQLite, or on each kind that its mark names."""
    if "database_kind" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("database_kinds")
        kinds = mark.args if mark else KINDS[:1]
        # Whole services on PostgreSQL take long: make check runs them.
        is_long = "integration" in metafunc.definition.path.parts or (
            mark is not None and mark.kwargs.get("others_are_slow", False)
        )
        slow = pytest.mark.slow if is_long else ()
        params = [pytest.param(k, marks=slow if k != KINDS[0] else ()) for k in kinds]
        metafunc.parametrize("database_kind", params, scope="module")


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    databases = Databases()
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The OpenAPI document, which takes a second to write."""
    from service.app import create_app
    from worker.settings import ServiceSettings

    return create_app(ServiceSettings(state=tmp_path_factory.mktemp("unused"))).openapi()
