"""What a running fleet leaves behind: the metrics of its epochs, and its checkpoints."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from worker.storage import events
from worker.storage.conclusion import count, count_epochs
from worker.storage.lease import Lease, hold
from worker.storage.tables import Checkpoint, EpochMetrics, Fleet, TrialRow
from worker.storage.types import new_id, utc_now

KEPT_CHECKPOINTS = 2
"""The last one, and the one before it, for the case that the last is damaged."""

Values = Mapping[str, Sequence[float | None]]


def record_epochs(
    session: Session,
    lease: Lease,
    epochs: Sequence[tuple[int, Values]],
    *,
    first_step_at: datetime | None = None,
) -> None:
    """Store the metrics of some epochs, ``(epoch, {metric: [value for each position]})``."""
    job, fleet = hold(session, lease)
    if fleet.first_step_at is None:
        fleet.first_step_at = first_step_at
    if epochs:
        session.execute(
            insert(EpochMetrics),
            [
                {"fleet_id": fleet.id, "epoch": epoch, "values": dict(values)}
                for epoch, values in epochs
            ],
        )
        fleet.epoch = max(epoch for epoch, _ in epochs)
    count_epochs(session, job)


def save_checkpoint(
    session: Session,
    lease: Lease,
    *,
    epoch: int,
    path: str,
    sha256: str,
    bytes: int,  # noqa: A002  (the column's name)
) -> list[str]:
    """Refer to a checkpoint that is whole and verified; give back the paths nobody needs now.

    Only a checkpoint further than any before counts as progress.
    """
    job, fleet = hold(session, lease)
    checkpoint = Checkpoint(
        id=new_id("ckp"),
        tenant=fleet.tenant,
        job_id=job.id,
        fleet_id=fleet.id,
        epoch=epoch,
        path=path,
        sha256=sha256,
        bytes=bytes,
        created_at=utc_now(),
    )
    session.add(checkpoint)
    session.flush()
    fleet.checkpoint_id = checkpoint.id
    if epoch > fleet.progress_epoch:
        fleet.progress_epoch = epoch
        fleet.stalled_attempts = 0
    spare = candidates(session, fleet.id)[KEPT_CHECKPOINTS:]
    for old in spare:
        session.delete(old)
    session.flush()
    return [old.path for old in spare]


def candidates(session: Session, fleet_id: str) -> list[Checkpoint]:
    """The fleet's checkpoints, the newest first: what a resumed fleet may start from."""
    return list(
        session.scalars(
            select(Checkpoint)
            .where(Checkpoint.fleet_id == fleet_id)
            .order_by(Checkpoint.epoch.desc(), Checkpoint.created_at.desc())
        )
    )


def rewind(
    session: Session,
    lease: Lease,
    checkpoint: Checkpoint | None,
    *,
    damaged: Sequence[Checkpoint] = (),
) -> None:
    """Continue from a checkpoint, or from the start: what was recorded beyond it is forgotten."""
    job, fleet = hold(session, lease)
    epoch = 0 if checkpoint is None else checkpoint.epoch
    for bad in damaged:
        events.append(
            session,
            job,
            "checkpoint_damaged",
            f"the checkpoint of epoch {bad.epoch} is damaged; continuing from epoch {epoch}",
            level="warning",
            data={"fleet": fleet.id, "checkpoint": bad.id},
        )
    session.execute(delete(Checkpoint).where(Checkpoint.id.in_([bad.id for bad in damaged])))
    session.execute(
        delete(EpochMetrics).where(EpochMetrics.fleet_id == fleet.id, EpochMetrics.epoch > epoch)
    )
    fleet.checkpoint_id = None if checkpoint is None else checkpoint.id
    fleet.epoch = epoch
    count(session, job)


def fleet_epochs(session: Session, fleet_id: str) -> list[tuple[int, dict[str, Any]]]:
    """All recorded epochs of a fleet, in order."""
    rows = session.execute(
        select(EpochMetrics.epoch, EpochMetrics.values)
        .where(EpochMetrics.fleet_id == fleet_id)
        .order_by(EpochMetrics.epoch)
    )
    return [(epoch, values) for epoch, values in rows]


def series(
    session: Session, trials: Sequence[TrialRow]
) -> dict[str, dict[str, list[float | None]]]:
    """``{trial id: {metric: [one value an epoch]}}`` of some trials.

    Epochs after a trial has stopped (all its metrics null) are cut off its end.
    """
    by_fleet: dict[str, list[TrialRow]] = {}
    for trial in trials:
        by_fleet.setdefault(trial.fleet_id, []).append(trial)
    return {
        trial.id: _of_position(epochs, trial.position)
        for fleet_id, members in by_fleet.items()
        for epochs in [fleet_epochs(session, fleet_id)]
        for trial in members
    }


def trial_series(session: Session, trial: TrialRow) -> dict[str, list[float | None]]:
    """``{metric: [one value an epoch]}`` of one trial."""
    return _of_position(fleet_epochs(session, trial.fleet_id), trial.position)


def _of_position(
    epochs: Sequence[tuple[int, dict[str, Any]]], position: int
) -> dict[str, list[float | None]]:
    names = list(dict.fromkeys(name for _, values in epochs for name in values))
    columns = {
        name: [values[name][position] if name in values else None for _, values in epochs]
        for name in names
    }
    length = len(epochs)
    while length and all(column[length - 1] is None for column in columns.values()):
        length -= 1
    return {name: column[:length] for name, column in columns.items()}


def checkpoint_of(session: Session, fleet: Fleet) -> Checkpoint | None:
    """The checkpoint that the fleet refers to."""
    return None if fleet.checkpoint_id is None else session.get(Checkpoint, fleet.checkpoint_id)
