from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.orm import Session

from tests.rows import accept
from worker.storage import counters, events, fleets, jobs, progress, workers
from worker.storage.database import Database
from worker.storage.states import State
from worker.storage.suspects import LOST_ALONE, Witness
from worker.storage.tables import Fleet
from worker.storage.workers import WorkerEntry

MOST = 3
ALONE = Witness(alone=True, others=True, most=MOST)
OTHERS_UNSEEN = Witness(alone=True, others=False, most=MOST)
WITH_OTHERS = Witness(alone=False, others=True, most=MOST)


@contextmanager
def begun(database: Database, hosts: int = 1) -> Iterator[tuple[Session, str, str]]:
    """A transaction with a job and its fleet, where so many hosts have workers."""
    with database.write() as session:
        job, (fleet,) = accept(session)
        for number in range(hosts):
            about = {"device": "cpu", "slots": 1, "threads": 1, "release": "0"}
            workers.beat(session, WorkerEntry.new(host=f"host{number}", pid=1, **about))  # type: ignore[arg-type]
        yield session, job.id, fleet.id


def lose(session: Session, fleet_id: str, witness: Witness, host: str = "host0") -> str:
    """Claim it there and lose it; its state."""
    fleet = session.get_one(Fleet, fleet_id)
    fleet.not_before = None
    session.flush()
    lease = fleets.claim(session, fleet_id, owner=f"{host}:7")
    assert lease is not None
    assert fleets.take_back(session, fleet_id, (lease.token, 0), witness=witness)
    return session.get_one(Fleet, fleet_id, populate_existing=True).state


def test_what_takes_its_worker_down_while_others_live_is_poison(database: Database) -> None:
    with begun(database) as (session, job_id, fleet_id):
        assert [lose(session, fleet_id, ALONE) for _ in range(MOST)] == [
            "queued",
            "queued",
            "failed",
        ]
        job = jobs.find_job(session, job_id)
        assert (job.state, job.error.code if job.error else None) == ("failed", "poison")
        assert job.error is not None
        assert "its worker was lost 3 times while it trained there alone" in job.error.message
        told = [event.type for event in events.event_page(session, job_id).items]
        assert told.count(LOST_ALONE) == MOST


@pytest.mark.parametrize("witness", [WITH_OTHERS, OTHERS_UNSEEN])
def test_what_may_be_the_doing_of_others_or_of_the_place_goes_on(
    database: Database, witness: Witness
) -> None:
    with begun(database) as (session, _, fleet_id):
        for _ in range(3 * MOST):
            assert lose(session, fleet_id, witness) == "queued"


def test_others_that_ended_well_in_between_speak_too(database: Database) -> None:
    with begun(database) as (session, _, fleet_id):
        for _ in range(MOST):
            assert lose(session, fleet_id, OTHERS_UNSEEN) == "queued"
            counters.add(session, counters.TRIALS + State.SUCCEEDED)
        assert lose(session, fleet_id, OTHERS_UNSEEN) == "failed"


def test_a_checkpoint_begins_anew(database: Database) -> None:
    with begun(database) as (session, _, fleet_id):
        for epoch in range(1, 4):
            assert [lose(session, fleet_id, ALONE) for _ in range(MOST - 1)] == ["queued"] * 2
            fleet = session.get_one(Fleet, fleet_id)
            fleet.not_before = None
            session.flush()
            lease = fleets.claim(session, fleet_id, owner="host0:7")
            assert lease is not None
            progress.save_checkpoint(session, lease, epoch=epoch, path="p", sha256="0", bytes=1)
            fleets.release(session, lease)


def test_one_host_of_several_may_be_what_is_broken(database: Database) -> None:
    with begun(database, hosts=2) as (session, _, fleet_id):
        for _ in range(2 * MOST):
            assert lose(session, fleet_id, ALONE) == "queued"
        assert lose(session, fleet_id, ALONE, "host1") == "failed"
