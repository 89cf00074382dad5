"""What may be removed: at once, by age, or because nothing refers to it.

Rows say what may go. A fleet that has ended resumes from no checkpoint, so its checkpoints go at
once, files first and rows after them, so that what was interrupted is found again; likewise the
parts of a prediction. Ended jobs, their logs and the keys that made jobs go by age, where set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from worker.storage.idempotency import Idempotency
from worker.storage.predictions import parts_folder
from worker.storage.progress import checkpoints_folder
from worker.storage.queries import BASELINE
from worker.storage.states import OPEN, TERMINAL, Kind
from worker.storage.tables import (
    Checkpoint,
    Dataset,
    Event,
    Fleet,
    Job,
    ModelVersion,
    PredictionPart,
)


@dataclass(frozen=True)
class Spent:
    """A folder that nobody will read again, and whose rows they are."""

    folder: str
    owner: str
    """The fleet, or the prediction."""
    count: int
    """Checkpoints or parts."""
    bytes: int | None
    """What they take; none where rows do not say it."""


def spent_checkpoints(
    session: Session, *, limit: int | None, fleet_id: str | None = None
) -> list[Spent]:
    """The checkpoints of fleets that have ended; of one of them, if given."""
    query = (
        select(Checkpoint.job_id, Checkpoint.fleet_id, func.count(), func.sum(Checkpoint.bytes))
        .join(Fleet, Fleet.id == Checkpoint.fleet_id)
        .where(Fleet.state.in_(TERMINAL))
        .group_by(Checkpoint.job_id, Checkpoint.fleet_id)
        .limit(limit)
    )
    if fleet_id is not None:
        query = query.where(Fleet.id == fleet_id)
    return [
        Spent(checkpoints_folder(job, fleet), fleet, count, int(total))
        for job, fleet, count, total in session.execute(query)
    ]


def forget_checkpoints(session: Session, fleet_id: str) -> None:
    """Remove the rows of a fleet's checkpoints, whose files are gone."""
    session.execute(delete(Checkpoint).where(Checkpoint.fleet_id == fleet_id))


def spent_parts(session: Session, *, limit: int | None) -> list[Spent]:
    """The parts of predictions that have ended."""
    query = (
        select(PredictionPart.prediction_id, func.count())
        .join(Job, Job.id == PredictionPart.prediction_id)
        .where(Job.state.in_(TERMINAL))
        .group_by(PredictionPart.prediction_id)
        .limit(limit)
    )
    return [
        Spent(parts_folder(prediction), prediction, count, None)
        for prediction, count in session.execute(query)
    ]


def forget_parts(session: Session, prediction_id: str) -> None:
    """Remove the rows of a prediction's parts, whose files are gone."""
    session.execute(delete(PredictionPart).where(PredictionPart.prediction_id == prediction_id))


def ended_before(
    session: Session, instant: datetime, *, limit: int | None
) -> list[tuple[str, Kind, str]]:
    """Jobs of all kinds and tenants that ended before an instant, the oldest first."""
    query = (
        select(Job.id, Job.kind, Job.tenant)
        .where(Job.state.in_(TERMINAL), Job.kind != Kind.DELETED, Job.finished_at < instant)
        .order_by(Job.finished_at)
        .limit(limit)
    )
    return [(job_id, Kind(kind), tenant) for job_id, kind, tenant in session.execute(query)]


def old_keys(session: Session, instant: datetime) -> int:
    """How many keys were used before an instant."""
    return session.scalar(select(func.count()).where(Idempotency.created_at < instant)) or 0


def forget_keys(session: Session, instant: datetime) -> int:
    """Remove the keys that were used before an instant; how many there were."""
    gone = delete(Idempotency).where(Idempotency.created_at < instant)
    return len(session.scalars(gone.returning(Idempotency.key)).all())


def jobs_with_old_events(session: Session, instant: datetime, *, limit: int | None) -> list[str]:
    """Jobs that ended before an instant, and have a log still."""
    query = (
        select(Job.id)
        .where(
            Job.state.in_(TERMINAL),
            Job.finished_at < instant,
            select(Event.id).where(Event.job_id == Job.id, Event.type != BASELINE).exists(),
        )
        .limit(limit)
    )
    return list(session.scalars(query))


def forget_events(session: Session, job_ids: Sequence[str]) -> int:
    """Remove the logs of jobs, but for what their reports need; how many lines there were."""
    gone = delete(Event).where(Event.job_id.in_(job_ids), Event.type != BASELINE)
    return len(session.scalars(gone.returning(Event.id)).all())


# What nobody refers to.


@dataclass(frozen=True)
class References:
    """What rows say of folders, read after those were listed."""

    paths: frozenset[str]
    """Folders that a row refers to."""
    known: frozenset[str]
    """Jobs and predictions that have rows."""
    working: frozenset[str]
    """Those of them that have not ended: what they write now, a row will refer to."""


def references(session: Session) -> References:
    """All that rows refer to."""
    folders = {
        path
        for query in (select(Checkpoint.path), select(PredictionPart.path))
        for path in session.scalars(query)
    }
    files = (
        select(Fleet.result_path).where(Fleet.result_path.is_not(None)),
        select(Job.ensemble_path).where(Job.ensemble_path.is_not(None)),
        select(ModelVersion.path),
        select(Dataset.path),
        select(Dataset.source_path).where(Dataset.source_path.is_not(None)),
    )
    for query in files:
        folders |= {str(path).rpartition("/")[0] for path in session.scalars(query)}
    jobs = session.execute(select(Job.id, Job.state)).all()
    return References(
        paths=frozenset(folders),
        known=frozenset(job_id for job_id, _ in jobs),
        working=frozenset(job_id for job_id, state in jobs if state in OPEN),
    )
