from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests.rows import RESULT, accept, bad, claimed, error, good, trial
from worker.storage import events, fleets, jobs, progress, queries
from worker.storage.database import Database
from worker.storage.fleets import Lease, StaleToken
from worker.storage.tables import Fleet
from worker.storage.types import utc_now


def fleet_of(database: Database, fleet_id: str) -> Fleet:
    with database.read() as session:
        return session.get_one(Fleet, fleet_id)


def test_only_one_claim_wins(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        first = fleets.claim(session, fleet.id, owner="a")
        second = fleets.claim(session, fleet.id, owner="b")
    assert first is not None
    assert second is None
    with database.read() as session:
        assert jobs.get(session, job.id).state == "running"


def test_nothing_is_claimed_that_does_not_exist(database: Database) -> None:
    with database.write() as session:
        assert fleets.claim(session, "flt_none", owner="a") is None


def writes(session: Session, lease: Lease) -> dict[str, object]:
    """Every write of a worker, by name."""
    return {
        "heartbeat": lambda: fleets.heartbeat(session, lease),
        "record": lambda: progress.record_epochs(session, lease, [(1, {"train_loss": [1.0]})]),
        "checkpoint": lambda: progress.save_checkpoint(
            session, lease, epoch=1, path="p", sha256="s", bytes=1
        ),
        "rewind": lambda: progress.rewind(session, lease, None),
        "finish": lambda: fleets.finish(session, lease, [good()], RESULT),
        "fail": lambda: fleets.fail(session, lease, error("x")),
        "cancel": lambda: fleets.cancel(session, lease),
        "release": lambda: fleets.release(session, lease),
        "crashed": lambda: fleets.crashed(session, lease, "x", max_attempts=5),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("heartbeat", "record", "checkpoint", "rewind", "finish"),
        *("fail", "cancel", "release", "crashed"),
    ],
)
def test_a_stale_token_changes_nothing(database: Database, name: str) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        stale = claimed(session, fleet.id)
        fleets.release(session, stale)
        current = claimed(session, fleet.id)
    before = everything(database, job.id, fleet.id)
    write = None
    with database.write() as session:
        write = writes(session, stale)[name]
        with pytest.raises(StaleToken):
            write()  # type: ignore[operator]
    assert everything(database, job.id, fleet.id) == before
    with database.write() as session:
        assert fleets.heartbeat(session, current) is False


def everything(database: Database, job_id: str, fleet_id: str) -> object:
    with database.read() as session:
        job, fleet = jobs.get(session, job_id), session.get_one(Fleet, fleet_id)
        return (
            {c.key: getattr(job, c.key) for c in job.__table__.columns},
            {c.key: getattr(fleet, c.key) for c in fleet.__table__.columns},
            [(row.state, row.metrics) for row in jobs.trials(session, job)],
            queries.fleet_epochs(session, fleet_id),
            [row.id for row in jobs.checkpoints(session, job_id)],
            [row.id for row in events.page(session, job_id).items],
        )


