import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.rows import accept, claimed
from worker.errors import UnavailableError
from worker.runtime.supervisor import Supervisor
from worker.settings import ServiceSettings
from worker.storage import events, fleets, jobs, queries
from worker.storage.database import Database
from worker.storage.tables import Fleet, Job

STAND_IN = str(Path(__file__).with_name("stand_in.py"))
Make = Callable[..., Supervisor]


@pytest.fixture
def make(settings: ServiceSettings, database: Database) -> Iterator[Make]:
    """Makes supervisors whose trainers behave as told; ends them afterwards."""
    made: list[Supervisor] = []

    def make(behaviour: str, **changes: object) -> Supervisor:
        changed = settings.model_copy(update=changes)
        draining = threading.Event()
        supervisor = Supervisor(
            changed,
            database,
            draining=draining.is_set,
            command=(sys.executable, STAND_IN, behaviour),
        )
        supervisor.drain = draining  # type: ignore[attr-defined]
        made.append(supervisor)
        return supervisor

    yield make
    for supervisor in made:
        supervisor.close()


def accepted(database: Database, count: int = 1) -> list[tuple[str, str]]:
    with database.write() as session:
        return [(job.id, rows[0].id) for job, rows in (accept(session) for _ in range(count))]


def job_of(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def until(reached: Callable[[], bool], thread: threading.Thread) -> None:
    """Wait for something that another process brings about, while the supervisor works."""
    while not reached():
        assert thread.is_alive(), "the supervisor ended before its trainer got so far"
        thread.join(0.01)


def beats(database: Database, fleet_id: str) -> int:
    with database.read() as session:
        return session.get_one(Fleet, fleet_id).hb_seq


def test_a_fleet_is_trained_and_then_what_else_waits(make: Make, database: Database) -> None:
    made = accepted(database, 3)
    assert make("finish").work(made[1][1]) == 3
    assert {job_of(database, job_id).state for job_id, _ in made} == {"succeeded"}


@pytest.mark.slow
def test_the_most_urgent_is_trained_first_and_what_is_for_another_device_waits(
    make: Make, database: Database
) -> None:
    with database.write() as session:
        wishes: list[dict[str, object]] = [{}, {"priority": 5}, {"device": "gpu", "priority": 9}]
        made = [accept(session, **wish) for wish in wishes]
        (job, (announced,)), (urgent, _), (elsewhere, _) = made
    assert make("finish", device="cpu").work(announced.id) == 2
    first, second = (job_of(database, one.id).started_at for one in (urgent, job))
    assert first is not None
    assert second is not None
    assert first < second
    assert job_of(database, elsewhere.id).state == "queued"
    assert make("finish", device="cuda").work(announced.id) == 1
    assert job_of(database, elsewhere.id).state == "succeeded"


@pytest.mark.slow
def test_endless_jobs_of_one_tenant_keep_no_other_waiting(make: Make, database: Database) -> None:
    """Twenty that never end, and one worker: what comes then of others is begun a quantum later."""
    with database.write() as session:
        endless = [accept(session, tenant="many")[1][0].id for _ in range(20)]
    supervisor = make("obey_unless_small", quantum_seconds=0.1)
    thread = in_thread(supervisor.work)
    until(lambda: beats(database, endless[0]) > 0, thread)
    with database.write() as session:
        small = [accept(session, epochs=1, tenant=tenant)[0].id for tenant in ("few", "other")]
    until(lambda: all(job_of(database, one).state == "succeeded" for one in small), thread)
    supervisor.drain.set()  # type: ignore[attr-defined]
    thread.join()
    with database.read() as session:
        rows = [session.get_one(Fleet, fleet_id) for fleet_id in endless]
        assert {row.state for row in rows} == {"queued"}
        log = events.event_page(session, rows[0].job_id, tenant="many").items
        assert "fleet 0 waits again: it makes room for others" in [line.message for line in log]
        assert {row.stalled_attempts for row in rows} == {0}


def test_two_deliveries_run_once(make: Make, database: Database) -> None:
    ((job_id, fleet_id),) = accepted(database)
    supervisor = make("finish")
    assert [supervisor.work(fleet_id) for _ in range(3)] == [1, 0, 0]
    with database.read() as session:
        assert session.get_one(Fleet, fleet_id).attempt == 1
    assert job_of(database, job_id).state == "succeeded"


def test_two_workers_that_hear_the_same_bell_run_it_once(make: Make, database: Database) -> None:
    made = accepted(database, 6)
    workers = [make("finish"), make("finish")]
    done: list[int] = []
    threads = [in_thread(lambda w=w: done.append(w.work(made[0][1]))) for w in workers]
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert {session.get_one(Fleet, fleet_id).attempt for _, fleet_id in made} == {1}
    assert sum(done) == 6


def test_an_unknown_fleet_is_no_error(make: Make) -> None:
    assert make("finish").work("flt_none") == 0


def test_a_killed_trainer_is_tried_again(make: Make, database: Database) -> None:
    ((job_id, fleet_id),) = accepted(database)
    make("die_once").work(fleet_id)
    assert job_of(database, job_id).state == "succeeded"


def test_a_fleet_that_kills_its_trainers_fails_with_a_reason(
    make: Make, database: Database
) -> None:
    ((job_id, fleet_id),) = accepted(database)
    assert make("die").work(fleet_id) == 3
    job = job_of(database, job_id)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == "poison"
    assert "signal 9" in job.error.message


def test_the_reason_of_a_crash_is_told(make: Make, database: Database) -> None:
    ((job_id, fleet_id),) = accepted(database)
    make("report").work(fleet_id)
    error = job_of(database, job_id).error
    assert error is not None
    assert "no space left" in error.message


def test_a_trainer_that_makes_no_step_is_killed(make: Make, database: Database) -> None:
    ((job_id, fleet_id),) = accepted(database)
    make("hang", stall_seconds=0.2, max_attempts=1).work(fleet_id)
    error = job_of(database, job_id).error
    assert error is not None
    assert "no step in 0.2 s" in error.message


def fleet_of(database: Database, fleet_id: str) -> Fleet:
    with database.read() as session:
        return session.get_one(Fleet, fleet_id)


def types_of(database: Database, job_id: str) -> list[str]:
    with database.read() as session:
        return [event.type for event in events.event_page(session, job_id).items]


def test_a_trainer_that_waits_for_its_place_is_not_killed_and_its_job_says_so(
    make: Make, database: Database
) -> None:
    ((job_id, fleet_id),) = accepted(database)
    make("wait_once", stall_seconds=0.3, max_attempts=1).work(fleet_id)
    assert job_of(database, job_id).state == "succeeded"
    fleet = fleet_of(database, fleet_id)
    assert (fleet.attempt, fleet.waiting_for) == (1, None)
    assert types_of(database, job_id).count("waiting") == 1


@pytest.mark.slow
def test_a_trainer_that_its_place_ends_does_not_count(
    make: Make, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More often than a fleet may crash."""
    monkeypatch.setattr("worker.storage.waits.pause_after", lambda _: timedelta(0))
    ((job_id, fleet_id),) = accepted(database)
    make("be_displaced").work(fleet_id)
    assert job_of(database, job_id).state == "succeeded"
    assert fleet_of(database, fleet_id).attempt == 6
    types = types_of(database, job_id)
    assert (types.count("given_back"), types.count("waiting")) == (5, 1)
    assert "crashed" not in types


@pytest.mark.slow
def test_a_trainer_that_is_lost_with_its_standby_does_not_count(
    make: Make, database: Database
) -> None:
    ((job_id, fleet_id),) = accepted(database)
    make("lose_standby_once", max_attempts=1).work(fleet_id)
    assert job_of(database, job_id).state == "succeeded"
    assert "given_back" in types_of(database, job_id)


@pytest.mark.slow
def test_a_trainer_that_cannot_stop_in_time_is_given_back_by_a_worker_that_does(
    make: Make, database: Database
) -> None:
    ((job_id, fleet_id),) = accepted(database)
    supervisor = make("hang", stop_seconds=0.1, max_attempts=1)
    thread = in_thread(lambda: supervisor.work(fleet_id))
    until(lambda: beats(database, fleet_id) > 1, thread)
    supervisor.drain.set()  # type: ignore[attr-defined]
    thread.join()
    assert job_of(database, job_id).state == "queued"
    assert fleet_of(database, fleet_id).stalled_attempts == 0
    assert types_of(database, job_id)[-1] == "released"


def test_a_database_that_does_not_answer_for_a_lease_is_no_fault_of_the_fleet(
    make: Make, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer is ended, for others may have its fleet; then the database answers again."""
    ((_, fleet_id),) = accepted(database)
    supervisor = make("obey", lease_seconds=0.3, max_attempts=1)
    beat = fleets.heartbeat

    def gone(*_: object) -> bool:
        raise UnavailableError("the database cannot be used now (gone); try again")

    monkeypatch.setattr(fleets, "heartbeat", gone)
    monkeypatch.setattr("worker.storage.waits.pause_after", lambda _: timedelta(hours=1))
    supervisor.work(fleet_id)
    monkeypatch.setattr(fleets, "heartbeat", beat)
    fleet = fleet_of(database, fleet_id)
    assert (fleet.state, fleet.stalled_attempts, fleet.place_faults) == ("queued", 0, 1)
    assert fleet.waiting_for == "the database cannot be used now (gone)"


def test_a_running_fleet_is_cancelled(make: Make, database: Database) -> None:
    ((job_id, fleet_id),) = accepted(database)
    supervisor = make("obey")
    thread = in_thread(lambda: supervisor.work(fleet_id))
    until(lambda: beats(database, fleet_id) > 1, thread)
    with database.write() as session:
        jobs.request_cancel(session, job_id)
    thread.join()
    assert job_of(database, job_id).state == "cancelled"


def test_a_paused_fleet_is_given_back_and_its_worker_goes_on(
    make: Make, database: Database
) -> None:
    (paused, fleet_id), (other, _) = accepted(database, 2)
    supervisor = make("obey")
    thread = in_thread(lambda: supervisor.work(fleet_id))
    until(lambda: beats(database, fleet_id) > 1, thread)
    with database.write() as session:
        jobs.request_pause(session, paused)
    until(lambda: job_of(database, other).state == "running", thread)
    job = job_of(database, paused)
    with database.write() as session:
        assert session.get_one(Fleet, fleet_id).stalled_attempts == 0
        jobs.request_cancel(session, other)
    thread.join()
    assert job.state == "paused"
    assert job_of(database, paused).state == "paused"


@pytest.mark.slow
def test_a_trainer_that_does_not_stop_is_killed(make: Make, database: Database) -> None:
    ((job_id, fleet_id),) = accepted(database)
    supervisor = make("hang", stop_seconds=0.1)
    thread = in_thread(lambda: supervisor.work(fleet_id))
    until(lambda: beats(database, fleet_id) > 1, thread)
    with database.write() as session:
        jobs.request_cancel(session, job_id)
    thread.join()
    assert job_of(database, job_id).state == "cancelled"


def test_a_draining_worker_gives_its_fleet_back_and_takes_no_other(
    make: Make, database: Database
) -> None:
    (first, fleet_id), (second, _) = accepted(database, 2)
    supervisor = make("obey")
    thread = in_thread(lambda: supervisor.work(fleet_id))
    until(lambda: beats(database, fleet_id) > 1, thread)
    supervisor.drain.set()  # type: ignore[attr-defined]
    thread.join()
    assert job_of(database, first).state == "queued"
    assert job_of(database, second).state == "queued"
    assert supervisor.work(fleet_id) == 0
    with database.read() as session:
        assert session.get_one(Fleet, fleet_id).stalled_attempts == 0


def test_a_worker_that_lost_its_lease_stops_and_changes_nothing(
    make: Make, database: Database
) -> None:
    ((job_id, fleet_id),) = accepted(database)
    supervisor = make("obey")
    thread = in_thread(lambda: supervisor.work(fleet_id))
    until(lambda: beats(database, fleet_id) > 1, thread)
    with database.write() as session:
        pulse = queries.running(session)[fleet_id]
        assert fleets.take_back(session, fleet_id, pulse)
        lease = claimed(session, fleet_id, owner="another worker")
    thread.join()
    with database.read() as session:
        fleet = session.get_one(Fleet, fleet_id)
        assert (fleet.state, fleet.token, fleet.owner) == ("running", lease.token, "another worker")
    assert job_of(database, job_id).state == "running"


@pytest.mark.slow
def test_a_dead_standby_is_replaced(make: Make, database: Database) -> None:
    made = accepted(database)
    supervisor = make("finish")
    standby = supervisor.warm_up()
    os.kill(standby.pid, signal.SIGKILL)
    standby._process.wait()
    assert supervisor.work(made[0][1]) == 1


def test_a_trainer_whose_fleet_has_ended_may_say_so(
    make: Make, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A heartbeat that comes between its last write and its last word is no fault."""
    ((_, fleet),) = accepted(database)
    with caplog.at_level("INFO", logger="worker"):
        make("finish_slowly").work(fleet)
    said = [(line.levelname, line.getMessage()) for line in caplog.records]
    assert said[-1] == ("INFO", f"fleet {fleet}: said at last")


def test_a_fleet_that_ended_without_a_word_is_not_taken_for_a_lost_one(
    make: Make,
    database: Database,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.runtime.supervisor.CONCLUDED_SECONDS", 0.0)
    ((_, fleet),) = accepted(database)
    with caplog.at_level("INFO", logger="worker"):
        make("finish_slowly").work(fleet)
    said = [(line.levelname, line.getMessage()) for line in caplog.records]
    assert said[-1] == ("INFO", f"fleet {fleet}: succeeded")
