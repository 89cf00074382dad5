"""The registry of workers.

Each worker says every few seconds that it lives. All is told by the database's clock, so that
machines whose clocks differ agree on who is there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from worker.storage.states import State
from worker.storage.tables import Fleet
from worker.storage.types import Base, new_id

SEEN_SECONDS = 15.0
"""A worker that was seen within this time is there."""
WATCHERS = 16
"""Workers that look at the leases of all."""
FORGOTTEN_AFTER = timedelta(days=1)
"""A worker that was not seen for this long is removed."""


class Worker(Base):
    """A worker process, as it was last heard of."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str]
    """Where it trains: `cpu`, `cuda`, …"""
    slots: Mapped[int]
    """Fleets that it trains at a time."""
    threads: Mapped[int]
    release: Mapped[str]
    draining: Mapped[bool] = mapped_column(default=False)
    """Whether it takes no more work."""
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """By the database's clock, as is ``started_at``."""


@dataclass(frozen=True)
class WorkerEntry:
    """What a worker says of itself."""

    id: str
    host: str
    pid: int
    device: str
    slots: int
    threads: int
    release: str

    @property
    def kind(self) -> str:
        """What a job may wish for: ``cpu`` or ``gpu``."""
        return "cpu" if self.device == "cpu" else "gpu"

    @classmethod
    def new(
        cls, *, host: str, pid: int, device: str, slots: int, threads: int, release: str
    ) -> Self:
        """One with an identifier of its own."""
        return cls(new_id("wrk"), host, pid, device, slots, threads, release)


@dataclass(frozen=True)
class SeenWorker:
    """A worker, and how long ago it was seen."""

    entry: WorkerEntry
    draining: bool
    started_at: datetime
    seen_seconds: float

    @property
    def is_there(self) -> bool:
        """Whether it was seen lately."""
        return self.seen_seconds <= SEEN_SECONDS


@dataclass(frozen=True)
class Queue:
    """What waits and what runs, over all jobs."""

    queued: int
    """Fleets that wait for a worker, or for the end of a pause."""
    running: int
    oldest_seconds: float | None
    """How long the oldest of those that wait has been there; none where none waits."""


def database_time(session: Session) -> datetime:
    """The present instant by the database's clock, to the millisecond at least."""
    if session.get_bind().dialect.name == "sqlite":
        stamp = session.scalars(text("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')")).one()
        return datetime.fromisoformat(stamp)
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now


def beat(session: Session, entry: WorkerEntry, *, draining: bool = False) -> None:
    """Say that a worker lives, and forget those that were not seen for a day."""
    now = database_time(session)
    row = session.get(Worker, entry.id)
    if row is None:
        session.add(Worker(**vars(entry), draining=draining, started_at=now, seen_at=now))
        session.execute(delete(Worker).where(Worker.seen_at < now - FORGOTTEN_AFTER))
    else:
        row.seen_at, row.draining = now, draining


def watches(session: Session, worker_id: str) -> bool:
    """Whether a worker is to look at the leases of all: the first few of those that are there do.

    Each that looks reads a row of all that runs; were it all of them, that would grow with the
    square of their number.
    """
    there = Worker.seen_at >= database_time(session) - timedelta(seconds=SEEN_SECONDS)
    first = select(Worker.id).where(there).order_by(Worker.id).limit(WATCHERS)
    return worker_id in session.scalars(first).all()


def leave(session: Session, worker_id: str) -> None:
    """Remove a worker that has ended in good order."""
    session.execute(delete(Worker).where(Worker.id == worker_id))


def seen(session: Session) -> list[SeenWorker]:
    """All that are known, those seen last first."""
    now = database_time(session)
    rows = session.scalars(select(Worker).order_by(Worker.seen_at.desc(), Worker.id))
    return [
        SeenWorker(
            WorkerEntry(row.id, row.host, row.pid, row.device, row.slots, row.threads, row.release),
            row.draining,
            row.started_at,
            max(0.0, (now - row.seen_at).total_seconds()),
        )
        for row in rows
    ]


def queue(session: Session) -> Queue:
    """How many fleets wait and run now."""
    counted = session.execute(
        select(Fleet.state, func.count())
        .where(Fleet.state.in_((State.QUEUED, State.RUNNING)))
        .group_by(Fleet.state)
    )
    counts: dict[str, int] = dict(counted.all())
    oldest = session.scalar(select(func.min(Fleet.created_at)).where(Fleet.state == State.QUEUED))
    waited = None
    if oldest is not None:
        waited = max(0.0, (database_time(session) - oldest).total_seconds())
    return Queue(counts.get(State.QUEUED, 0), counts.get(State.RUNNING, 0), waited)


def missing(workers: Sequence[SeenWorker], device: str | None = None) -> str | None:
    """Why nobody takes a job that wishes a device, or none in particular, where no worker is there
    that takes its work.
    """
    workers = [worker for worker in workers if device in (None, worker.entry.kind)]
    there = [worker for worker in workers if worker.is_there]
    if any(not worker.draining for worker in there):
        return None
    if there:
        return "all that are there are stopping"
    if not workers:
        return "none was seen so far"
    return f"none was seen for {workers[0].seen_seconds:.0f} s"


def silent(session: Session, fleets: Mapping[str, float]) -> str | None:
    """What is wrong with workers that have these fleets, of which nothing was heard for so many
    seconds; nothing once the fleets have ended or were taken back.
    """
    rows = session.execute(
        select(Fleet.id, Fleet.owner).where(
            Fleet.id.in_([*fleets]), Fleet.state == State.RUNNING, Fleet.owner.is_not(None)
        )
    )
    since: dict[str, float] = {}
    for fleet, owner in rows:
        since[str(owner)] = max(since.get(str(owner), 0.0), fleets[fleet])
    if not since:
        return None
    longest = sorted(since, key=lambda owner: -since[owner])
    others = f" and {len(longest) - 1} more" if len(longest) > 1 else ""
    were = "were" if others else "was"
    return (
        f"{longest[0]}{others} {were} not heard of for {since[longest[0]]:.0f} s "
        "while at work; what they train goes on elsewhere when its lease has run out"
    )


def able(session: Session, device: str | None = None) -> list[WorkerEntry]:
    """Those that are there, and take what wishes a device, or none in particular."""
    there = (worker for worker in seen(session) if worker.is_there and not worker.draining)
    return [worker.entry for worker in there if device in (None, worker.entry.kind)]