def test_a_terminal_state_never_changes(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        assert fleets.finish(session, lease, [good()], RESULT) is True
    before = everything(database, job.id, fleet.id)
    with database.write() as session:
        for write in writes(session, lease).values():
            with pytest.raises(StaleToken):
                write()  # type: ignore[operator]
        assert fleets.claim(session, fleet.id, owner="b") is None
        assert fleets.take_back(session, fleet.id, (1, 0), max_attempts=5) is False
    assert everything(database, job.id, fleet.id) == before


def test_a_released_attempt_does_not_count(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        for _ in range(10):
            fleets.release(session, claimed(session, fleet.id))
    assert fleet_of(database, fleet.id).stalled_attempts == 0
    with database.read() as session:
        assert jobs.get(session, job.id).state == "queued"


def test_a_fleet_that_kills_every_trainer_fails(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        for _ in range(5):
            fleets.crashed(session, claimed(session, fleet.id), "signal 9", max_attempts=5)
    with database.read() as session:
        job = jobs.get(session, job.id)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == "poison"
    assert "signal 9" in job.error.message


def test_attempts_are_counted_by_lost_leases_too(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        for _ in range(5):
            lease = claimed(session, fleet.id)
            assert fleets.take_back(session, fleet.id, (lease.token, 0), max_attempts=5)
        assert jobs.get(session, job.id).state == "failed"


def test_a_further_checkpoint_is_progress_and_a_repeated_one_is_not(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        for epoch in range(1, 8):
            lease = claimed(session, fleet.id)
            progress.save_checkpoint(
                session, lease, epoch=epoch, path=f"{epoch}", sha256="s", bytes=1
            )
            fleets.crashed(session, lease, "x", max_attempts=2)
        assert jobs.get(session, job.id).state == "queued"
        for _ in range(2):
            lease = claimed(session, fleet.id)
            progress.save_checkpoint(session, lease, epoch=3, path="again", sha256="s", bytes=1)
            fleets.crashed(session, lease, "x", max_attempts=2)
        assert jobs.get(session, job.id).state == "failed"


def test_a_crashed_fleet_is_retried_at_once_and_then_waits_longer(database: Database) -> None:
    now = utc_now()
    pauses = []
    with database.write() as session:
        _, (fleet,) = accept(session)
        for _ in range(3):
            lease = fleets.claim(session, fleet.id, owner="a", now=now + timedelta(days=1))
            assert lease is not None
            fleets.crashed(session, lease, "x", max_attempts=9, retry_seconds=1.0, now=now)
            until = session.get_one(Fleet, fleet.id).not_before
            pauses.append(0.0 if until is None else (until - now).total_seconds())
        assert queries.due(session, limit=9, now=now) == []
        assert queries.claimable(session, [fleet.id], now=now) == []
        assert fleets.claim(session, fleet.id, owner="a", now=now) is None
        later = now + timedelta(seconds=3)
        assert queries.due(session, limit=9, now=later) == [fleet.id]
    assert pauses == [0.0, 1.0, 3.0]


def test_a_lease_that_moved_is_not_taken_back(database: Database) -> None:
    with database.write() as session:
        _, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        fleets.heartbeat(session, lease)
        assert queries.running(session) == {fleet.id: (1, 1)}
        assert fleets.take_back(session, fleet.id, (1, 0), max_attempts=5) is False
        assert fleets.take_back(session, fleet.id, (1, 1), max_attempts=5) is True


def test_the_heartbeat_carries_the_cancellation(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        assert fleets.heartbeat(session, lease) is False
        jobs.request_cancel(session, job.id)
        assert fleets.heartbeat(session, lease) is True
        fleets.cancel(session, lease)
        assert jobs.get(session, job.id).state == "cancelled"


@pytest.mark.parametrize("way", ["crashed", "release", "take_back"])
def test_a_cancelled_job_is_not_queued_again(database: Database, way: str) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        jobs.request_cancel(session, job.id)
        if way == "crashed":
            fleets.crashed(session, lease, "x", max_attempts=5)
        elif way == "release":
            fleets.release(session, lease)
        else:
            fleets.take_back(session, fleet.id, (lease.token, 0), max_attempts=5)
        assert jobs.get(session, job.id).state == "cancelled"
        assert [row.state for row in jobs.trials(session, job)] == ["cancelled"]


def test_the_job_is_queued_again_only_when_none_of_its_fleets_runs(database: Database) -> None:
    with database.write() as session:
        job, (one, two) = accept(session, [trial("a")], [trial("b", 1)])
        first, second = claimed(session, one.id), claimed(session, two.id)
        fleets.release(session, first)
        assert jobs.get(session, job.id).state == "running"
        fleets.release(session, second)
        assert jobs.get(session, job.id).state == "queued"


def test_the_oldest_fleets_come_first(database: Database) -> None:
    with database.write() as session:
        order = [accept(session)[1][0].id for _ in range(4)]
        assert queries.due(session, limit=3) == order[:3]
        assert queries.claimable(session, ["flt_none", order[2], order[0]]) == [order[2], order[0]]


def test_results_must_match_the_trials(database: Database) -> None:
    with database.write() as session:
        _, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        with pytest.raises(ValueError, match="1 trials, 2 results"):
            fleets.finish(session, lease, [good(), bad()], RESULT)
