"""Real Redis, real Celery worker, real trainers: what is accepted is finished, whatever dies."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import KINDS, Databases
from tests.integration.running import Running, descendants, is_alive, running
from tests.waiting import until
from worker.errors import UnavailableError
from worker.runtime.processes import Processes
from worker.settings import ServiceSettings
from worker.storage import events, jobs, models, progress, queries
from worker.storage.additions import NewFleet, NewTrial
from worker.storage.artefacts import Artefacts

pytestmark = pytest.mark.slow
LONG: dict[str, Any] = {
    "regularization": {"dropout": {"p": 0.2}, "batch_norm": {}},
    "training": {"epochs": 40, "batch_size": 32},
    "compare": [{"name": "a"}, {"name": "b", "regularization": {"l2": {"strength": 0.001}}}],
}
"""Long enough to be disturbed; its random masks would betray a lost step."""


# PostgreSQL differs where transactions meet: those of trainers, supervisors and the reconciler, of
# which SQLite lets in one at a time. So both ways to lose a fleet are tried there (its supervisor
# gives it back; the reconciler takes it from one that lives on), with cancellation and conclusion.
# What dies, what a checkpoint holds, and what Redis does is the same on both.
ON_BOTH = pytest.mark.database_kinds(*KINDS)


def settings_of(state: Path, database_url: str) -> ServiceSettings:
    """A checkpoint after each epoch, a short lease, one thread."""
    return ServiceSettings(
        state=state,
        database_url=database_url,
        checkpoint_seconds=0.0,
        heartbeat_seconds=0.1,
        lease_seconds=2.0,
        ring_after_seconds=0.3,
        retry_seconds=0.0,
        threads=1,
    )


@pytest.fixture(scope="module")
def here(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("state")
    with (
        databases.url(database_kind, state) as url,
        running(settings_of(state, url)) as here,
    ):
        yield here


@pytest.fixture(scope="session")
def first_hash() -> list[str | None]:
    """The hash below, once it is known: it does not depend on the database either."""
    return []


@pytest.fixture(scope="module")
def undisturbed(here: Running, first_hash: list[str | None]) -> str | None:
    """Hash of the result that nobody disturbed."""
    if not first_hash:
        job = here.ended(here.post(**LONG))
        assert (job.state, job.error) == ("succeeded", None)
        first_hash.append(here.fleet(job.id).result_sha256)
    return first_hash[0]


@ON_BOTH
def test_a_killed_trainer_leads_to_the_same_result(here: Running, undisturbed: str) -> None:
    job_id = here.post(**LONG)
    here.checkpointed(job_id)
    os.kill(here.trainer_pid(), signal.SIGKILL)
    assert here.ended(job_id).state == "succeeded"
    fleet = here.fleet(job_id)
    assert fleet.attempt == 2
    assert fleet.result_sha256 == undisturbed


def test_metrics_have_no_gap_and_no_double_after_a_kill(here: Running) -> None:
    job_id = here.post(**LONG)
    here.checkpointed(job_id)
    os.kill(here.trainer_pid(), signal.SIGKILL)
    here.ended(job_id)
    with here.database.read() as session:
        rows = queries.fleet_epochs(session, here.fleet(job_id).id)
    epochs = [epoch for epoch, _ in rows]
    assert epochs == list(range(1, LONG["training"]["epochs"] + 1))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(here: Running, undisturbed: str) -> None:
    job_id = here.post(**LONG)
    here.checkpointed(job_id)
    trainer = here.trainer_pid()
    os.kill(trainer, signal.SIGSTOP)
    newest = here.checkpoints(job_id)[0]
    file = Artefacts(here.settings.artefacts_url).local_path(newest.path + "/state.safetensors")
    assert file is not None
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.kill(trainer, signal.SIGKILL)
    assert here.ended(job_id).state == "succeeded"
    assert here.fleet(job_id).result_sha256 == undisturbed
    with here.database.read() as session:
        kinds = [event.type for event in events.event_page(session, job_id).items]
    assert "checkpoint_damaged" in kinds


def test_a_killed_supervisor_loses_its_lease_and_nothing_else(
    here: Running, undisturbed: str
) -> None:
    job_id = here.post(**LONG)
    here.checkpointed(job_id)
    owner = here.fleet(job_id).owner
    assert owner is not None
    os.kill(int(owner.rpartition(":")[2]), signal.SIGKILL)
    assert here.ended(job_id).state == "succeeded"
    assert here.fleet(job_id).result_sha256 == undisturbed


@ON_BOTH
def test_a_frozen_trainer_is_replaced_and_cannot_write(here: Running) -> None:
    job_id = here.post(**LONG)
    here.checkpointed(job_id)
    owner = here.fleet(job_id).owner
    assert owner is not None
    # Trainer and supervisor are frozen together, as by a machine that sleeps; then they go on.
    # The lock is held meanwhile, so that neither is frozen with it.
    pids = (int(owner.rpartition(":")[2]), here.trainer_pid())
    with here.database.write() as session:
        jobs.find_job(session, job_id, lock=True)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: here.fleet(job_id).state == "queued")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert here.ended(job_id).state == "succeeded"
    assert here.fleet(job_id).attempt == 2


def test_lost_messages_are_sent_again(here: Running) -> None:
    bell = here.bell
    assert bell._redis is not None
    running_first = here.post(**LONG)
    here.checkpointed(running_first)
    waiting = [here.post(training={"epochs": 2}) for _ in range(3)]
    bell._redis.flushall()
    assert {here.ended(job_id).state for job_id in [running_first, *waiting]} == {"succeeded"}


def test_repeated_messages_run_a_fleet_once(here: Running) -> None:
    job_id = here.post(training={"epochs": 3})
    for _ in range(5):
        here.bell.ring(here.fleet(job_id).id)
    assert here.ended(job_id).state == "succeeded"
    after = here.post(training={"epochs": 1})
    here.bell.ring(here.fleet(job_id).id)
    here.ended(after)
    assert here.fleet(job_id).attempt == 1


@ON_BOTH
def test_a_running_job_is_cancelled(here: Running) -> None:
    job_id = here.post(**LONG)
    here.checkpointed(job_id)
    with here.database.write() as session:
        jobs.request_cancel(session, job_id)
    assert here.ended(job_id).state == "cancelled"


@ON_BOTH
def test_a_paused_job_goes_on_to_the_same_result(here: Running, undisturbed: str) -> None:
    job_id = here.post(**LONG)
    here.checkpointed(job_id)
    with here.database.write() as session:
        assert jobs.request_pause(session, job_id).state == "running"
    until(lambda: here.job(job_id).state == "paused")
    stopped_at = here.checkpoints(job_id)[0].epoch
    # The worker is free, and does not take it up again.
    assert here.ended(here.post(training={"epochs": 1})).state == "succeeded"
    assert here.job(job_id).state == "paused"
    with here.database.write() as session:
        jobs.request_resume(session, job_id)
    here.reconciler.nudge()
    assert here.ended(job_id).state == "succeeded"
    fleet = here.fleet(job_id)
    assert (fleet.attempt, stopped_at < fleet.epochs) == (2, True)
    assert fleet.result_sha256 == undisturbed


def test_checkpoints_go_when_their_fleet_has_ended(here: Running) -> None:
    job_id = here.post(**LONG)
    here.checkpointed(job_id)
    folder = progress.checkpoints_folder(job_id, here.fleet(job_id).id)
    assert here.ended(job_id).state == "succeeded"
    until(lambda: here.checkpoints(job_id) == [])
    place = Artefacts(here.settings.artefacts_url).local_path(folder)
    assert place is not None
    assert not place.exists()


@ON_BOTH
def test_fleets_of_one_job_are_concluded_once(here: Running) -> None:
    widths = [4, 8, 16]
    job_id = here.post(
        model="widths",
        training={"epochs": 2},
        compare=[
            {"name": f"{width}", "network": {"kind": "mlp", "hidden": [width]}} for width in widths
        ],
    )
    job = here.ended(job_id)
    assert (job.state, job.trials_finished, job.model_version) == ("succeeded", 3, 1)
    with here.database.read() as session:
        assert len(models.describe(session, "widths").versions) == 1
        kinds = [event.type for event in events.event_page(session, job_id).items]
    assert kinds.count("succeeded") == 1


def test_an_error_of_the_spec_fails_the_job_at_once(here: Running) -> None:
    job_id = here.post(training={"epochs": 1})
    here.ended(job_id)
    with here.database.write() as session:
        spec = {**jobs.find_job(session, job_id).spec, "target": "no such column"}
        (trial,) = jobs.trials(session, jobs.find_job(session, job_id))
        broken = jobs.add_job(
            session,
            spec=spec,
            fleets=[NewFleet([NewTrial("a", 0, 0, None, trial.settings)], 1)],
            objective="validation_loss",
        ).id
    here.reconciler.nudge()
    job = here.ended(broken)
    assert job.state == "failed"
    assert job.error is not None
    assert "no such column" in job.error.message
    assert here.fleet(broken).attempt == 1


def test_stopping_drains_and_the_next_start_goes_on(tmp_path: Path, undisturbed: str) -> None:
    settings = settings_of(tmp_path, f"sqlite:///{tmp_path}/test.db")
    with running(settings) as before:
        job_id = before.post(**LONG)
        before.checkpointed(job_id)
        worker = before.processes.worker_pid
        assert worker is not None
        pids = [worker, *descendants(worker)]
        with pytest.raises(UnavailableError, match="another parsimony"):
            Processes(settings).start()
        before.processes.stop_worker()
        assert before.job(job_id).state == "queued"
        assert before.fleet(job_id).stalled_attempts == 0
        until(lambda: not any(is_alive(pid) for pid in pids))
        assert before.checkpoints(job_id)
    with running(settings) as after:
        assert after.ended(job_id).state == "succeeded"
        assert after.fleet(job_id).result_sha256 == undisturbed
