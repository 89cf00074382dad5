"""A paused job: nothing of it is claimed, nothing is lost, and it goes on when it is told to."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.rows import RESULT, accept, claimed, good, trial
from worker.errors import ConflictError
from worker.storage import events, fleets, jobs, pauses, progress, queries, turns
from worker.storage.additions import Following, NewFleet, snapshot
from worker.storage.database import Database
from worker.storage.tables import Event, Fleet, Job
from worker.storage.types import utc_now


def states(database: Database, job_id: str) -> tuple[str, list[str], list[str]]:
    """Of the job, its fleets and its trials."""
    with database.read() as session:
        job = jobs.find_job(session, job_id)
        return (
            job.state,
            [fleet.state for fleet in jobs.fleets(session, job_id)],
            [row.state for row in jobs.trials(session, job)],
        )


def pause(database: Database, job_id: str) -> Job:
    with database.write() as session:
        return jobs.request_pause(session, job_id)


def resume(database: Database, job_id: str) -> Job:
    with database.write() as session:
        return jobs.request_resume(session, job_id)


def kinds(database: Database, job_id: str) -> list[str]:
    with database.read() as session:
        return [event.type for event in events.event_page(session, job_id).items]


def test_a_queued_job_is_paused_at_once_and_goes_on(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
    assert pause(database, job.id).state == "paused"
    with database.write() as session:
        assert turns.due(session, limit=9) == []
        assert queries.claimable(session, [fleet.id]) == []
        assert fleets.claim(session, fleet.id, owner="a") is None
    assert states(database, job.id) == ("paused", ["paused"], ["paused"])
    assert resume(database, job.id).state == "queued"
    assert states(database, job.id) == ("queued", ["queued"], ["queued"])
    with database.write() as session:
        assert turns.due(session, limit=9) == [fleet.id]
        claimed(session, fleet.id)


def test_a_running_job_is_paused_once_its_last_fleet_stops(database: Database) -> None:
    with database.write() as session:
        job, (one, two, three) = accept(
            session, [trial("a")], [trial("b", 1)], [trial("c", 2)], epochs=10
        )
        first, second = claimed(session, one.id), claimed(session, two.id)
        progress.save_checkpoint(session, first, epoch=4, path="p", sha256="s", bytes=1)
    assert pause(database, job.id).state == "running"
    with database.write() as session:
        assert fleets.heartbeat(session, first) == "paused"
        fleets.release(session, first)
    assert states(database, job.id)[:2] == ("running", ["paused", "running", "paused"])
    with database.write() as session:
        fleets.release(session, second)
    assert states(database, job.id)[:2] == ("paused", ["paused"] * 3)
    with database.read() as session:
        stored = session.get_one(Fleet, one.id)
        assert (stored.checkpoint_id is None, stored.stalled_attempts) == (False, 0)
    assert resume(database, job.id).state == "queued"
    with database.write() as session:
        assert [claimed(session, fleet.id).attempt for fleet in (one, two, three)] == [2, 2, 1]


def test_twice_is_as_once(database: Database) -> None:
    with database.write() as session:
        job, _ = accept(session)
    for _ in range(2):
        pause(database, job.id)
    assert kinds(database, job.id) == ["accepted", "pause_requested", "paused"]
    for _ in range(2):
        resume(database, job.id)
    assert kinds(database, job.id)[3:] == ["resume_requested"]


def test_a_pause_that_is_taken_back_in_time_disturbs_nobody(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
    pause(database, job.id)
    assert resume(database, job.id).state == "running"
    with database.write() as session:
        assert fleets.heartbeat(session, lease) is None
        fleets.finish(session, lease, [good()], RESULT)
    assert states(database, job.id)[0] == "succeeded"


def test_what_follows_waits_too(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session, trials_total=2)
        lease = claimed(session, fleet.id)
    pause(database, job.id)
    with database.write() as session:
        held, _ = fleets.hold(session, lease)
        following = Following(
            snapshot(session, held, fleet.id), [NewFleet([trial("b", 1)], 10)], complete=True
        )
        fleets.finish(session, lease, [good()], RESULT, following)
    assert states(database, job.id)[:2] == ("paused", ["succeeded", "paused"])
    resume(database, job.id)
    assert states(database, job.id)[:2] == ("queued", ["succeeded", "queued"])


def test_what_dies_meanwhile_waits_too(database: Database) -> None:
    with database.write() as session:
        job, (fleet, other) = accept(session, [trial("a"), trial("b", 1)], [trial("c", 2)])
        lease = claimed(session, fleet.id)
        lost = claimed(session, other.id)
    pause(database, job.id)
    with database.write() as session:
        assert fleets.split(session, lease)
        fleets.crashed(session, lost, "killed", max_attempts=9)
    assert states(database, job.id) == ("paused", ["paused"] * 3, ["paused"] * 3)


def test_a_job_that_finishes_before_it_stops_has_ended(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
    pause(database, job.id)
    with database.write() as session:
        assert fleets.finish(session, lease, [good()], RESULT)
    assert states(database, job.id)[0] == "succeeded"


def test_a_paused_job_is_cancelled_and_keeps_what_is_finished(database: Database) -> None:
    with database.write() as session:
        job, (fleet, _) = accept(session, [trial("a")], [trial("b", 1)])
        lease = claimed(session, fleet.id)
        fleets.finish(session, lease, [good()], RESULT)
    pause(database, job.id)
    with database.write() as session:
        assert jobs.request_cancel(session, job.id).state == "cancelled"
    assert states(database, job.id) == (
        "cancelled",
        ["succeeded", "cancelled"],
        ["succeeded", "cancelled"],
    )
    with database.read() as session:
        assert jobs.find_job(session, job.id).best is not None


def test_cancelling_goes_before_pausing(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
    pause(database, job.id)
    with database.write() as session:
        jobs.request_cancel(session, job.id)
        assert fleets.heartbeat(session, lease) == "cancelled"
        with pytest.raises(ConflictError, match="being cancelled"):
            jobs.request_pause(session, job.id)
        assert jobs.request_resume(session, job.id).state == "running"
        fleets.release(session, lease)
    assert states(database, job.id)[0] == "cancelled"


@pytest.mark.parametrize(("end", "remedy"), [("finish", "post a new one"), ("cancel", "/retry")])
def test_what_has_ended_is_neither_paused_nor_resumed(
    database: Database, end: str, remedy: str
) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        if end == "finish":
            fleets.finish(session, lease, [good()], RESULT)
        else:
            fleets.cancel(session, lease)
    before = states(database, job.id)
    with pytest.raises(ConflictError) as refused:
        pause(database, job.id)
    assert refused.value.code == "job_ended"
    with pytest.raises(ConflictError, match=remedy):
        resume(database, job.id)
    assert states(database, job.id) == before


def test_pauses_do_not_count_as_time_that_was_spent(database: Database) -> None:
    with database.write() as session:
        job, _ = accept(session)
    for _ in range(2):
        pause(database, job.id)
        resume(database, job.id)
    pause(database, job.id)
    now = utc_now()
    with database.write() as session:
        logged = events.event_page(session, job.id).items[1:]
        # pause_requested, paused, resume_requested; twice; and then it is paused still.
        for event, seconds in zip(logged, (900, 900, 800, 700, 700, 640, 50, 50), strict=True):
            at = now - timedelta(seconds=seconds)
            session.execute(update(Event).where(Event.id == event.id).values(created_at=at))
    with database.read() as session:
        assert pauses.paused_seconds(session, job.id) == pytest.approx(210, abs=20)
