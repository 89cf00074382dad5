"""Real Redis, real worker: what dies is started again, and jobs go on meanwhile."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.running import Running, descendants, is_trainer, running
from tests.waiting import until
from worker.settings import ServiceSettings
from worker.storage import workers

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Running]:
    settings = ServiceSettings(
        state=tmp_path,
        checkpoint_seconds=0.0,
        heartbeat_seconds=0.1,
        lease_seconds=2.0,
        ring_after_seconds=1.0,
        threads=1,
    )
    with running(settings) as here:
        yield here


def trains(here: Running) -> None:
    """A job of one epoch ends well; how soon is measured where nothing else runs, not here."""
    job_id = here.post(training={"epochs": 1})
    until(lambda: here.job(job_id).state == "succeeded")


def supervisor(here: Running) -> int:
    """The pool process of the worker."""
    assert here.processes.worker_pid is not None
    # One that was just forked has no name of its own yet: the first is the oldest.
    pid, *_ = [pid for pid in descendants(here.processes.worker_pid) if not is_trainer(pid)]
    return pid


def answers(here: Running) -> bool:
    try:
        here.bell.ping()
    except redis.ConnectionError:
        return False
    return True


def test_jobs_train_after_the_worker_is_killed_and_after_redis(
    here: Running, caplog: pytest.LogCaptureFixture
) -> None:
    for pid in (here.processes.worker_pid, here.processes.redis_pid):
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        trains(here)
    until(lambda: answers(here))
    said = caplog.text
    assert "the worker (process" in said
    assert "redis-server (process" in said
    assert said.count("was ended by signal 9; another one starts in") == 2


def test_jobs_go_on_when_redis_is_gone_for_good(here: Running) -> None:
    here.processes._keeper.let_go()
    assert here.processes.redis_pid is not None
    os.kill(here.processes.redis_pid, signal.SIGKILL)
    until(lambda: not answers(here))
    trains(here)
    # Its pool process is replaced, though Celery waits for Redis.
    killed = supervisor(here)
    os.kill(killed, signal.SIGKILL)
    trains(here)
    assert supervisor(here) != killed


def test_jobs_go_on_when_redis_is_frozen(here: Running) -> None:
    pid = here.processes.redis_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        trains(here)
        trains(here)
    finally:
        os.kill(pid, signal.SIGCONT)
    trains(here)


def test_the_worker_takes_back_what_it_lost_while_no_service_runs(here: Running) -> None:
    job_id = here.post(training={"epochs": 2000})
    until(lambda: here.checkpoints(job_id))
    here.reconciler.stop()
    os.kill(supervisor(here), signal.SIGKILL)
    until(lambda: here.fleet(job_id).attempt == 2)
    assert here.fleet(job_id).state == "running"


def test_a_worker_that_ends_in_good_order_leaves_the_registry(here: Running) -> None:
    until(lambda: registered(here))
    (seen,) = registered(here)
    assert seen.entry.pid == here.processes.worker_pid
    here.processes.stop_worker()
    assert registered(here) == []


def registered(here: Running) -> list[workers.SeenWorker]:
    with here.database.read() as session:
        return workers.seen(session)
