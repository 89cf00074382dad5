"""The life of a fleet: claimed, kept alive, finished, or given back.

Whoever writes for a fleet shows a :class:`~worker.storage.lease.Lease`; when its token is not the
current one, ``StaleToken`` is raised and nothing changes.
"""

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from worker.storage import events
from worker.storage.conclusion import count
from worker.storage.ending import cancel as cancel
from worker.storage.ending import end, give_up, set_trials
from worker.storage.ending import fail as fail
from worker.storage.ending import finish as finish
from worker.storage.lease import Lease, hold, stale
from worker.storage.outcomes import Outcome as Outcome
from worker.storage.outcomes import Result as Result
from worker.storage.planning import carry_on
from worker.storage.splitting import halve
from worker.storage.states import OPEN, TERMINAL, State
from worker.storage.tables import Fleet, Job
from worker.storage.types import utc_now


def claim(
    session: Session, fleet_id: str, *, owner: str, now: datetime | None = None
) -> Lease | None:
    """Take a queued fleet; none when another worker was faster, or there is nothing to do.

    The attempt is counted here, before anything can go wrong, so that a fleet that kills its
    trainer every time comes to an end.
    """
    now = now or utc_now()
    job = session.scalar(
        select(Job)
        .join(Fleet, Fleet.job_id == Job.id)
        .where(Fleet.id == fleet_id)
        .with_for_update(of=Job)
    )
    if job is None or job.state in TERMINAL or job.cancel_requested:
        return None
    claimed = session.execute(
        update(Fleet)
        .where(
            Fleet.id == fleet_id,
            Fleet.state == State.QUEUED,
            or_(Fleet.not_before.is_(None), Fleet.not_before <= now),
        )
        .values(
            state=State.RUNNING,
            token=Fleet.token + 1,
            hb_seq=0,
            attempt=Fleet.attempt + 1,
            stalled_attempts=Fleet.stalled_attempts + 1,
            owner=owner,
            not_before=None,
        )
        .returning(Fleet.token, Fleet.attempt)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if claimed is None:
        return None
    token, attempt = claimed
    fleet = session.get_one(Fleet, fleet_id, populate_existing=True)
    fleet.started_at = fleet.started_at or now
    set_trials(session, fleet, State.RUNNING)
    job.state = State.RUNNING
    job.started_at = job.started_at or now
    events.append(
        session,
        job,
        "started" if attempt == 1 else "resumed",
        f"fleet {fleet.number} started" if attempt == 1 else f"fleet {fleet.number} resumed",
        data={"fleet": fleet_id, "attempt": attempt},
    )
    return Lease(fleet_id=fleet_id, job_id=job.id, token=token, attempt=attempt)


def heartbeat(session: Session, lease: Lease) -> bool:
    """Say that the fleet is alive; true when its job is to be cancelled."""
    moved = session.execute(
        update(Fleet)
        .where(Fleet.id == lease.fleet_id, Fleet.token == lease.token, Fleet.state == State.RUNNING)
        .values(hb_seq=Fleet.hb_seq + 1)
        .returning(Fleet.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if moved is None:
        raise stale(lease)
    return bool(session.scalar(select(Job.cancel_requested).where(Job.id == lease.job_id)))


def release(session: Session, lease: Lease) -> None:
    """Give the fleet back undamaged: the worker is stopping. The attempt does not count."""
    job, fleet = hold(session, lease)
    fleet.stalled_attempts = max(0, fleet.stalled_attempts - 1)
    _requeue(session, job, fleet, "released", "given back by its worker", level="info")


def split(session: Session, lease: Lease) -> bool:
    """Make two of a fleet that ran out of memory, and queue both; false for a single trial."""
    job, fleet = hold(session, lease)
    return _split(session, job, fleet, "it ran out of memory")


def crashed(
    session: Session,
    lease: Lease,
    reason: str,
    *,
    max_attempts: int,
    retry_seconds: float = 0.0,
    killed: bool = False,
    now: datetime | None = None,
) -> None:
    """Give the fleet back after its trainer died; after too many fruitless attempts, fail it.

    A system short of memory kills (``killed``: by a signal 9 that was not ours). Where that was the
    last attempt, the fleet is split rather than failed.
    """
    job, fleet = hold(session, lease)
    last = fleet.stalled_attempts >= max_attempts and not job.cancel_requested
    if killed and last and _split(session, job, fleet, reason):
        return
    _retry_or_fail(session, job, fleet, "crashed", reason, max_attempts)
    if fleet.state == State.QUEUED and retry_seconds:
        # At once, then after 1, 3, 7, … times retry_seconds.
        pause = retry_seconds * (2 ** min(max(0, fleet.stalled_attempts - 1), 10) - 1)
        fleet.not_before = (now or utc_now()) + timedelta(seconds=pause)


def take_back(session: Session, fleet_id: str, seen: tuple[int, int], *, max_attempts: int) -> bool:
    """Take a fleet from a worker that was not heard of; false if it moved in the meantime."""
    token, hb_seq = seen
    job_id = session.scalar(select(Fleet.job_id).where(Fleet.id == fleet_id))
    job = session.scalar(select(Job).where(Job.id == job_id).with_for_update())
    fleet = session.scalar(
        select(Fleet)
        .where(
            Fleet.id == fleet_id,
            Fleet.state == State.RUNNING,
            Fleet.token == token,
            Fleet.hb_seq == hb_seq,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if job is None or fleet is None:
        return False
    _retry_or_fail(session, job, fleet, "lease_lost", "its worker was not heard of", max_attempts)
    return True


def _split(session: Session, job: Job, fleet: Fleet, reason: str) -> bool:
    if not job.cancel_requested:
        second = halve(session, job, fleet)
        if second is None:
            return False
        reason = f"{reason}; fleet {second.number} takes half of its trials"
    _requeue(session, job, fleet, "split", reason, level="warning")
    count(session, job)
    return True


def _retry_or_fail(
    session: Session, job: Job, fleet: Fleet, kind: str, reason: str, max_attempts: int
) -> None:
    if job.cancel_requested:
        set_trials(session, fleet, State.CANCELLED)
        end(session, job, fleet, State.CANCELLED)
    elif fleet.stalled_attempts >= max_attempts:
        error = {
            "code": "poison",
            "message": f"given up after {fleet.stalled_attempts} attempts without progress; "
            f"the last one: {reason}",
            "param": None,
            "attempts": fleet.attempt,
        }
        carry_on(session, job, fleet)
        give_up(session, job, fleet, error)
    else:
        _requeue(session, job, fleet, kind, reason, level="warning")


def _requeue(
    session: Session, job: Job, fleet: Fleet, kind: str, reason: str, *, level: str
) -> None:
    if job.cancel_requested:
        set_trials(session, fleet, State.CANCELLED)
        end(session, job, fleet, State.CANCELLED)
        return
    fleet.state = State.QUEUED
    fleet.owner = None
    set_trials(session, fleet, State.QUEUED)
    session.flush()
    others = session.scalar(
        select(Fleet.id)
        .where(Fleet.job_id == job.id, Fleet.state != State.QUEUED, Fleet.state.in_(OPEN))
        .limit(1)
    )
    if others is None:
        job.state = State.QUEUED
    events.append(
        session,
        job,
        kind,
        f"fleet {fleet.number} waits again: {reason}",
        level=level,
        data={"fleet": fleet.id, "attempt": fleet.attempt},
    )
