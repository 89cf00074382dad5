"""What several hosts compare is an instant of one clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.databases import Databases
from tests.rows import accept, claimed
from worker.storage import fleets, queries, turns, types
from worker.storage.database import Database
from worker.storage.tables import Fleet, Job
from worker.storage.types import utc_now

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Iterator[Database]:
    with databases.new("postgresql", tmp_path) as database:
        yield database


@pytest.fixture(params=[HOUR, -HOUR], ids=["fast", "slow"])
def wrong(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """This host's clock is wrong. The server's is right, and so is the test's."""

    def now() -> datetime:
        return utc_now() + request.param

    for module in (types, fleets):
        monkeypatch.setattr(module, "utc_now", now)


def test_a_host_whose_clock_is_wrong_retries_in_time(database: Database, wrong: None) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        fleets.crashed(session, lease, "x", max_attempts=9)
        lease = claimed(session, fleet.id)
        fleets.crashed(session, lease, "x", max_attempts=9, retry_seconds=60.0)
        waits_until = session.get_one(Fleet, fleet.id).not_before
        assert waits_until is not None
        assert timedelta(0) < waits_until - utc_now() <= MINUTE
        assert turns.due(session, limit=9) == []
        assert queries.claimable(session, [fleet.id]) == []
        assert fleets.claim(session, fleet.id, owner="a") is None
        # What is due by the database's clock is due, whatever this host's says.
        session.get_one(Fleet, fleet.id).not_before = utc_now() - timedelta(seconds=1)
        session.flush()
        assert turns.due(session, limit=9) == [fleet.id]
        assert fleets.claim(session, fleet.id, owner="a") is not None
        started_at = session.get_one(Job, job.id).started_at
        assert started_at is not None
        assert abs(utc_now() - started_at) < MINUTE
