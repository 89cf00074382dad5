from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.rows import RESULT, accept, bad, claimed, error, good, trial
from worker.storage import events, fleets, jobs, progress, queries, turns
from worker.storage.database import Database
from worker.storage.fleets import Lease, StaleToken
from worker.storage.tables import Checkpoint, EpochMetrics, Fleet, TrialRow
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
        assert jobs.find_job(session, job.id).state == "running"


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
        "give_back": lambda: fleets.give_back(session, lease, "x"),
        "crashed": lambda: fleets.crashed(session, lease, "x", max_attempts=5),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("heartbeat", "record", "checkpoint", "rewind", "finish"),
        *("fail", "cancel", "release", "give_back", "crashed"),
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
        assert fleets.heartbeat(session, current) is None


def everything(database: Database, job_id: str, fleet_id: str) -> object:
    with database.read() as session:
        job, fleet = jobs.find_job(session, job_id), session.get_one(Fleet, fleet_id)
        return (
            {c.key: getattr(job, c.key) for c in job.__table__.columns},
            {c.key: getattr(fleet, c.key) for c in fleet.__table__.columns},
            [(row.state, row.metrics) for row in jobs.trials(session, job)],
            queries.fleet_epochs(session, fleet_id),
            [row.id for row in jobs.checkpoints(session, job_id)],
            [row.id for row in events.event_page(session, job_id).items],
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
        assert fleets.take_back(session, fleet.id, (1, 0)) is False
    assert everything(database, job.id, fleet.id) == before


def test_a_released_attempt_does_not_count(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        for _ in range(10):
            fleets.release(session, claimed(session, fleet.id))
    assert fleet_of(database, fleet.id).stalled_attempts == 0
    with database.read() as session:
        assert jobs.find_job(session, job.id).state == "queued"


def test_a_fleet_that_kills_every_trainer_fails(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        for _ in range(5):
            fleets.crashed(session, claimed(session, fleet.id), "signal 9", max_attempts=5)
    with database.read() as session:
        job = jobs.find_job(session, job.id)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == "poison"
    assert "signal 9" in job.error.message


def test_a_further_checkpoint_is_progress_and_a_repeated_one_is_not(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        for epoch in range(1, 8):
            lease = claimed(session, fleet.id)
            progress.save_checkpoint(
                session, lease, epoch=epoch, path=f"{epoch}", sha256="s", bytes=1
            )
            fleets.crashed(session, lease, "x", max_attempts=2)
        assert jobs.find_job(session, job.id).state == "queued"
        for _ in range(2):
            lease = claimed(session, fleet.id)
            progress.save_checkpoint(session, lease, epoch=3, path="again", sha256="s", bytes=1)
            fleets.crashed(session, lease, "x", max_attempts=2)
        assert jobs.find_job(session, job.id).state == "failed"


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
        assert turns.due(session, limit=9, now=now) == []
        assert queries.claimable(session, [fleet.id], now=now) == []
        assert fleets.claim(session, fleet.id, owner="a", now=now) is None
        later = now + timedelta(seconds=3)
        assert turns.due(session, limit=9, now=later) == [fleet.id]
    assert pauses == [0.0, 1.0, 3.0]


def test_a_lease_that_moved_is_not_taken_back(database: Database) -> None:
    with database.write() as session:
        _, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        fleets.heartbeat(session, lease)
        assert queries.running(session) == {fleet.id: (1, 1)}
        assert fleets.take_back(session, fleet.id, (1, 0)) is False
        assert fleets.take_back(session, fleet.id, (1, 1)) is True


def test_nothing_of_a_job_that_is_to_be_cancelled_is_claimed(database: Database) -> None:
    """Whatever left the fleet in the queue."""
    with database.write() as session:
        job, (fleet,) = accept(session)
        job.cancel_requested = True
    with database.write() as session:
        assert fleets.claim(session, fleet.id, owner="test") is None
        (unclaimed,) = jobs.fleets(session, job.id)
        assert (unclaimed.state, unclaimed.attempt) == ("queued", 0)


def test_the_heartbeat_carries_the_cancellation(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        assert fleets.heartbeat(session, lease) is None
        jobs.request_cancel(session, job.id)
        assert fleets.heartbeat(session, lease) == "cancelled"
        fleets.cancel(session, lease)
        assert jobs.find_job(session, job.id).state == "cancelled"


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
            fleets.take_back(session, fleet.id, (lease.token, 0))
        assert jobs.find_job(session, job.id).state == "cancelled"
        assert [row.state for row in jobs.trials(session, job)] == ["cancelled"]


def test_the_job_is_queued_again_only_when_none_of_its_fleets_runs(database: Database) -> None:
    with database.write() as session:
        job, (one, two) = accept(session, [trial("a")], [trial("b", 1)])
        first, second = claimed(session, one.id), claimed(session, two.id)
        fleets.release(session, first)
        assert jobs.find_job(session, job.id).state == "running"
        fleets.release(session, second)
        assert jobs.find_job(session, job.id).state == "queued"


def test_the_oldest_fleets_come_first(database: Database) -> None:
    with database.write() as session:
        order = [accept(session)[1][0].id for _ in range(4)]
        assert turns.due(session, limit=3) == order[:3]
        assert queries.claimable(session, ["flt_none", order[2], order[0]]) == [order[2], order[0]]


def test_results_must_match_the_trials(database: Database) -> None:
    with database.write() as session:
        _, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        with pytest.raises(ValueError, match="1 trials, 2 results"):
            fleets.finish(session, lease, [good(), bad()], RESULT)


# A fleet that ran out of memory becomes two.


def members(session: Session, fleet: Fleet) -> list[tuple[int, int, str]]:
    rows = session.scalars(
        select(TrialRow).where(TrialRow.fleet_id == fleet.id).order_by(TrialRow.position)
    )
    return [(row.position, row.configuration, row.state) for row in rows]


def fleet_with(session: Session, configurations: list[int]) -> Fleet:
    """The only fleet of a job, with trials of these configurations."""
    named = [trial(str(n), configuration=n, repeat=r) for r, n in enumerate(configurations)]
    _, (fleet,) = accept(session, named)
    return fleet


@pytest.mark.parametrize(
    ("configurations", "first", "second"),
    [
        ([0, 1, 2, 3], [0, 1], [2, 3]),
        ([0, 1, 2], [0], [1, 2]),
        ([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 0], [1, 1, 1, 2, 2, 2]),
        ([7, 7, 7, 7], [7, 7], [7, 7]),
    ],
)
def test_trials_are_parted_between_configurations(
    database: Database, configurations: list[int], first: list[int], second: list[int]
) -> None:
    with database.write() as session:
        fleet = fleet_with(session, configurations)
        assert fleets.split(session, claimed(session, fleet.id))
    with database.read() as session:
        halves = jobs.fleets(session, fleet.job_id)
        assert [half.number for half in halves] == [0, 1]
        assert [half.state for half in halves] == ["queued", "queued"]
        for half, expected in zip(halves, (first, second), strict=True):
            rows = [(position, n, "queued") for position, n in enumerate(expected)]
            assert members(session, half) == rows
        job = jobs.find_job(session, fleet.job_id)
        assert (job.state, job.epochs, job.epoch, job.trials_total) == (
            *("queued", 20, 0),
            len(configurations),
        )


def test_both_halves_finish_and_the_job_with_them(database: Database) -> None:
    with database.write() as session:
        fleet = fleet_with(session, [0, 1, 2, 3])
        lease = claimed(session, fleet.id)
        fleets.split(session, lease)
        first, second = jobs.fleets(session, fleet.job_id)
        again = claimed(session, first.id)
        assert again.token > lease.token
        assert not fleets.finish(session, again, [good(), good()], None)
        assert fleets.finish(session, claimed(session, second.id), [good(), good()], None)
        assert jobs.find_job(session, fleet.job_id).state == "succeeded"


def test_what_the_whole_left_behind_is_gone(database: Database) -> None:
    with database.write() as session:
        fleet = fleet_with(session, [0, 1])
        lease = claimed(session, fleet.id)
        progress.record_epochs(session, lease, [(1, {"validation_loss": [0.1, 0.2]})])
        progress.save_checkpoint(session, lease, epoch=1, path="x", sha256="0", bytes=1)
        fleets.split(session, lease)
    with database.read() as session:
        assert session.scalars(select(Checkpoint)).all() == []
        assert session.scalars(select(EpochMetrics)).all() == []
        first = session.get_one(Fleet, fleet.id)
        assert (first.epoch, first.checkpoint_id, first.stalled_attempts) == (0, None, 0)
        found = events.event_page(session, first.job_id, after=0, limit=100).items
        (message,) = [event.message for event in found if event.type == "split"]
        assert "fleet 1 takes half of its trials" in message


def test_a_stale_token_splits_nothing(database: Database) -> None:
    with database.write() as session:
        fleet = fleet_with(session, [0, 1])
        lease = claimed(session, fleet.id)
        fleets.release(session, lease)
        claimed(session, fleet.id, owner="another")
    with pytest.raises(StaleToken), database.write() as session:
        fleets.split(session, lease)
    with database.read() as session:
        assert len(jobs.fleets(session, fleet.job_id)) == 1


def test_a_single_trial_cannot_be_split(database: Database) -> None:
    with database.write() as session:
        fleet = fleet_with(session, [0])
        lease = claimed(session, fleet.id)
        assert not fleets.split(session, lease)
        assert session.get_one(Fleet, fleet.id).state == "running"


def test_a_cancelled_job_is_not_split_but_ends(database: Database) -> None:
    with database.write() as session:
        fleet = fleet_with(session, [0, 1])
        lease = claimed(session, fleet.id)
        jobs.request_cancel(session, fleet.job_id)
        assert fleets.split(session, lease)
        assert jobs.find_job(session, fleet.job_id).state == "cancelled"
        assert len(jobs.fleets(session, fleet.job_id)) == 1


@pytest.mark.parametrize(("killed", "count", "state"), [(True, 2, "queued"), (False, 1, "failed")])
def test_a_fleet_that_the_system_kills_is_split_at_the_last_attempt(
    database: Database, killed: bool, count: int, state: str
) -> None:
    more: dict[str, Any] = {"max_attempts": 2, "killed": killed}
    with database.write() as session:
        fleet = fleet_with(session, [0, 1])
        fleets.crashed(session, claimed(session, fleet.id), "killed", **more)
        assert len(jobs.fleets(session, fleet.job_id)) == 1
        fleets.crashed(session, claimed(session, fleet.id), "killed", **more)
        found = jobs.fleets(session, fleet.job_id)
    assert [each.state for each in found] == [state] * count
