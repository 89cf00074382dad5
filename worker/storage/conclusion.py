"""The end of a job: once its last fleet has ended, one transaction says what came of it."""

import math
from collections import defaultdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.storage import events, models
from worker.storage.states import OPEN, TERMINAL, State
from worker.storage.tables import Fleet, Job, TrialRow
from worker.storage.types import utc_now


def competes(trial: TrialRow) -> bool:
    """Whether the trial may win; one that leaves a technique out only shows what that bought."""
    return trial.settings.get("without") is None


def rank(trial: TrialRow, job: Job) -> tuple[int, float]:
    """Sorting key of a trial: the better, the smaller; without a finite objective, last."""
    value = trial.metrics.get(job.objective) if trial.state == State.SUCCEEDED else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return (1, 0.0)
    return (0, -float(value) if job.maximize else float(value))


def conclude(session: Session, job: Job) -> bool:
    """End the job if all its fleets have ended, in the caller's transaction.

    The caller holds the job's row, so that of two last fleets only the later one concludes. True
    when this call ended it. The job succeeds if any trial that competes did; it is cancelled if
    that was asked and a fleet did not finish; else it fails with its first fleet's or trial's
    error. The best configuration is the one whose members (repeats, folds) all succeeded, with the
    best mean objective; the winner is its best member. Trials that leave a technique out do not
    compete.
    """
    if job.state in TERMINAL:
        return False
    states = set(session.scalars(select(Fleet.state).where(Fleet.job_id == job.id)))
    if states & OPEN:
        return False
    trials = list(
        session.scalars(
            select(TrialRow)
            .join(Fleet, Fleet.id == TrialRow.fleet_id)
            .where(TrialRow.job_id == job.id)
            .order_by(Fleet.number, TrialRow.position)
        )
    )
    winner, mean = _winner(trials, job)
    if winner is not None:
        job.best = {
            "trial": winner.id,
            "name": winner.name,
            "configuration": winner.configuration,
            "objective": job.objective,
            "value": mean,
            "metrics": winner.metrics,
        }
    job.advice = [*job.advice, *_findings(trials)]
    job.finished_at = utc_now()
    if State.CANCELLED in states:
        job.state = State.CANCELLED
        events.append(session, job, "cancelled", "cancelled")
    elif winner is not None:
        _succeed(session, job, winner)
    else:
        job.state = State.FAILED
        job.error = _first_error(session, job, trials)
        events.append(
            session, job, "failed", job.error["message"], level="error", data={"error": job.error}
        )
    session.flush()
    return True


def _succeed(session: Session, job: Job, winner: TrialRow) -> None:
    job.state = State.SUCCEEDED
    job.epoch = job.epochs
    if job.model_name is not None:
        fleet = session.get_one(Fleet, winner.fleet_id)
        manifest = {"trial": winner.id, "settings": winner.settings}
        version = models.register(session, job, fleet, winner, manifest)
        job.model_version = version.version
        events.append(
            session,
            job,
            "model_registered",
            f"registered as version {version.version} of model {job.model_name}",
            data={"name": job.model_name, "version": version.version},
        )
    events.append(
        session, job, "succeeded", f"succeeded; best: {winner.name}", data={"best": job.best}
    )


def _winner(trials: list[TrialRow], job: Job) -> tuple[TrialRow | None, float | None]:
    members: dict[int, list[TrialRow]] = defaultdict(list)
    for trial in filter(competes, trials):
        members[trial.configuration].append(trial)
    best: tuple[tuple[int, float, int], list[TrialRow]] | None = None
    for configuration, group in members.items():
        if not any(trial.state == State.SUCCEEDED for trial in group):
            continue
        keys = [rank(trial, job) for trial in group]
        values = [value for without, value in keys if not without]
        mean = math.fsum(values) / len(values) if values else math.inf
        key = (sum(without for without, _ in keys), mean, configuration)
        if best is None or key < best[0]:
            best = (key, group)
    if best is None:
        return None, None
    (_, mean, _), group = best
    succeeded = [trial for trial in group if trial.state == State.SUCCEEDED]
    winner = min(succeeded, key=lambda trial: rank(trial, job))
    if not math.isfinite(mean):
        return winner, None
    return winner, -mean if job.maximize else mean


def _findings(trials: list[TrialRow]) -> list[dict[str, Any]]:
    """What the trials' results advise, each finding once for a configuration."""
    found: dict[tuple[object, int], dict[str, Any]] = {}
    for trial in trials:
        for finding in trial.advice:
            found.setdefault((finding.get("code"), trial.configuration), finding)
    return list(found.values())


def _first_error(session: Session, job: Job, trials: list[TrialRow]) -> dict[str, Any]:
    errors = [trial.error for trial in trials if trial.error is not None]
    if errors:
        return errors[0]
    fleet = session.scalar(
        select(Fleet)
        .where(Fleet.job_id == job.id, Fleet.state == State.FAILED)
        .order_by(Fleet.number)
        .limit(1)
    )
    if fleet is not None and fleet.error is not None:
        return fleet.error
    return {"code": "failed", "message": "no trial succeeded", "param": None}


def count(session: Session, job: Job) -> None:
    """Bring the job's counters up to date with its trials and fleets."""
    finished = select(func.count()).where(
        TrialRow.job_id == job.id, TrialRow.state.in_([State.SUCCEEDED, State.FAILED])
    )
    failed = select(func.count()).where(TrialRow.job_id == job.id, TrialRow.state == State.FAILED)
    epochs = select(func.coalesce(func.sum(Fleet.epoch), 0)).where(Fleet.job_id == job.id)
    session.flush()
    job.trials_finished = session.scalar(finished) or 0
    job.trials_failed = session.scalar(failed) or 0
    job.epoch = int(session.scalar(epochs) or 0)
