"""The life of a fleet, on one page::

                      claim                    finish  (a trial succeeded)
            queued ───────────▶ running ────────────────────────────────▶ succeeded
              ▲                  │ │ │      finish (none did), fail,
              │  release, split, │ │ └──────────────────────────────────▶ failed
              │  crashed,        │ │        crashed too often
              └──────────────────┘ │
                 give_back,        └────────────────────────────────────▶ cancelled
                 take_back           cancel; any of these, once it was asked

``release``, ``give_back`` and ``take_back`` are no fault of the fleet: they do not count.
``heartbeat`` keeps a running fleet. A queued fleet of a job that is cancelled is cancelled at once,
in ``jobs.request_cancel``. Of a job that is paused, ``paused`` stands in the place of ``queued``:
see ``pauses``. Terminal states are never left.

Whoever writes for a fleet shows a :class:`Lease`, the right to do so until another token is given
out: every write goes through :func:`hold`, which takes the job's row first and then asks for the
fleet with this token, still running. With another token ``StaleToken`` is raised and nothing
changes. The order (job, then fleet) is the same everywhere, so that PostgreSQL finds no deadlock.

Whatever ends a fleet ends its job too if it was the last, in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.results import JobError, TrialResult
from worker.shares import EQUAL, Shares
from worker.storage import counters, events, pauses, queries, suspects, turns, waits
from worker.storage.additions import Following, continue_job, follow, split_in_two
from worker.storage.jobs import count
from worker.storage.outcome import POISON, choose, conclude, store, update_best
from worker.storage.states import OPEN, TERMINAL, State
from worker.storage.tables import Fleet, Job, TrialRow
from worker.storage.types import read_clock, utc_now


class StaleToken(ConflictError):  # noqa: N818  (says what happened)
    """The fleet was taken back, ended or cancelled: this worker must stop, and changed nothing."""

    code = "stale_token"


@dataclass(frozen=True)
class Lease:
    """A claimed fleet and the fencing token of the claim."""

    fleet_id: str
    job_id: str
    token: int
    attempt: int = 1


@dataclass(frozen=True)
class ResultFile:
    """Where a fleet's result file lies, and what it must hash to."""

    path: str
    sha256: str
    bytes: int


def hold(session: Session, lease: Lease) -> tuple[Job, Fleet]:
    """The job and the fleet, locked; ``StaleToken`` when the lease is no longer current."""
    held = _lock(session, lease.job_id, lease.fleet_id, Fleet.token == lease.token, wait=True)
    if held is None:
        raise _stale(lease)
    return held


def _lock(
    session: Session, job_id: str | None, fleet_id: str, unmoved: ColumnElement[bool], *, wait: bool
) -> tuple[Job, Fleet] | None:
    """The job and the fleet, if it runs unmoved; none while others hold them, unless we wait."""
    job = session.scalar(select(Job).where(Job.id == job_id).with_for_update(skip_locked=not wait))
    fleet = session.scalar(
        select(Fleet)
        .where(Fleet.id == fleet_id, Fleet.job_id == job_id, Fleet.state == State.RUNNING, unmoved)
        .with_for_update(skip_locked=not wait)
        .execution_options(populate_existing=True)
    )
    return None if job is None or fleet is None else (job, fleet)


def _stale(lease: Lease) -> StaleToken:
    return StaleToken(
        f"token {lease.token} of fleet {lease.fleet_id} is no longer current: "
        "the fleet was taken back, ended or cancelled"
    )


