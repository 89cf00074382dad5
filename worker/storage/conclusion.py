"""The end of a job: once its last fleet has ended, one transaction says what came of it."""

import math
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from worker.storage import configurations, events, models
from worker.storage.states import OPEN, TERMINAL, State
from worker.storage.tables import UNSCORED, Fleet, Job, TrialRow
from worker.storage.types import utc_now


def lead(session: Session, job: Job) -> TrialRow | None:
    """Find the winner so far, and say so in the job; none before a trial succeeded.

    The best configuration is the one whose members (repeats, folds) all succeeded, with the best
    mean objective; the winner is its best member. Trials that leave a technique out do not compete.
    """
    session.flush()
    best = leaders(session, job, 1)
    if not best:
        return None
    configuration = best[0]
    members = list(
        session.scalars(
            select(TrialRow)
            .where(
                TrialRow.job_id == job.id,
                TrialRow.configuration == configuration,
                TrialRow.state == State.SUCCEEDED,
            )
            .order_by(TrialRow.standing, TrialRow.score, TrialRow.repeat, TrialRow.fold)
        )
    )
    winner = members[0]
    scores = [trial.score for trial in members if trial.standing == 0]
    mean = math.fsum(scores) / len(scores) if scores else None
    job.best = {
        "trial": winner.id,
        "name": winner.name,
        "configuration": winner.configuration,
        "objective": job.objective,
        "value": -mean if job.maximize and mean is not None else mean,
        "metrics": winner.metrics,
    }
    return winner


def leaders(session: Session, job: Job, most: int) -> list[int]:
    """The configurations with the best mean objectives, best first: of those that compete, and of
    which a trial succeeded. Whole ones come before those with members that failed or go on.
    """
    known = case((TrialRow.standing == 0, TrialRow.score))
    return list(
        session.scalars(
            select(TrialRow.configuration)
            .where(TrialRow.job_id == job.id, TrialRow.standing <= 1)
            .group_by(TrialRow.configuration)
            .having(func.sum(case((TrialRow.state == State.SUCCEEDED, 1), else_=0)) > 0)
            .order_by(
                func.count() - func.count(known),
                func.coalesce(func.avg(known), UNSCORED),
                TrialRow.configuration,
            )
            .limit(most)
        )
    )


def conclude(session: Session, job: Job) -> bool:
    """End the job if all its fleets have ended, in the caller's transaction.

    The caller holds the job's row, so that of two last fleets only the later one concludes. True
    when this call ended it. The job succeeds if any trial that competes did; it is cancelled if
    that was asked and a fleet did not finish; else it fails with its first fleet's or trial's
    error.
    """
    if job.state in TERMINAL:
        return False
    states = set(session.scalars(select(Fleet.state).where(Fleet.job_id == job.id)))
    if states & OPEN:
        return False
    winner = lead(session, job)
    job.advice = [*job.advice, *_findings(session, job, winner)]
    job.finished_at = utc_now()
    if State.CANCELLED in states:
        job.state = State.CANCELLED
        events.append(session, job, "cancelled", "cancelled")
    elif winner is not None:
        _succeed(session, job, _refitted(session, job, winner))
    else:
        job.state = State.FAILED
        job.error = _first_error(session, job)
        events.append(
            session, job, "failed", job.error["message"], level="error", data={"error": job.error}
        )
    session.flush()
    return True


def _refitted(session: Session, job: Job, winner: TrialRow) -> TrialRow:
    """The winner as it was trained once more on more rows, if it was: that is what is served."""
    if not (job.spec.get("search") or {}).get("refit"):
        return winner
    found = configurations.refits(session, job).get(winner.configuration)
    if not found:
        return winner
    trial = found[0]
    job.best = {
        **(job.best or {}),
        "trial": trial.id,
        "name": trial.name,
        "metrics": trial.metrics,
    }
    return trial


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


def _findings(session: Session, job: Job, winner: TrialRow | None) -> list[dict[str, Any]]:
    """What the trials' results advise, each finding once for a configuration; of a search, what
    the winner's do.
    """
    query = select(TrialRow.configuration, TrialRow.advice).where(TrialRow.job_id == job.id)
    if job.spec.get("search") is not None:
        number = None if winner is None else winner.configuration
        query = query.where(TrialRow.configuration == number)
    query = query.join(Fleet, Fleet.id == TrialRow.fleet_id)
    found: dict[tuple[object, int], dict[str, Any]] = {}
    for configuration, advice in session.execute(query.order_by(Fleet.number, TrialRow.position)):
        for finding in advice:
            found.setdefault((finding.get("code"), configuration), finding)
    return list(found.values())


def _first_error(session: Session, job: Job) -> dict[str, Any]:
    error = session.scalar(
        select(TrialRow.error)
        .join(Fleet, Fleet.id == TrialRow.fleet_id)
        .where(TrialRow.job_id == job.id, TrialRow.error.is_not(None))
        .order_by(Fleet.number, TrialRow.position)
        .limit(1)
    )
    if error is not None:
        return dict(error)
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
    session.flush()
    job.trials_finished = session.scalar(finished) or 0
    job.trials_failed = session.scalar(failed) or 0
    count_epochs(session, job)


def count_epochs(session: Session, job: Job) -> None:
    """Bring the number of epochs up to date with the fleets."""
    epochs = select(func.coalesce(func.sum(Fleet.epoch), 0)).where(Fleet.job_id == job.id)
    session.flush()
    job.epoch = int(session.scalar(epochs) or 0)
