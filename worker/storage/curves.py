"""The metrics of a fleet's epochs: a row an epoch while its job is at work, then one packed value.

A row an epoch is what a trainer adds to, resumes from and compares within its job. It repeats the
name of each metric, and takes ten times the space: of a small job, twice its model's file.
"""

import zlib
from collections.abc import Sequence

import orjson
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from worker.schema import Json
from worker.storage.states import TERMINAL
from worker.storage.tables import EpochMetrics, Fleet, Job

Epochs = Sequence[tuple[int, Json]]
"""``(epoch, {metric: [value for each position]})``, in order."""


def fleet_epochs(session: Session, fleet_id: str) -> list[tuple[int, Json]]:
    """All recorded epochs of a fleet, in order."""
    # The rows first: were they packed between the two questions, they are found by the second.
    epochs = rows(session, fleet_id)
    if epochs:
        return epochs
    packed = session.scalar(select(Fleet.curves).where(Fleet.id == fleet_id))
    return [] if packed is None else unpack(packed)


def rows(session: Session, fleet_id: str) -> list[tuple[int, Json]]:
    """Those that are not packed."""
    epochs = session.execute(
        select(EpochMetrics.epoch, EpochMetrics.values)
        .where(EpochMetrics.fleet_id == fleet_id)
        .order_by(EpochMetrics.epoch)
    )
    return [(epoch, values) for epoch, values in epochs]


def unpacked(session: Session, *, limit: int | None, job_id: str | None = None) -> list[str]:
    """Fleets of jobs that have ended, whose epochs are not packed; of one job, if given."""
    query = (
        select(EpochMetrics.fleet_id)
        .join(Fleet, Fleet.id == EpochMetrics.fleet_id)
        .join(Job, Job.id == Fleet.job_id)
        .where(Job.state.in_(TERMINAL))
        .distinct()
        .limit(limit)
    )
    if job_id is not None:
        query = query.where(Job.id == job_id)
    return list(session.scalars(query))


def replace(session: Session, fleet_id: str, packed: bytes) -> None:
    """Put the packed epochs of a fleet, whose job has ended, in the place of their rows."""
    session.execute(update(Fleet).where(Fleet.id == fleet_id).values(curves=packed))
    session.execute(delete(EpochMetrics).where(EpochMetrics.fleet_id == fleet_id))


def pack(epochs: Epochs) -> bytes:
    """One value of all epochs, metric by metric."""
    names = dict.fromkeys(name for _, values in epochs for name in values)
    columns = {
        "epochs": [epoch for epoch, _ in epochs],
        "metrics": {name: [values.get(name) for _, values in epochs] for name in names},
    }
    return zlib.compress(orjson.dumps(columns))


def unpack(packed: bytes) -> list[tuple[int, Json]]:
    """The epochs that were packed."""
    columns = orjson.loads(zlib.decompress(packed))
    metrics = columns["metrics"].items()
    return [
        (epoch, {name: column[number] for name, column in metrics if column[number] is not None})
        for number, epoch in enumerate(columns["epochs"])
    ]
