"""A fleet that runs out of memory is halved and trained again; a single trial fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.runtime.work import Work, accepted
from worker.jobs import is_out_of_memory
from worker.jobs.memory import fleet_limits, fleet_memory
from worker.settings import ServiceSettings
from worker.storage import jobs
from worker.storage.database import Database
from worker.training import FleetRun


def fail(monkeypatch: pytest.MonkeyPatch, error: Exception, trials: int) -> None:
    """Let fleets of more than so many trials run out of memory in their second epoch."""
    whole = FleetRun.epochs

    def epochs(self: FleetRun, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for report in whole(self, *args, **kwargs):
            yield report
            if len(self.trials) > trials:
                raise error

    monkeypatch.setattr(FleetRun, "epochs", epochs)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_is_split_until_it_fits(
    work: Work,
    settings: ServiceSettings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    fail(monkeypatch, error, trials=2)
    job_id = accepted(settings, database, repeats=5)
    outcomes = work()
    assert outcomes.count("succeeded") == 3
    assert outcomes.count("split") == 2
    with database.read() as session:
        job = jobs.find_job(session, job_id)
        assert (job.state, job.error) == ("succeeded", None)
        assert (job.trials_total, job.trials_finished, job.trials_failed) == (5, 5, 0)
        assert len(jobs.fleets(session, job_id)) == 3
        rows = jobs.trials(session, job)
        assert sorted(row.repeat for row in rows) == list(range(5))
        for row in rows:
            assert row.settings["repeat"] == row.repeat


def test_a_trial_that_does_not_fit_alone_fails_and_says_so(
    work: Work,
    settings: ServiceSettings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail(monkeypatch, MemoryError(), trials=0)
    job_id = accepted(settings, database, repeats=2)
    assert sorted(work()) == ["failed", "failed", "split"]
    with database.read() as session:
        job = jobs.find_job(session, job_id)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == "out_of_memory"


def test_data_that_do_not_fit_are_not_split(
    work: Work,
    settings: ServiceSettings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def prepare(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("worker.runtime.fleet_training.prepare", prepare)
    accepted(settings, database, repeats=2)
    assert work() == ["failed"]


def test_other_errors_are_not_taken_for_it(
    work: Work,
    settings: ServiceSettings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail(monkeypatch, RuntimeError("shapes differ"), trials=0)
    job_id = accepted(settings, database, repeats=2)
    assert work() == ["failed"]
    with database.read() as session:
        error = jobs.find_job(session, job_id).error
    assert error is not None
    assert error.code == "internal_error"


def test_what_counts_as_out_of_memory() -> None:
    assert is_out_of_memory(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert not is_out_of_memory(OSError(28, "No space left on device"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_memory_of_a_fleet(tmp_path: Path) -> None:
    asked = ServiceSettings(state=tmp_path, fleet_memory=123)
    assert fleet_memory(asked) == 123
    one = fleet_memory(ServiceSettings(state=tmp_path, device="cpu", workers=1))
    many = fleet_memory(ServiceSettings(state=tmp_path, device="cpu", workers=256))
    assert many < one <= 2**30


def test_the_trials_of_a_fleet(tmp_path: Path) -> None:
    assert fleet_limits(ServiceSettings(state=tmp_path, device="cpu")).trials == 256
    assert fleet_limits(ServiceSettings(state=tmp_path, fleet_trials=8)).trials == 8
