"""A job is paused and goes on. Nothing of it is claimed meanwhile, and nothing of it is lost.

While ``pause_requested`` is set, fleets that would be ``queued`` are ``paused``: those are neither
announced nor claimed. A running one is told at its next heartbeat, writes a checkpoint and is given
back, as when its worker stops. The job is ``paused`` once none of its fleets runs.
"""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from worker.storage import events
from worker.storage.states import State
from worker.storage.tables import Event, Fleet, Job, TrialRow
from worker.storage.types import utc_now

PAUSED, RESUMED = "paused", "resume_requested"
"""Types of events: it stands still from one to the next of the other."""


def waiting(job: Job) -> State:
    """The state of what waits of a job."""
    return State.PAUSED if job.pause_requested else State.QUEUED


def asked_for(session: Session, job_id: str) -> State | None:
    """What a job is to be as soon as its fleets stop: ``CANCELLED``, ``PAUSED``, or none."""
    asked = session.execute(
        select(Job.cancel_requested, Job.pause_requested).where(Job.id == job_id)
    ).one_or_none()
    if asked is None:
        return None
    cancel, pause = asked
    return State.CANCELLED if cancel else State.PAUSED if pause else None


def pause(session: Session, job: Job) -> None:
    """Keep what waits of a job from being claimed; what runs is told. The caller holds its row."""
    if job.pause_requested or job.cancel_requested:
        return
    job.pause_requested = True
    events.append(session, job, "pause_requested", "pause requested")
    _move(session, job, State.QUEUED, State.PAUSED)
    settle(session, job)


def resume(session: Session, job: Job) -> None:
    """Queue what was paused of a job. The caller holds its row."""
    if not job.pause_requested:
        return
    job.pause_requested = False
    _move(session, job, State.PAUSED, State.QUEUED)
    # Only this ends a pause: one that was never reached has no other end either.
    events.append(session, job, RESUMED, "goes on")
    settle(session, job)


def settle(session: Session, job: Job) -> None:
    """Say where a job that is open stands, by its fleets. The caller holds its row."""
    session.flush()
    runs = select(Fleet.id).where(Fleet.job_id == job.id, Fleet.state == State.RUNNING).limit(1)
    state = State.RUNNING if session.scalar(runs) is not None else waiting(job)
    if state == State.PAUSED != job.state:
        events.append(session, job, PAUSED, "paused")
    job.state = state


def paused_seconds(session: Session, job_id: str) -> float:
    """How long a job has stood still, all its pauses together."""
    logged = session.execute(
        select(Event.type, Event.created_at)
        .where(Event.job_id == job_id, Event.type.in_([PAUSED, RESUMED]))
        .order_by(Event.id)
    )
    seconds, since = 0.0, None
    for kind, at in [*logged, (RESUMED, utc_now())]:
        if kind == PAUSED:
            since = at
        elif since is not None:
            seconds += (at - since).total_seconds()
            since = None
    return max(0.0, seconds)


def _move(session: Session, job: Job, before: State, after: State) -> None:
    session.execute(
        update(Fleet).where(Fleet.job_id == job.id, Fleet.state == before).values(state=after)
    )
    session.execute(
        update(TrialRow)
        .where(TrialRow.job_id == job.id, TrialRow.state == before)
        .values(state=after)
    )
