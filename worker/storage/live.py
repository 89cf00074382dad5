"""What watchers of running jobs poll for: few columns of many jobs, and what is new of one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.schema import Json
from worker.storage.curves import unpack
from worker.storage.tables import EpochMetrics, Event, Fleet, Job, TrialRow

AT_ONCE = 500
"""Ids in one query."""
MOST_FLEETS = 8
"""Fleets of a job whose epochs are followed at the same time."""


class Pulse(NamedTuple):
    """What changes whenever something is new of a job."""

    state: str
    epoch: int
    finished: int
    failed: int
    planned: int
    logged: int | None
    """The last line of its log."""


def pulses(session: Session, job_ids: Sequence[str]) -> dict[str, Pulse]:
    """The pulses of some jobs; those that are gone have none."""
    by_job: dict[str, Pulse] = {}
    for start in range(0, len(job_ids), AT_ONCE):
        some = job_ids[start : start + AT_ONCE]
        last = (
            select(func.max(Event.id)).where(Event.job_id == Job.id).correlate(Job)
        ).scalar_subquery()
        rows = session.execute(
            select(
                Job.id,
                Job.state,
                Job.epoch,
                Job.trials_finished,
                Job.trials_failed,
                Job.trials_planned,
                last,
            ).where(Job.id.in_(some))
        )
        by_job |= {job_id: Pulse(*values) for job_id, *values in rows}
    return by_job


class MovingFleet(NamedTuple):
    """A fleet whose epochs are followed."""

    id: str
    number: int


def moving_fleets(session: Session, job_id: str, known: Mapping[str, int]) -> list[MovingFleet]:
    """Of the last fleets of a job that have begun, those that are further than is ``known``."""
    rows = session.execute(
        select(Fleet.id, Fleet.number, Fleet.epoch)
        .where(Fleet.job_id == job_id, Fleet.epoch > 0)
        .order_by(Fleet.number.desc())
        .limit(MOST_FLEETS)
    )
    more = [MovingFleet(id, number) for id, number, epoch in rows if epoch > known.get(id, 0)]  # noqa: A001
    return more[::-1]


def epochs_after(
    session: Session, fleet_id: str, epoch: int, names: Sequence[str], *, most: int
) -> list[tuple[int, Json]]:
    """``(epoch, {metric: [value for each position]})`` of some metrics in the epochs after one, in
    order. Of more than ``most`` epochs some, evenly, with the last one.

    A thousand trials have a quarter of a megabyte of metrics in each epoch: what is not asked for
    is not read.
    """
    after = (EpochMetrics.fleet_id == fleet_id, EpochMetrics.epoch > epoch)
    numbers = list(
        session.scalars(select(EpochMetrics.epoch).where(*after).order_by(EpochMetrics.epoch))
    )
    if numbers:
        columns = [EpochMetrics.values[name] for name in names]
        chosen = EpochMetrics.epoch.in_(thinned(numbers, most))
        rows = session.execute(
            select(EpochMetrics.epoch, *columns).where(*after, chosen).order_by(EpochMetrics.epoch)
        )
        return [(number, dict(zip(names, values, strict=True))) for number, *values in rows]
    # Of a job that has just ended they are packed.
    packed = session.scalar(select(Fleet.curves).where(Fleet.id == fleet_id))
    epochs = [] if packed is None else [each for each in unpack(packed) if each[0] > epoch]
    return list(thinned(epochs, most))


Entry = TypeVar("Entry")


def thinned(entries: Sequence[Entry], most: int) -> Sequence[Entry]:
    """At most so many of them, evenly, with the last one."""
    step = max(1, -(-len(entries) // most))
    return entries[::-1][::step][::-1]


def positions(session: Session, fleet_id: str) -> Iterable[tuple[int, int, str]]:
    """``(position, configuration, name)`` of a fleet's trials, in the order of the positions."""
    rows = session.execute(
        select(TrialRow.position, TrialRow.configuration, TrialRow.name)
        .where(TrialRow.fleet_id == fleet_id)
        .order_by(TrialRow.position)
    )
    return [(position, configuration, name) for position, configuration, name in rows]
