"""A fleet that ran out of memory becomes two, in one conditional transaction."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.rows import accept, claimed, good, trial
from worker.storage import events, fleets, jobs, progress
from worker.storage.database import Database
from worker.storage.fleets import StaleToken
from worker.storage.tables import Checkpoint, EpochMetrics, Fleet, TrialRow


def members(session: Session, fleet: Fleet) -> list[tuple[int, int, str]]:
    rows = session.scalars(
        select(TrialRow).where(TrialRow.fleet_id == fleet.id).order_by(TrialRow.position)
    )
    return [(row.position, row.configuration, row.state) for row in rows]


def planned(session: Session, configurations: list[int]) -> Fleet:
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
def test_trials_are_halved_between_configurations(
    database: Database, configurations: list[int], first: list[int], second: list[int]
) -> None:
    with database.write() as session:
        fleet = planned(session, configurations)
        assert fleets.split(session, claimed(session, fleet.id))
    with database.read() as session:
        halves = jobs.fleets(session, fleet.job_id)
        assert [half.number for half in halves] == [0, 1]
        assert [half.state for half in halves] == ["queued", "queued"]
        for half, expected in zip(halves, (first, second), strict=True):
            rows = [(position, n, "queued") for position, n in enumerate(expected)]
            assert members(session, half) == rows
        job = jobs.get(session, fleet.job_id)
        assert (job.state, job.epochs, job.epoch, job.trials_total) == (
            *("queued", 20, 0),
            len(configurations),
        )


def test_both_halves_finish_and_the_job_with_them(database: Database) -> None:
    with database.write() as session:
        fleet = planned(session, [0, 1, 2, 3])
        lease = claimed(session, fleet.id)
        fleets.split(session, lease)
        first, second = jobs.fleets(session, fleet.job_id)
        again = claimed(session, first.id)
        assert again.token > lease.token
        assert not fleets.finish(session, again, [good(), good()], None)
        assert fleets.finish(session, claimed(session, second.id), [good(), good()], None)
        assert jobs.get(session, fleet.job_id).state == "succeeded"


def test_what_the_whole_left_behind_is_gone(database: Database) -> None:
    with database.write() as session:
        fleet = planned(session, [0, 1])
        lease = claimed(session, fleet.id)
        progress.record_epochs(session, lease, [(1, {"validation_loss": [0.1, 0.2]})])
        progress.save_checkpoint(session, lease, epoch=1, path="x", sha256="0", bytes=1)
        fleets.split(session, lease)
    with database.read() as session:
        assert session.scalars(select(Checkpoint)).all() == []
        assert session.scalars(select(EpochMetrics)).all() == []
        first = session.get_one(Fleet, fleet.id)
        assert (first.epoch, first.checkpoint_id, first.stalled_attempts) == (0, None, 0)
        found = events.page(session, first.job_id, after=0, limit=100).items
        (message,) = [event.message for event in found if event.type == "split"]
        assert "fleet 1 takes half of its trials" in message


def test_a_stale_token_splits_nothing(database: Database) -> None:
    with database.write() as session:
        fleet = planned(session, [0, 1])
        lease = claimed(session, fleet.id)
        fleets.release(session, lease)
        claimed(session, fleet.id, owner="another")
    with pytest.raises(StaleToken), database.write() as session:
        fleets.split(session, lease)
    with database.read() as session:
        assert len(jobs.fleets(session, fleet.job_id)) == 1


def test_a_single_trial_cannot_be_split(database: Database) -> None:
    with database.write() as session:
        fleet = planned(session, [0])
        lease = claimed(session, fleet.id)
        assert not fleets.split(session, lease)
        assert session.get_one(Fleet, fleet.id).state == "running"


def test_a_cancelled_job_is_not_split_but_ends(database: Database) -> None:
    with database.write() as session:
        fleet = planned(session, [0, 1])
        lease = claimed(session, fleet.id)
        jobs.request_cancel(session, fleet.job_id)
        assert fleets.split(session, lease)
        assert jobs.get(session, fleet.job_id).state == "cancelled"
        assert len(jobs.fleets(session, fleet.job_id)) == 1


@pytest.mark.parametrize(("killed", "count", "state"), [(True, 2, "queued"), (False, 1, "failed")])
def test_a_fleet_that_the_system_kills_is_split_at_the_last_attempt(
    database: Database, killed: bool, count: int, state: str
) -> None:
    more: dict[str, Any] = {"max_attempts": 2, "killed": killed}
    with database.write() as session:
        fleet = planned(session, [0, 1])
        fleets.crashed(session, claimed(session, fleet.id), "killed", **more)
        assert len(jobs.fleets(session, fleet.job_id)) == 1
        fleets.crashed(session, claimed(session, fleet.id), "killed", **more)
        found = jobs.fleets(session, fleet.job_id)
    assert [each.state for each in found] == [state] * count
