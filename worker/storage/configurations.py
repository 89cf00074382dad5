"""A job's configurations in few columns: what a report of thousands is made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.storage.states import State
from worker.storage.tables import UNSCORED, Event, Job, TrialRow

BASELINE = "baseline"
"""The type of the event that says what gradient boosting came to."""
COMPETES = 1
"""The largest standing of a trial that may win."""


@dataclass
class Group:
    """One configuration: its trials, and the objective of those that succeeded."""

    number: int
    overrides: dict[str, Any]
    """What it changes in the job, by path."""
    trials: int = 0
    halved: bool = False
    """Whether halving let it go before its end; its values are those it had then."""
    values: list[float] = field(default_factory=list)


def groups(session: Session, job: Job) -> list[Group]:
    """The configurations of a search that are planned so far, in the order of their numbers."""
    rows = session.execute(
        select(
            TrialRow.configuration,
            TrialRow.overrides,
            TrialRow.score,
            TrialRow.halved_at,
        )
        .where(TrialRow.job_id == job.id, TrialRow.standing <= COMPETES)
        .order_by(TrialRow.configuration, TrialRow.repeat, TrialRow.fold)
    )
    found: dict[int, Group] = {}
    for number, overrides, score, halved_at in rows:
        group = found.setdefault(number, Group(number, overrides or {}))
        group.trials += 1
        group.halved |= halved_at is not None
        if score < UNSCORED:
            group.values.append(-score if job.maximize else score)
    return list(found.values())


def trials_of(session: Session, job: Job, numbers: Sequence[int]) -> list[TrialRow]:
    """The trials of some configurations, repeat by repeat."""
    return list(
        session.scalars(
            select(TrialRow)
            .where(TrialRow.job_id == job.id, TrialRow.configuration.in_(numbers))
            .order_by(TrialRow.configuration, TrialRow.repeat, TrialRow.fold)
        )
    )


def refits(session: Session, job: Job) -> dict[int, list[TrialRow]]:
    """The trials that train a configuration once more on more rows, by its number."""
    rows = session.scalars(
        select(TrialRow)
        .where(
            TrialRow.job_id == job.id,
            TrialRow.standing > COMPETES,
            TrialRow.state == State.SUCCEEDED,
        )
        .order_by(TrialRow.configuration, TrialRow.repeat)
    )
    found: dict[int, list[TrialRow]] = {}
    for row in rows:
        number = row.settings.get("refit")
        if number is not None:
            found.setdefault(number, []).append(row)
    return found


def baseline(session: Session, job: Job) -> dict[str, Any] | None:
    """What gradient boosting came to on the rows of a job, if it was measured."""
    return session.scalar(
        select(Event.data)
        .where(Event.job_id == job.id, Event.type == BASELINE)
        .order_by(Event.id.desc())
        .limit(1)
    )
