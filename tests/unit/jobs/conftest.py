from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import new_database
from worker.jobs.accept import JobIntake
from worker.jobs.table_cache import TableCache
from worker.settings import ServiceSettings
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return ServiceSettings(state=tmp_path, device="cpu", workers=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def intake(settings: ServiceSettings, database: Database) -> JobIntake:
    return JobIntake(settings, database, TableCache(database, Artefacts(settings.artefacts_url)))
