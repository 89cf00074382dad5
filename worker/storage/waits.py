"""What waits for its place: how it is noted, how it is shown, for how long a fleet is let alone.

A trainer that meets a fault of the place waits where it is, and its supervisor notes that here. One
that is lost with its place gives its fleet back, by ``fleets.give_back`` or ``fleets.take_back``.
Neither counts against the job.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.shares import EQUAL, Shares
from worker.storage import events, queue_places
from worker.storage.states import OPEN
from worker.storage.tables import Fleet, Job

LONGEST_PAUSE = 60.0


def waiting_for(session: Session, job: Job, shares: Shares = EQUAL) -> str | None:
    """What a job waits for that is no fault of its own, in a few words; none where it goes on.

    What its place lacks comes first; then, of one that is queued, why no worker has it.
    """
    lacking = session.scalar(
        select(Fleet.waiting_for)
        .where(Fleet.job_id == job.id, Fleet.state.in_(OPEN), Fleet.waiting_for.is_not(None))
        .order_by(Fleet.number)
        .limit(1)
    )
    return lacking or queue_places.why_queued(session, job, shares)


def reasons(
    session: Session, listed: Sequence[Job], shares: Shares = EQUAL
) -> dict[str, str | None]:
    """What each of some jobs waits for, by its id, as `waiting_for` says it of one."""
    open_ids = [job.id for job in listed if job.state in OPEN]
    found = session.execute(
        select(Fleet.job_id, Fleet.waiting_for)
        .where(Fleet.job_id.in_(open_ids), Fleet.state.in_(OPEN), Fleet.waiting_for.is_not(None))
        .order_by(Fleet.number.desc())
    )
    lacking: dict[str, str | None] = {}
    for job_id, reason in found:
        lacking[job_id] = reason
    why = queue_places.WhyQueued(session, shares)
    return {job.id: lacking.get(job.id) or why.of(job) for job in listed}


def is_exact(session: Session, job: Job) -> bool:
    """Whether each of its fleets trained in one environment from its start."""
    other = select(Fleet.id).where(Fleet.job_id == job.id, Fleet.exact.is_(False)).limit(1)
    return session.scalar(other) is None


def note(session: Session, job: Job, fleet: Fleet, reason: str | None) -> None:
    """Say what a fleet waits for, or by none that it goes on; the caller holds job and fleet.

    The job's log gets a line when it begins to wait, and one when it goes on, however often it
    tries in between.
    """
    before, fleet.waiting_for = fleet.waiting_for, reason
    if (before is None) == (reason is None):
        return
    if reason is not None:
        text, level = f"fleet {fleet.number} waits ({reason})", "warning"
    else:
        text, level = f"fleet {fleet.number} goes on; it had waited ({before})", "info"
    events.append(
        session,
        job,
        "going_on" if reason is None else "waiting",
        text,
        level=level,
        data={"fleet": fleet.id, "for": before if reason is None else reason},
    )


def pause_after(faults: int) -> timedelta:
    """How long a fleet is let alone after so many faults of its place in a row.

    After the first not at all: that one worker was lost says nothing about the next.
    """
    return timedelta(seconds=0.0 if faults < 2 else min(LONGEST_PAUSE, 2.0 ** min(faults - 1, 10)))
