"""Whether a fleet is what takes its workers down, or only happened to be with them.

A lease that was lost says nothing by itself: hosts end, freeze and are cut off. It speaks against
the fleet where all of this holds:

* nothing else was lost with its host: of several fleets, any may have done it;
* others trained meanwhile, or trials ended well since it was lost alone before;
* it brought no new checkpoint since;
* and this as often in a row as a trainer may crash, on two hosts at the least unless there is one
  alone: a single one of several may be what is broken.

What was seen stands in the job's log, where the next loss finds it.
"""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.storage import counters, events
from worker.storage.counters import Increment
from worker.storage.states import State
from worker.storage.tables import Event, Fleet, Job
from worker.storage.workers import Worker

LOST_ALONE = "lost_alone"


@dataclass(frozen=True)
class Witness:
    """What was seen beside a lease that was lost."""

    alone: bool
    """No other fleet of its host fell silent with it."""
    others: bool
    """Another fleet was heard of all along."""
    most: int
    """How often is too often."""


@dataclass(frozen=True)
class _Loss:
    """What the log keeps."""

    fleet: str
    host: str
    fault: int
    """Which fault of its place in a row it was: a checkpoint begins a new row."""
    others: bool
    succeeded: int
    """Trials that had ended well by then, of all jobs."""


def host_of(owner: str | None) -> str:
    """The host of who holds a fleet, ``host:process``."""
    return (owner or "").rpartition(":")[0]


def hosts(session: Session) -> dict[str, str]:
    """``{fleet: host}`` of what runs."""
    rows = session.execute(select(Fleet.id, Fleet.owner).where(Fleet.state == State.RUNNING))
    return {fleet_id: host_of(owner) for fleet_id, owner in rows}


def proof(session: Session, job: Job, fleet: Fleet, witness: Witness | None) -> str | None:
    """Note a loss of a fleet that the caller holds; in words why it is the fleet's own doing, if
    that is proved by now.
    """
    if witness is None or not witness.alone:
        return None
    well = Increment.name == counters.TRIALS + State.SUCCEEDED
    succeeded = int(session.scalar(select(func.sum(Increment.count)).where(well)) or 0)
    fault = fleet.place_faults + 1
    last = _Loss(fleet.id, host_of(fleet.owner), fault, witness.others, succeeded)
    speaking = [
        later
        for later, earlier in _pairs([last, *_in_a_row(session, last, witness.most)])
        if later.others or (earlier is not None and later.succeeded > earlier.succeeded)
    ]
    message = f"fleet {fleet.number} was lost with its worker's host, where nothing else trained"
    events.append(session, job, LOST_ALONE, message, data=vars(last))
    known = session.scalar(select(func.count(Worker.host.distinct()))) or 0
    if len(speaking) < witness.most or len({loss.host for loss in speaking}) < min(2, known):
        return None
    return (
        f"given up after its worker was lost {len(speaking)} times while it trained there alone, "
        "without progress, and others trained on; most likely it needs more memory than the "
        "worker's machine has"
    )


def _in_a_row(session: Session, last: _Loss, most: int) -> list[_Loss]:
    """Its losses before, the latest first, back to its last checkpoint."""
    rows = session.scalars(
        select(Event)
        .where(Event.job_id == select(Fleet.job_id).where(Fleet.id == last.fleet).scalar_subquery())
        .where(Event.type == LOST_ALONE)
        .order_by(Event.id.desc())
    )
    found: list[_Loss] = []
    later = last
    for event in rows:
        if event.data["fleet"] != last.fleet:
            continue
        loss = _Loss(**event.data)
        if loss.fault >= later.fault or len(found) > 2 * most:
            break
        found.append(loss)
        later = loss
    return found


def _pairs(losses: list[_Loss]) -> list[tuple[_Loss, _Loss | None]]:
    """Each with the one before it."""
    return list(zip(losses, [*losses[1:], None], strict=True))
