"""Why work waits: a fault of the place that must pass first, or no worker that is free.

A trainer that meets a fault of the place (store, database, network, disk, host) waits where it is,
and its supervisor records that here. A trainer that is lost with its place has its fleet given back
by ``fleets.give_back`` or ``fleets.take_back``. Neither counts against the job.

A queued job is told its position and an expected start. Both are estimates, not promises.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from worker.shares import EQUAL, Shares
from worker.storage import events, workers
from worker.storage.states import OPEN, State
from worker.storage.tables import Fleet, Job
from worker.storage.types import read_clock

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
    return lacking or why_queued(session, job, shares)


def reasons(
    session: Session, listed: Sequence[Job], shares: Shares = EQUAL
) -> dict[str, str | None]:
    """What each of some jobs waits for, by its id, as `waiting_for` says it of one."""
    open_ids = [job.id for job in listed if job.state in OPEN]
    faults = session.execute(
        select(Fleet.job_id, Fleet.waiting_for)
        .where(Fleet.job_id.in_(open_ids), Fleet.state.in_(OPEN), Fleet.waiting_for.is_not(None))
        .order_by(Fleet.number.desc())
    )
    lacking: dict[str, str | None] = {}
    for job_id, reason in faults:
        lacking[job_id] = reason
    why = WhyQueued(session, shares)
    return {job.id: lacking.get(job.id) or why.of(job) for job in listed}


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


@dataclass(frozen=True)
class QueuePlace:
    """Where a job stands in the queue."""

    position: int
    """1: its fleet is the next that a worker takes."""
    expected_start: datetime | None
    """None where no worker is there that could take it, or one with a GPU could, whose pace is not
    known."""


@dataclass(frozen=True)
class _Ahead:
    fleets: int
    seconds: float
    """What they will take, one after the other."""


def find_place(session: Session, job: Job, shares: Shares = EQUAL) -> QueuePlace | None:
    """Where a job stands that is queued; none of another."""
    if job.state != State.QUEUED:
        return None
    able = workers.able(session, job.device)
    ahead = _ahead(session, job, {entry.kind for entry in able}, shares)
    slots = sum(entry.slots for entry in able)
    start = None
    if slots and all(entry.kind == "cpu" for entry in able):
        now = read_clock(session)
        wait = ahead.seconds / slots + _until_free(session, job, slots, shares, now)
        start = now + timedelta(seconds=min(wait, 365 * 86_400.0))
    return QueuePlace(ahead.fleets + 1, start)


def _ahead(session: Session, job: Job, kinds: Collection[str], shares: Shares) -> _Ahead:
    """The fleets that workers of these kinds take before the first of a job: those before it among
    its tenant's, and as many of each other tenant as have their turn meanwhile, by the weights.
    """
    waits = [Fleet.state == State.QUEUED, or_(Fleet.device.is_(None), Fleet.device.in_(kinds))]
    rank = -job.priority
    first = select(func.min(Fleet.turn)).where(Fleet.job_id == job.id, Fleet.state == State.QUEUED)
    turn = session.scalar(first) or 0.0
    earlier = or_(Fleet.rank < rank, and_(Fleet.rank == rank, Fleet.turn < turn))
    counted = session.execute(
        select(func.count(), func.coalesce(func.sum(Fleet.estimated_seconds), 0.0)).where(
            *waits, Fleet.tenant == job.tenant, Fleet.job_id != job.id, earlier
        )
    ).one()
    own, seconds = int(counted[0]), float(counted[1])
    others = session.execute(
        select(Fleet.tenant, func.count(), func.sum(Fleet.estimated_seconds))
        .where(*waits, Fleet.tenant != job.tenant)
        .group_by(Fleet.tenant)
    )
    weight, fleets = shares.of(job.tenant).weight, own
    for tenant, count, estimated in others:
        turns = min(count, round((own + 1) * shares.of(tenant).weight / weight))
        fleets += turns
        # After its quantum a fleet makes room.
        seconds += turns * min(estimated / count, shares.quantum_seconds)
    return _Ahead(fleets, seconds)


def _until_free(session: Session, job: Job, slots: int, shares: Shares, now: datetime) -> float:
    """Seconds until a worker has room: a fleet ends, or one of another tenant yields."""
    at_work = session.execute(
        select(Fleet.tenant, Fleet.claimed, Fleet.estimated_seconds).where(
            Fleet.state == State.RUNNING
        )
    ).all()
    if len(at_work) < slots:
        return 0.0
    left = []
    for tenant, claimed, estimated in at_work:
        most = estimated if tenant == job.tenant else min(estimated, shares.quantum_seconds)
        left.append(max(0.0, claimed + most - now.timestamp()))
    return min(left)


def why_queued(session: Session, job: Job, shares: Shares = EQUAL) -> str | None:
    """What a queued job waits for, in words; none of a job in another state."""
    return WhyQueued(session, shares).of(job)


class WhyQueued:
    """What queued jobs wait for, of several as they are at one moment: workers are counted once."""

    def __init__(self, session: Session, shares: Shares = EQUAL) -> None:
        self._session, self._shares = session, shares

    @cached_property
    def _workers(self) -> Sequence[workers.SeenWorker]:
        return workers.seen(self._session)

    @cached_property
    def _at_work(self) -> dict[str | None, int]:
        """Fleets that train, by the device that they wish for."""
        counted = select(Fleet.device, func.count()).where(Fleet.state == State.RUNNING)
        at_work: dict[str | None, int] = {}
        for device, count in self._session.execute(counted.group_by(Fleet.device)):
            at_work[device] = count
        return at_work

    def of(self, job: Job) -> str | None:
        """What a job waits for, in words; none of one that is not queued."""
        if job.state != State.QUEUED:
            return None
        who = f"a worker{_WITH[job.device]}"
        if reason := workers.missing(self._workers, job.device):
            return f"{who}: {reason}"
        there = [one.entry for one in self._workers if one.is_there and not one.draining]
        able = [entry for entry in there if job.device in (None, entry.kind)]
        kinds = {entry.kind for entry in able}
        if before := _ahead(self._session, job, kinds, self._shares).fleets:
            return f"its turn: {before} {_are(before, 'fleet')} before it"
        slots = sum(entry.slots for entry in able)
        busy = sum(self._at_work.values())
        if len(able) < len(there):
            # What has no wish may train elsewhere: it is not known which worker has it.
            busy = self._at_work.get(job.device, 0)
        if busy >= slots:
            return f"{who}: {busy} {_are(busy, 'fleet')} training, and there is room for {slots}"
        return f"{who} to claim it"


_WITH = {None: "", "cpu": " without a GPU", "gpu": " with a GPU"}


def _are(count: int, what: str) -> str:
    return f"{what} is" if count == 1 else f"{what}s are"
