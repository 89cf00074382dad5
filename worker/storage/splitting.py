"""A fleet that needs more memory than there is becomes two."""

from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from worker.storage.planning import next_number
from worker.storage.states import OPEN, State
from worker.storage.tables import Checkpoint, EpochMetrics, Fleet, Job, TrialRow
from worker.storage.types import new_id


def halve(session: Session, job: Job, fleet: Fleet) -> Fleet | None:
    """Move the second half of a fleet's trials into a new one, queued; none for a single trial.

    The caller holds the rows of the job and the fleet, and queues the fleet itself. Repeats and
    folds of a configuration stay together where that leaves two parts. Both begin anew: what was
    trained together cannot be continued apart with the same random numbers.
    """
    kind = "members" if "members" in fleet.plan else "trials"
    planned: list[dict[str, Any]] = fleet.plan.get(kind, [])
    if len(planned) < 2:
        return None
    middle = _middle([trial["configuration"] for trial in planned])
    second = Fleet(
        id=new_id("flt"),
        tenant=fleet.tenant,
        job_id=job.id,
        number=next_number(session, job),
        plan={**fleet.plan, kind: planned[middle:]},
        epochs=fleet.epochs,
    )
    session.add(second)
    session.flush()
    session.execute(
        update(TrialRow)
        .where(TrialRow.fleet_id == fleet.id, TrialRow.position >= middle)
        .values(fleet_id=second.id, position=TrialRow.position - middle)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(TrialRow)
        .where(TrialRow.fleet_id == second.id, TrialRow.state.in_(OPEN))
        .values(state=State.QUEUED)
        .execution_options(synchronize_session=False)
    )
    fleet.plan = {**fleet.plan, kind: planned[:middle]}
    fleet.checkpoint_id = None
    fleet.epoch = fleet.progress_epoch = fleet.stalled_attempts = 0
    session.execute(delete(Checkpoint).where(Checkpoint.fleet_id == fleet.id))
    session.execute(delete(EpochMetrics).where(EpochMetrics.fleet_id == fleet.id))
    job.epochs += second.epochs
    return second


def _middle(configurations: list[int]) -> int:
    """Where to cut: between two configurations, as near to the middle as can be."""
    count = len(configurations)
    between = [n for n in range(1, count) if configurations[n] != configurations[n - 1]]
    return min(between, key=lambda n: abs(2 * n - count), default=count // 2)
