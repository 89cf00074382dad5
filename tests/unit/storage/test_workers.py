"""The registry of workers, and what a job is told that waits."""

from datetime import timedelta

import pytest

from tests.rows import accept, claimed
from worker.shares import Shares, TenantOverrides
from worker.storage import jobs, waits, workers
from worker.storage.database import Database
from worker.storage.types import read_clock
from worker.storage.workers import Worker, WorkerEntry


def entry(slots: int = 1, device: str = "cpu") -> WorkerEntry:
    return WorkerEntry.new(host="h", pid=7, device=device, slots=slots, threads=2, release="1.2.3")


def last_seen(database: Database, worker: WorkerEntry, seconds: float) -> None:
    """Let a worker have been seen so long ago."""
    with database.write() as session:
        row = session.get_one(Worker, worker.id)
        row.seen_at = workers.database_time(session) - timedelta(seconds=seconds)


def waiting_for(database: Database, *, other_jobs: int = 0, **wishes: object) -> str | None:
    """What a new job waits for, after so many others."""
    with database.write() as session:
        for _ in range(other_jobs):
            accept(session)
        return waits.why_queued(session, accept(session, **wishes)[0])


def test_a_worker_says_that_it_lives_and_leaves(database: Database) -> None:
    worker, other = entry(slots=3), entry()
    for _ in range(2):
        with database.write() as session:
            workers.beat(session, worker)
    with database.write() as session:
        workers.beat(session, other, draining=True)
    last_seen(database, worker, 40)
    with database.read() as session:
        first, second = workers.seen(session)
    assert (first.entry, first.draining, first.is_there) == (other, True, True)
    assert (second.entry, second.draining, second.is_there) == (worker, False, False)
    assert second.seen_seconds == pytest.approx(40, abs=10)
    assert 0 <= first.seen_seconds < 10
    assert first.started_at.tzinfo is not None
    with database.write() as session:
        workers.leave(session, worker.id)
    with database.read() as session:
        assert [seen.entry for seen in workers.seen(session)] == [other]


def test_who_was_not_seen_for_a_day_is_forgotten(database: Database) -> None:
    old, older = entry(), entry()
    for worker, seconds in ((old, 86_000), (older, 87_000)):
        with database.write() as session:
            workers.beat(session, worker)
        last_seen(database, worker, seconds)
    new = entry()
    with database.write() as session:
        workers.beat(session, new)
    with database.read() as session:
        assert [seen.entry for seen in workers.seen(session)] == [new, old]


def test_few_of_those_that_are_there_watch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WATCHERS", 2)
    made = sorted((entry() for _ in range(4)), key=lambda one: one.id)
    with database.write() as session:
        for one in made:
            workers.beat(session, one)

    def watching() -> list[bool]:
        with database.read() as session:
            return [workers.watches(session, one.id) for one in made]

    assert watching() == [True, True, False, False]
    last_seen(database, made[0], 40)
    assert watching() == [False, True, True, False]


def test_the_queue_is_counted(database: Database) -> None:
    with database.read() as session:
        assert workers.queue(session) == workers.Queue(0, 0, None)
    with database.write() as session:
        first = accept(session)[1][0].id
        accept(session)
        claimed(session, first)
    with database.read() as session:
        queue = workers.queue(session)
    assert (queue.queued, queue.running) == (1, 1)
    assert queue.oldest_seconds is not None
    assert 0 <= queue.oldest_seconds < 30


def test_a_job_says_that_no_worker_is_there(database: Database) -> None:
    assert waiting_for(database) == "a worker: none was seen so far"
    worker = entry()
    with database.write() as session:
        workers.beat(session, worker)
    last_seen(database, worker, 40)
    told = waiting_for(database)
    assert told is not None
    assert told.startswith("a worker: none was seen for 4")
    with database.write() as session:
        workers.beat(session, worker, draining=True)
    assert waiting_for(database) == "a worker: all that are there are stopping"


def test_a_job_says_that_others_are_before_it(database: Database) -> None:
    with database.write() as session:
        workers.beat(session, entry())
    assert waiting_for(database) == "a worker to claim it"
    assert waiting_for(database) == "its turn: 1 fleet is before it"
    assert waiting_for(database, other_jobs=1) == "its turn: 3 fleets are before it"


