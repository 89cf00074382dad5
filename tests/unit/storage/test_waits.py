"""What is no fault of a fleet is waited out, and counts nothing against it."""

from datetime import timedelta

import pytest

from tests.rows import RESULT, accept, claimed, good
from worker.storage import events, fleets, jobs, progress, waits
from worker.storage.database import Database
from worker.storage.tables import Fleet
from worker.storage.types import utc_now


@pytest.mark.parametrize("way", ["give_back", "take_back"])
def test_faults_of_the_place_do_not_count_and_are_waited_out_ever_longer(
    database: Database, way: str
) -> None:
    now = utc_now()
    pauses = []
    with database.write() as session:
        job, (fleet,) = accept(session)
        for _ in range(9):
            lease = fleets.claim(session, fleet.id, owner="a", now=now + timedelta(days=1))
            assert lease is not None
            if way == "give_back":
                fleets.give_back(session, lease, "the host: input/output error", now)
            else:
                assert fleets.take_back(session, fleet.id, (lease.token, 0), now)
            until = session.get_one(Fleet, fleet.id).not_before
            pauses.append(0.0 if until is None else (until - now).total_seconds())
        assert jobs.find_job(session, job.id).state == "queued"
        assert session.get_one(Fleet, fleet.id).stalled_attempts == 0
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_fleet_that_got_further_waits_briefly_again(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        for _ in range(2):
            session.get_one(Fleet, fleet.id).not_before = None
            fleets.give_back(session, claimed(session, fleet.id), "the host: out of files")
        assert waits.waiting_for(session, job) == "the host: out of files"
        session.get_one(Fleet, fleet.id).not_before = None
        lease = claimed(session, fleet.id)
        progress.record_epochs(session, lease, [(1, {"train_loss": [1.0]})])
        assert waits.waiting_for(session, job) is None
        progress.save_checkpoint(session, lease, epoch=1, path="p", sha256="s", bytes=1)
        assert session.get_one(Fleet, fleet.id).place_faults == 0
        types = [event.type for event in events.event_page(session, job.id).items]
    assert types.count("waiting") == types.count("going_on") == 1


def test_a_wait_has_one_line_at_its_beginning_and_one_at_its_end(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        held = fleets.hold(session, claimed(session, fleet.id))
        for reason in ("one", "one", "another", None, None):
            waits.note(session, *held, reason)
            session.flush()
            assert waits.waiting_for(session, job) == reason
        types = [event.type for event in events.event_page(session, job.id).items]
    assert types[-2:] == ["waiting", "going_on"]
    assert types.count("waiting") == types.count("going_on") == 1


@pytest.mark.parametrize("end", ["finish", "cancel"])
def test_what_has_ended_waits_for_nothing(database: Database, end: str) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        waits.note(session, *fleets.hold(session, lease), "the host: no space left on device")
        if end == "finish":
            fleets.finish(session, lease, [good()], RESULT)
        else:
            fleets.cancel(session, lease)
        session.flush()
        assert waits.waiting_for(session, job) is None
        assert session.get_one(Fleet, fleet.id).waiting_for is None
        types = [event.type for event in events.event_page(session, job.id).items]
        assert ("going_on" in types) == (end == "finish")