def claim(
    session: Session,
    fleet_id: str,
    *,
    owner: str,
    device: str | None = None,
    shares: Shares = EQUAL,
    now: datetime | None = None,
) -> Lease | None:
    """Take a queued fleet; none when it is taken, for another ``device``, or one too many of its
    tenant's.

    The attempt is counted here, before anything can go wrong, so that a fleet that kills its
    trainer every time comes to an end.
    """
    now = now or read_clock(session)
    job = session.scalar(
        select(Job)
        .join(Fleet, Fleet.job_id == Job.id)
        .where(Fleet.id == fleet_id)
        .with_for_update(of=Job)
    )
    if job is None or job.state in TERMINAL or job.cancel_requested:
        return None
    if turns.is_at_cap(session, job.tenant, shares):
        return None
    claimed = session.execute(
        update(Fleet)
        .where(Fleet.id == fleet_id, *queries.is_claimable(session, now, device))
        .values(
            state=State.RUNNING,
            token=Fleet.token + 1,
            hb_seq=0,
            attempt=Fleet.attempt + 1,
            stalled_attempts=Fleet.stalled_attempts + 1,
            owner=owner,
            not_before=None,
            claimed=now.timestamp(),
            yields_to=None,
        )
        .returning(Fleet.token, Fleet.attempt)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if claimed is None:
        return None
    fleet = session.get_one(Fleet, fleet_id, populate_existing=True)
    fleet.started_at = fleet.started_at or now
    _set_open_trials(session, fleet, State.RUNNING)
    job.state = State.RUNNING
    job.started_at = job.started_at or now
    started = "started" if claimed.attempt == 1 else "resumed"
    data = {"fleet": fleet_id, "attempt": claimed.attempt}
    events.append(session, job, started, f"fleet {fleet.number} {started}", data=data)
    return Lease(fleet_id, job.id, claimed.token, claimed.attempt)


def heartbeat(session: Session, lease: Lease) -> State | None:
    """Say that the fleet is alive; what its job is to be, ``CANCELLED`` or ``PAUSED``, if asked."""
    moved = session.execute(
        update(Fleet)
        .where(Fleet.id == lease.fleet_id, Fleet.token == lease.token, Fleet.state == State.RUNNING)
        .values(hb_seq=Fleet.hb_seq + 1)
        .returning(Fleet.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if moved is None:
        raise _stale(lease)
    return pauses.asked_for(session, lease.job_id)


# Back to the queue.


def release(session: Session, lease: Lease) -> None:
    """Give the fleet back undamaged, for its worker stops or it yields: no attempt counts."""
    job, fleet = hold(session, lease)
    fleet.stalled_attempts = max(0, fleet.stalled_attempts - 1)
    reason = "it makes room for others" if fleet.yields_to else "given back by its worker"
    _requeue(session, job, fleet, "released", reason, level="info")


def split(session: Session, lease: Lease) -> bool:
    """Make two of a fleet that ran out of memory, and queue both; false for a single trial."""
    job, fleet = hold(session, lease)
    return _split(session, job, fleet, "it ran out of memory")


def give_back(session: Session, lease: Lease, fault: str, now: datetime | None = None) -> None:
    """Give the fleet back for a fault of the place, which says nothing of the fleet."""
    job, fleet = hold(session, lease)
    waits.note(session, job, fleet, fault)
    _excuse(session, job, fleet, "given_back", f"{fault}; the attempt does not count", now)


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
    if fleet.state in OPEN and retry_seconds:
        # At once, then after 1, 3, 7, … times retry_seconds.
        pause = retry_seconds * (2 ** min(max(0, fleet.stalled_attempts - 1), 10) - 1)
        fleet.not_before = (now or read_clock(session)) + timedelta(seconds=pause)


def take_back(
    session: Session,
    fleet_id: str,
    seen: tuple[int, int],
    now: datetime | None = None,
    witness: suspects.Witness | None = None,
) -> bool:
    """Take a fleet from a worker that was not heard of; false if it moved in the meantime, or while
    a trainer that was frozen in a transaction holds its rows. It fails if that is its own doing.
    """
    job_id = session.scalar(select(Fleet.job_id).where(Fleet.id == fleet_id))
    unmoved = and_(Fleet.token == seen[0], Fleet.hb_seq == seen[1])
    held = _lock(session, job_id, fleet_id, unmoved, wait=False)
    if held is None:
        return False
    job, fleet = held
    own_doing = suspects.proof(session, job, fleet, witness)
    if own_doing is None or job.cancel_requested:
        _excuse(session, job, fleet, "lease_lost", "its worker was not heard of", now)
    else:
        _poison(session, job, fleet, own_doing)
    return True


def _excuse(
    session: Session, job: Job, fleet: Fleet, kind: str, reason: str, now: datetime | None
) -> None:
    """Queue it again without counting the attempt; the pause grows from fault to fault."""
    fleet.stalled_attempts = max(0, fleet.stalled_attempts - 1)
    fleet.place_faults += 1
    pause = waits.pause_after(fleet.place_faults)
    fleet.not_before = (now or read_clock(session)) + pause if pause else None
    _requeue(session, job, fleet, kind, reason, level="warning")


def _split(session: Session, job: Job, fleet: Fleet, reason: str) -> bool:
    if not job.cancel_requested:
        second = split_in_two(session, job, fleet)
        if second is None:
            return False
        reason = f"{reason}; fleet {second.number} takes half of its trials"
    _requeue(session, job, fleet, "split", reason, level="warning")
    count(session, job)
    return True


def _retry_or_fail(
    session: Session, job: Job, fleet: Fleet, kind: str, reason: str, max_attempts: int
) -> None:
    if fleet.stalled_attempts < max_attempts or job.cancel_requested:
        _requeue(session, job, fleet, kind, reason, level="warning")
        return
    tried = f"given up after {fleet.stalled_attempts} attempts without progress"
    _poison(session, job, fleet, f"{tried}; the last one: {reason}")


def _poison(session: Session, job: Job, fleet: Fleet, message: str) -> None:
    continue_job(session, job, fleet)
    _fail(session, job, fleet, JobError(code=POISON, message=message, attempts=fleet.attempt))


def _requeue(
    session: Session, job: Job, fleet: Fleet, kind: str, reason: str, *, level: str
) -> None:
    """Queue the fleet again, or keep it paused; cancel it if its job is to be cancelled."""
    if job.cancel_requested:
        _set_open_trials(session, fleet, State.CANCELLED)
        _end(session, job, fleet, State.CANCELLED)
        return
    fleet.state = pauses.waiting(job)
    fleet.owner = None
    _set_open_trials(session, fleet, pauses.waiting(job))
    pauses.settle(session, job)
    text = f"fleet {fleet.number} waits again: {reason}"
    data = {"fleet": fleet.id, "attempt": fleet.attempt}
    events.append(session, job, kind, text, level=level, data=data)
    turns.charge(session, fleet)


# The end.


def finish(
    session: Session,
    lease: Lease,
    results: Sequence[TrialResult],
    file: ResultFile | None,
    following: Following | None = None,
) -> bool:
    """Store what came of each trial; true when this ended the job.

    The fleet has failed when none of its trials succeeded. ``following`` is what its job goes on
    with; ``OutdatedError`` when the job is not as it was when that was proposed.
    """
    job, fleet = hold(session, lease)
    waits.note(session, job, fleet, None)
    trials = store(session, job, fleet, results)
    _keep(fleet, file)
    failed = [trial for trial in trials if trial.state != State.SUCCEEDED]
    fleet.epoch = fleet.epochs
    if failed and len(failed) == len(trials):
        fleet.error = failed[0].error
        return _end(session, job, fleet, State.FAILED, following)
    for trial in failed:
        events.append(
            session,
            job,
            "trial_failed",
            f"{trial.name}: {'failed' if trial.error is None else trial.error.message}",
            level="warning",
            data={"trial": trial.id, "error": trial.error},
        )
    return _end(session, job, fleet, State.SUCCEEDED, following)


def fail(
    session: Session, lease: Lease, error: JobError, following: Following | None = None
) -> bool:
    """End the fleet with an error that another attempt would only repeat."""
    job, fleet = hold(session, lease)
    return _fail(session, job, fleet, error, following)


def cancel(
    session: Session,
    lease: Lease,
    results: Sequence[TrialResult] = (),
    file: ResultFile | None = None,
) -> bool:
    """End the fleet because its job is to be cancelled; what its trials came to is kept.

    ``results`` are those of all its trials, those that go on cancelled; none if none has ended.
    """
    job, fleet = hold(session, lease)
    if results:
        store(session, job, fleet, results)
        _keep(fleet, file)
    _set_open_trials(session, fleet, State.CANCELLED)
    return _end(session, job, fleet, State.CANCELLED)


def _fail(
    session: Session, job: Job, fleet: Fleet, error: JobError, following: Following | None = None
) -> bool:
    fleet.error = error
    _set_open_trials(session, fleet, State.FAILED, error)
    return _end(session, job, fleet, State.FAILED, following)


def _end(
    session: Session, job: Job, fleet: Fleet, state: State, following: Following | None = None
) -> bool:
    """End a fleet that the caller holds, and the job if it was the last; true if it did."""
    if following is not None:
        follow(session, job, fleet, following)
    fleet.state, fleet.finished_at = state, utc_now()
    fleet.owner = fleet.waiting_for = None
    session.flush()
    counters.add_trials(session, fleet.id)
    count(session, job)
    update_best(session, job, fleet)
    if following is not None and following.winner is not None:
        choose(session, job, following.winner)
    concluded = conclude(session, job)
    if not concluded and job.pause_requested:
        pauses.settle(session, job)
    turns.charge(session, fleet)
    return concluded


def _keep(fleet: Fleet, file: ResultFile | None) -> None:
    if file is not None:
        fleet.result_path, fleet.result_sha256 = file.path, file.sha256
        fleet.result_bytes = file.bytes


def _set_open_trials(
    session: Session, fleet: Fleet, state: State, error: JobError | None = None
) -> None:
    """Set the state of those of its trials that have not ended."""
    open_trials = update(TrialRow).where(TrialRow.fleet_id == fleet.id, TrialRow.state.in_(OPEN))
    session.execute(open_trials.values(state=state, error=error))
