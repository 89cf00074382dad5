"""What stands still stops nobody else: standbys, trainers, other workers' transactions."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.databases import KINDS, Aside, Databases, stopped, written_elsewhere
from tests.rows import accept
from tests.unit.runtime.test_reconciler import Bell, Clock
from tests.waiting import until
from worker.errors import UnavailableError
from worker.runtime import standby as module
from worker.runtime import supervisor as supervisors
from worker.runtime.reconciler import Reconciler
from worker.runtime.standby import Lines
from worker.runtime.supervisor import Supervisor
from worker.settings import ServiceSettings
from worker.storage import fleets, jobs, queries
from worker.storage.database import Database
from worker.storage.limits import SERVICE, WORKER
from worker.storage.tables import Fleet, Job

STAND_IN = str(Path(__file__).with_name("stand_in.py"))
Make = Callable[..., Supervisor]


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path
) -> Iterator[Database]:
    with databases.new(request.param, tmp_path) as database:
        yield database


on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def make(settings: ServiceSettings, database: Database) -> Iterator[Make]:
    made: list[Supervisor] = []

    def make(behaviour: str, user: Database = database) -> Supervisor:
        changed = settings.model_copy(
            update={"database_url": database.url, "heartbeat_seconds": 0.2}
        )
        command = (sys.executable, STAND_IN, behaviour)
        made.append(Supervisor(changed, user, command=command))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.close()


def accepted(database: Database) -> tuple[str, str]:
    with database.write() as session:
        job, (fleet,) = accept(session)
        return job.id, fleet.id


def state(database: Database, job_id: str) -> str:
    with database.read() as session:
        return jobs.find_job(session, job_id).state


@pytest.mark.slow
@on_sqlite
def test_a_frozen_standby_is_killed_and_replaced(
    make: Make,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = make("finish")
    first = supervisor.warm_up()
    first._waiter.join()
    job_id, fleet_id = accepted(database)
    monkeypatch.setattr(module, "FORK_SECONDS", 0.2)
    os.kill(first.pid, signal.SIGSTOP)
    # The other one has the time that it needs.
    started = supervisor.close

    def close() -> None:
        started()
        monkeypatch.setattr(module, "FORK_SECONDS", 30.0)

    monkeypatch.setattr(supervisor, "close", close)
    assert supervisor.work(fleet_id) == 1
    assert state(database, job_id) == "succeeded"
    assert not first.is_alive
    assert "has not answered for 0.2 s" in caplog.text


@pytest.mark.slow
@on_sqlite
def test_a_standby_that_freezes_while_its_trainer_works_keeps_nobody(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby = make("obey").warm_up()
    trainer = standby.fork()
    process = psutil.Process(trainer.pid)
    monkeypatch.setattr(module, "EXIT_SECONDS", 0.2)
    os.kill(standby.pid, signal.SIGSTOP)
    trainer.kill()
    assert trainer.wait() == -signal.SIGKILL
    until(lambda: not process.is_running())
    monkeypatch.undo()


@on_sqlite
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no such handles")
def test_a_trainer_is_ended_by_handle_and_never_by_its_number(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, number: int) -> None:
        raise AssertionError(f"signal {number} to number {pid}")

    trainer = make("hang").warm_up().fork()
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuse)
        trainer.kill()
        assert trainer.wait() == -signal.SIGKILL
        trainer.kill()


@on_sqlite
def test_a_trainer_that_reads_nothing_does_not_stop_its_supervisor(make: Make) -> None:
    trainer = make("hang").warm_up().fork()
    with stopped(psutil.Process(trainer.pid)):
        for _ in range(10):
            trainer.ask_to_stop("x" * 20_000)
    trainer.kill()
    trainer.wait()


def test_half_a_line_is_waited_for_within_limits() -> None:
    reading, writing = os.pipe()
    try:
        lines = Lines(reading)
        os.write(writing, b"ha")
        with pytest.raises(TimeoutError):
            lines.next(0.01)
        os.write(writing, b"lf\n")
        assert lines.next(0.01) == b"half"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_trainer_that_is_frozen_with_a_lock_is_killed_and_its_fleet_tried_again(
    make: Make, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisors, "STILL_SECONDS", 1.0)
    monkeypatch.setattr(supervisors, "BEAT_SECONDS", (1.5, 1.5))
    job_id, fleet_id = accepted(database)
    supervisor = make("freeze_in_a_transaction")
    assert supervisor.work(fleet_id) >= 1
    while state(database, job_id) == "queued":
        supervisor.work(fleet_id)
    assert state(database, job_id) == "succeeded"


@pytest.mark.slow
def test_a_lease_that_cannot_be_renewed_is_given_up_before_it_is_over(
    settings: ServiceSettings, database: Database, databases: Databases, tmp_path: Path
) -> None:
    job_id, fleet_id = accepted(database)
    lease = {"lease_seconds": 4.0, "heartbeat_seconds": 0.5, "database_url": database.url}
    supervisor = Supervisor(
        settings.model_copy(update=lease), database, command=(sys.executable, STAND_IN, "obey")
    )
    standby = psutil.Process(supervisor.warm_up().pid)

    def work() -> None:
        # Then it asks for what else waits, which nobody can say.
        with suppress(UnavailableError):
            supervisor.work(fleet_id)

    worker = Aside(work)

    def beats() -> int:
        with database.read() as session:
            return session.get_one(Fleet, fleet_id).hb_seq

    until(lambda: beats() > 1)
    (trainer,) = standby.children()
    written = written_elsewhere(tmp_path / "test.db") if database.is_sqlite else databases.frozen()
    with written:
        started = time.monotonic()
        until(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE)
        assert 2.0 < time.monotonic() - started < 4.0
        worker.end()
    supervisor.close()
    assert state(database, job_id) == "running"  # nobody could write; the reconciler takes it back


@on_postgresql
def test_a_job_that_another_transaction_holds_keeps_no_worker_from_the_others(
    make: Make, database: Database
) -> None:
    held, held_fleet = accepted(database)
    free, free_fleet = accepted(database)
    impatient = Database(database.url, replace(WORKER, lock=0.2))
    supervisor = make("finish", impatient)
    with database.write() as frozen:
        frozen.get_one(Job, held, with_for_update=True)
        assert supervisor.work(held_fleet) == 0
        assert supervisor.work(free_fleet) == 1
        assert state(database, free) == "succeeded"
    assert supervisor.work(held_fleet) == 1
    impatient.close()


@on_postgresql
def test_what_cannot_be_taken_back_keeps_nothing_from_being_announced(
    settings: ServiceSettings, database: Database
) -> None:
    held, held_fleet = accepted(database)
    with database.write() as session:
        assert fleets.claim(session, held_fleet, owner="frozen")
    clock, bell = Clock(), Bell()
    user = Database(database.url, SERVICE)
    reconciler = Reconciler(settings, user, bell, clock=clock)
    reconciler.tick()
    clock.now += settings.lease_seconds
    with database.write() as frozen:
        frozen.get_one(Job, held, with_for_update=True)
        _, waiting = accepted(database)
        started = time.monotonic()
        reconciler.tick()
        assert time.monotonic() - started < SERVICE.lock
        assert bell.rung == [waiting]
    reconciler.tick()
    assert bell.rung == [waiting, held_fleet]
    user.close()


def test_what_runs_cannot_be_read_and_what_waits_is_announced(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr(queries, "running", fail)
    bell = Bell()
    _, waiting = accepted(database)
    with pytest.raises(RuntimeError, match="foresaw"):
        Reconciler(settings, database, bell).tick()
    assert bell.rung == [waiting]


def test_a_fault_in_taking_back_keeps_nothing_from_being_announced(
    settings: ServiceSettings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr(fleets, "take_back", fail)
    lost = [accepted(database)[1] for _ in range(2)]
    for fleet_id in lost:
        with database.write() as session:
            assert fleets.claim(session, fleet_id, owner="gone")
    clock, bell = Clock(), Bell()
    reconciler = Reconciler(settings, database, bell, clock=clock)
    reconciler.tick()
    clock.now += settings.lease_seconds
    _, waiting = accepted(database)
    reconciler.tick()
    assert bell.rung == [waiting]
    assert caplog.text.count("cannot be taken back") == 2
