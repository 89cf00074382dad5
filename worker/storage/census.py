"""What waits and what runs now, over all jobs, in few and cheap queries: only fleets that have not
ended are counted, by an index.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from worker.storage import workers
from worker.storage.states import OPEN, State
from worker.storage.tables import Event, Fleet, Job
from worker.storage.types import read_clock
from worker.storage.workers import SeenWorker

REQUEUED = ("released", "crashed", "lease_lost", "split", "given_back", "resume_requested")
"""Types of the events by which a fleet comes back into the queue."""


@dataclass(frozen=True)
class StateCount:
    """Jobs or fleets of a kind in a state."""

    kind: str
    state: str
    count: int


@dataclass(frozen=True)
class Census:
    """The state of all work that has not ended."""

    jobs: list[StateCount]
    fleets: list[StateCount]
    oldest_due_seconds: float | None
    """How long the fleet that has waited longest for a worker could have been claimed; none where
    none waits."""
    waiting_for_place: int
    """Fleets that wait out a fault of the place."""
    workers: list[SeenWorker]


def census(session: Session) -> Census:
    """Count what has not ended."""
    now = read_clock(session)
    open_fleets = Fleet.state.in_(OPEN)
    fleets = session.execute(
        select(Job.kind, Fleet.state, func.count(), func.count(Fleet.waiting_for))
        .join(Job, Job.id == Fleet.job_id)
        .where(open_fleets)
        .group_by(Job.kind, Fleet.state)
    ).all()
    jobs = session.execute(
        select(Job.kind, Job.state, func.count(func.distinct(Job.id)))
        .join(Fleet, Fleet.job_id == Job.id)
        .where(open_fleets)
        .group_by(Job.kind, Job.state)
    )
    return Census(
        jobs=[StateCount(*row) for row in jobs],
        fleets=[StateCount(kind, state, count) for kind, state, count, _ in fleets],
        oldest_due_seconds=_oldest_due(session, now),
        waiting_for_place=sum(waiting for *_, waiting in fleets),
        workers=workers.seen(session),
    )


def _oldest_due(session: Session, now: datetime) -> float | None:
    """Seconds since the oldest fleet became due: was made, came back, or ended a pause."""
    came_back = (
        select(Event.created_at)
        .where(Event.job_id == Fleet.job_id, Event.type.in_(REQUEUED))
        .order_by(Event.id.desc())
        .limit(1)
        .correlate(Fleet)
        .scalar_subquery()
    )
    since = case((Fleet.attempt == 0, Fleet.created_at), else_=came_back)
    rows = session.execute(
        select(since, Fleet.created_at, Fleet.not_before)
        .where(
            Fleet.state == State.QUEUED, or_(Fleet.not_before.is_(None), Fleet.not_before <= now)
        )
        .order_by(Fleet.created_at)
        .limit(1_000)
    )
    due = [max(at or created, paused_until or created) for at, created, paused_until in rows]
    return max(0.0, (now - min(due)).total_seconds()) if due else None
