"""Rows for tests of storage and runtime."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from worker.results.trial import JobError, TrialResult
from worker.storage import fleets, jobs
from worker.storage.additions import NewFleet, NewTrial
from worker.storage.fleets import Lease
from worker.storage.tables import Fleet, Job


def trial(name: str = "a", configuration: int = 0, repeat: int = 0) -> NewTrial:
    """One trial that says nothing of its settings."""
    return NewTrial(name, configuration, repeat, None, {"name": name})


def accept(
    session: Session,
    *fleets_of_trials: Sequence[NewTrial],
    epochs: int = 10,
    **more: Any,
) -> tuple[Job, list[Fleet]]:
    """A job with these fleets; one fleet of one trial unless given."""
    job = jobs.add_job(
        session,
        spec={},
        fleets=[
            NewFleet(trials=list(trials), epochs=epochs)
            for trials in fleets_of_trials or [[trial()]]
        ],
        **{"objective": "validation_loss", **more},
    )
    return job, jobs.fleets(session, job.id)


def claimed(session: Session, fleet_id: str, owner: str = "test") -> Lease:
    """A lease on a fleet that is queued."""
    lease = fleets.claim(session, fleet_id, owner=owner)
    assert lease is not None
    return lease


def good(loss: float = 0.5) -> TrialResult:
    """What a trial came to that succeeded."""
    metrics = {"validation_loss": loss}
    return TrialResult(state="succeeded", metrics=metrics, epochs=10, best_epoch=9)


def bad(code: str = "diverged") -> TrialResult:
    """What a trial came to that failed."""
    return TrialResult(state="failed", error=error(code))


def error(code: str = "diverged") -> JobError:
    """Why a trial or a fleet failed."""
    return JobError(code=code, message=code)


RESULT = fleets.ResultFile(path="jobs/x/fleet.safetensors", sha256="0" * 64, bytes=1)
