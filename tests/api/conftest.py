"""One application for the tests of a file; those that need their own ask for ``fresh``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.reading.reader import ForksProcess
from tests.api.client import Client, running
from tests.databases import Databases
from worker.settings import ServiceSettings

LEASE = 300.0
"""Tests train in this process, without heartbeats, and a busy machine may be slow at that."""


@pytest.fixture(autouse=True, scope="session")
def _loads_take_their_time() -> Iterator[None]:
    """A busy machine may need longer to load a model, or to plan a job, than a request waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.serving.registry.ANSWER_SECONDS", 60.0)
        patch.setattr("service.threads.HANGING_SECONDS", 60.0)
        yield


@pytest.fixture(autouse=True, scope="session")
def _readers_are_forked_from_one_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """It imports for seconds, and knows nothing of the service that asks it."""
    started: list[ForksProcess] = []

    class Shared(ForksProcess):
        def __new__(cls, settings: ServiceSettings) -> ForksProcess:
            if not started or not started[0].is_alive:
                started[:] = [ForksProcess(ServiceSettings(state=folder))]
            return started[0]

    folder = tmp_path_factory.mktemp("readers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.reading.reader.ForksProcess", Shared)
        patch.setattr("service.reading.reader.Reader.close", lambda self: self._warming.cancel())
        patch.setattr("service.reading.reader.WARM_AFTER_SECONDS", 3_600.0)
        yield
    for process in started:
        process.close()


@pytest.fixture(scope="module")
def client(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("state")
    with (
        databases.url(database_kind, folder) as url,
        running(ServiceSettings(state=folder, database_url=url, lease_seconds=LEASE)) as started,
    ):
        yield started


@pytest.fixture
def fresh(database_kind: str, databases: Databases, tmp_path: Path) -> Iterator[Client]:
    with (
        databases.url(database_kind, tmp_path) as url,
        running(
            ServiceSettings(
                state=tmp_path / "state",
                database_url=url,
                max_upload_bytes=4096,
                lease_seconds=LEASE,
            )
        ) as started,
    ):
        yield started