def test_a_job_says_what_its_wishes_come_to(database: Database) -> None:
    with database.write() as session:
        workers.beat(session, entry())
        accept(session, priority=1)
        accept(session, priority=3)
        wished = [accept(session, device=device, priority=2)[0] for device in ("cpu", "gpu")]
        told = [waits.why_queued(session, job) for job in wished]
    assert told == [
        "its turn: 1 fleet is before it",
        "a worker with a GPU: none was seen so far",
    ]


def test_a_job_says_that_all_workers_are_busy(database: Database) -> None:
    with database.write() as session:
        workers.beat(session, entry(slots=2))
        running = [accept(session)[1][0] for _ in range(2)]
        for fleet in running:
            claimed(session, fleet.id)
    assert waiting_for(database) == "a worker: 2 fleets are training, and there is room for 2"


def test_a_job_says_that_no_worker_has_its_device(database: Database) -> None:
    with database.write() as session:
        workers.beat(session, entry())
    assert waiting_for(database, device="gpu") == "a worker with a GPU: none was seen so far"
    # What waits for a GPU is not before it where there is none, and never for a CPU.
    assert waiting_for(database) == "a worker to claim it"
    assert waiting_for(database, device="cpu") == "its turn: 1 fleet is before it"
    with database.write() as session:
        workers.beat(session, entry(device="cuda:1"))
    assert waiting_for(database, device="gpu") == "its turn: 2 fleets are before it"
    assert waiting_for(database) == "its turn: 4 fleets are before it"


def test_a_job_says_that_all_workers_with_its_device_are_busy(database: Database) -> None:
    with database.write() as session:
        workers.beat(session, entry(slots=5))
        workers.beat(session, entry(device="cuda"))
        claimed(session, accept(session)[1][0].id)
    assert waiting_for(database, device="gpu", priority=9) == "a worker with a GPU to claim it"
    with database.write() as session:
        claimed(session, accept(session, device="gpu")[1][0].id)
    assert waiting_for(database, device="gpu", priority=10) == (
        "a worker with a GPU: 1 fleet is training, and there is room for 1"
    )


def test_a_job_of_a_higher_priority_does_not_wait_for_others(database: Database) -> None:
    with database.write() as session:
        workers.beat(session, entry())
    usual = waiting_for(database, other_jobs=2)
    assert usual == "its turn: 2 fleets are before it"
    assert waiting_for(database, priority=1) == "a worker to claim it"
    assert waiting_for(database, priority=-1) == "its turn: 4 fleets are before it"


def test_a_job_that_runs_waits_for_none(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        claimed(session, fleet.id)
    with database.read() as session:
        running = jobs.find_job(session, job.id)
        assert running.state == "running"
        assert waits.why_queued(session, running) is None


def test_a_job_is_told_its_place_and_when_it_may_begin(database: Database) -> None:
    """One worker; others have their turn in between, and no more than a quantum of it."""
    shares = Shares(quantum_seconds=60.0, others={"gold": TenantOverrides(weight=2.0)})
    with database.write() as session:
        for seconds in (30.0, 40.0):
            accept(session, estimated_seconds=seconds)
        job, _ = accept(session, estimated_seconds=100.0)
        alone = waits.find_place(session, job, shares)
        workers.beat(session, entry())
        begun = read_clock(session)
        first = waits.find_place(session, job, shares)
        for _ in range(9):
            accept(session, tenant="gold", estimated_seconds=3_600.0)
        later = waits.find_place(session, job, shares)
        running, (fleet,) = accept(session)
        claimed(session, fleet.id)
        assert waits.find_place(session, running, shares) is None
    assert alone == waits.QueuePlace(3, None)
    assert first is not None
    assert first.expected_start is not None
    assert (first.expected_start - begun).total_seconds() == pytest.approx(70.0, abs=10.0)
    assert later is not None
    assert later.expected_start is not None
    assert later.position == 1 + 2 + 6
    assert (later.expected_start - begun).total_seconds() == pytest.approx(430.0, abs=10.0)
