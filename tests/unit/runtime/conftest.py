import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import new_database
from tests.rows import claimed
from tests.unit.runtime.work import Work
from worker.runtime.patience import Patience
from worker.runtime.standby import Channel
from worker.runtime.trainer import _train
from worker.settings import ServiceSettings
from worker.storage import turns
from worker.storage.artefacts import Artefacts
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


@pytest.fixture
def channel() -> Iterator[Channel]:
    ends = [*os.pipe(), *os.pipe()]
    yield Channel(ends[0], ends[3])
    for end in ends:
        os.close(end)


@pytest.fixture
def work(settings: ServiceSettings, database: Database, channel: Channel) -> Work:
    """Train what is queued, a fleet after the other; what each came to."""
    artefacts = Artefacts(settings.artefacts_url)

    def work() -> list[str]:
        found: list[str] = []
        while True:
            with database.write() as session:
                queued = turns.due(session, limit=1)
                lease = claimed(session, queued[0]) if queued else None
            if lease is None:
                return found
            patience = Patience(channel, sleep=lambda _: None)
            found.append(_train(settings, database, artefacts, lease, channel, patience))

    return work
