"""What a running fleet leaves behind: the metrics of its epochs, and its checkpoints."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from worker.storage import counters, events, waits
from worker.storage.fleets import Lease, hold
from worker.storage.jobs import count, count_epochs
from worker.storage.tables import Checkpoint, EpochMetrics
from worker.storage.types import new_id, utc_now

KEPT_CHECKPOINTS = 2
"""The last one, and the one before it, for the case that the last is damaged."""

Values = Mapping[str, Sequence[float | None]]


def job_folder(job_id: str) -> str:
    """Where all files of a job lie, relative to the root of the artefacts."""
    return f"jobs/{job_id}"


def checkpoints_folder(job_id: str, fleet_id: str) -> str:
    """Where the checkpoints of a fleet lie."""
    return f"{job_folder(job_id)}/{fleet_id}/checkpoints"


def record_epochs(
    session: Session,
    lease: Lease,
    epochs: Sequence[tuple[int, Values]],
    *,
    first_step_at: datetime | None = None,
) -> None:
    """Store the metrics of some epochs, ``(epoch, {metric: [value for each position]})``.

    Those that are stored are left as they are: whoever lost the answer to a commit says them again.
    """
    job, fleet = hold(session, lease)
    waits.note(session, job, fleet, None)
    if fleet.first_step_at is None:
        fleet.first_step_at = first_step_at
    epochs = [(epoch, values) for epoch, values in epochs if epoch > fleet.epoch]
    if epochs:
        session.execute(
            insert(EpochMetrics),
            [
                {"fleet_id": fleet.id, "epoch": epoch, "values": dict(values)}
                for epoch, values in epochs
            ],
        )
        fleet.epoch = max(epoch for epoch, _ in epochs)
        counters.add(session, counters.EPOCHS, sum(_trained(values) for _, values in epochs))
    count_epochs(session, job)


def _trained(values: Values) -> int:
    """How many trials were trained in an epoch: those that had ended have no metrics."""
    columns = list(values.values())
    return sum(any(value is not None for value in row) for row in zip(*columns, strict=True))


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
        fleet.stalled_attempts = fleet.place_faults = 0
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
    foreign: str | None = None,
) -> None:
    """Continue from a checkpoint, or from the start: what was recorded beyond it is forgotten.

    ``foreign`` says in what the checkpoint's environment differs from this one: from there on the
    fleet's weights are not those of an undisturbed run to the bit, unless it starts anew.
    """
    job, fleet = hold(session, lease)
    if checkpoint is None:
        fleet.exact = True
    elif foreign is not None:
        fleet.exact = False
        events.append(
            session,
            job,
            "not_exact",
            f"fleet {fleet.number} goes on from a checkpoint that was written elsewhere "
            f"({foreign}); its weights are not those of an undisturbed run to the bit",
            level="warning",
            data={"fleet": fleet.id, "checkpoint": checkpoint.id},
        )
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
