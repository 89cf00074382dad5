from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rows import new_database
from worker.settings import ServiceSettings
from worker.storage.database import Database

ROOT = Path(__file__).parents[3]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """Short waits, and children that find this working tree."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return ServiceSettings(
        state=tmp_path,
        database_url=f"sqlite:///{tmp_path}/test.db",
        heartbeat_seconds=0.02,
        lease_seconds=30.0,
        stop_seconds=5.0,
        retry_seconds=0.0,
        max_attempts=3,
    )
