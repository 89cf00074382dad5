"""What is asked of fleets and trials, and changes nothing: what is to be done, what runs, what the
configurations of a job came to, and its curves.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, null, or_, select
from sqlalchemy.orm import Session

from worker.results import UNSCORED, Baseline, Group, Standing, TrialResult, score_of
from worker.schema import Json
from worker.storage.curves import fleet_epochs
from worker.storage.states import OPEN, TERMINAL, State
from worker.storage.tables import EpochMetrics, Event, Fleet, Job, TrialRow
from worker.storage.types import database_now

BASELINE = "baseline"
"""The type of the event that says what gradient boosting came to."""

Series = dict[str, list[float | None]]
"""``{metric: [one value an epoch]}``."""


# What workers and the reconciler ask.


DEVICES = ("cpu", "gpu")
"""Where a job may wish to train."""


def claimable(
    session: Session,
    fleet_ids: Sequence[str],
    *,
    device: str | None = None,
    now: datetime | None = None,
) -> list[str]:
    """Those of the fleets that a worker with this device could claim now, in the given order."""
    query = select(Fleet.id).where(Fleet.id.in_(fleet_ids), *is_claimable(session, now, device))
    waiting = set(session.scalars(query))
    return [fleet_id for fleet_id in fleet_ids if fleet_id in waiting]


def is_claimable(
    session: Session, now: datetime | None, device: str | None = None
) -> list[ColumnElement[bool]]:
    """Of a fleet: whether a worker with this device, or with any, may claim it."""
    conditions = [
        Fleet.state == State.QUEUED,
        or_(Fleet.not_before.is_(None), Fleet.not_before <= (now or database_now(session))),
    ]
    if device is not None:
        conditions.append(or_(Fleet.device.is_(None), Fleet.device == device))
    return conditions


def running(session: Session) -> dict[str, tuple[int, int]]:
    """``{fleet: (token, hb_seq)}`` of what runs: an observer watches whether it moves."""
    pulses = session.execute(
        select(Fleet.id, Fleet.token, Fleet.hb_seq).where(Fleet.state == State.RUNNING)
    )
    return {fleet_id: (token, hb_seq) for fleet_id, token, hb_seq in pulses}


def ended_state(session: Session, fleet_id: str, token: int) -> str | None:
    """How a fleet ended that nobody has claimed since this token was given out; none where it has
    not ended, or somebody has.
    """
    return session.scalar(
        select(Fleet.state).where(
            Fleet.id == fleet_id, Fleet.token == token, Fleet.state.in_(TERMINAL)
        )
    )


def kind_of(session: Session, job_id: str) -> str | None:
    """What a job's fleets do, a ``Kind``; none of a job that is gone."""
    return session.scalar(select(Job.kind).where(Job.id == job_id))


def settings_of(session: Session, fleet_id: str) -> list[Json]:
    """The settings of a fleet's trials, by position; none of one that only plans."""
    return list(
        session.scalars(
            select(TrialRow.settings)
            .where(TrialRow.fleet_id == fleet_id)
            .order_by(TrialRow.position)
        )
    )


def rung(
    session: Session, job_id: str, epoch: int, metric: str, *, without: str
) -> dict[int, list[float]]:
    """``{configuration: a metric of its trials}`` at an epoch, of a job's fleets without one.

    That one compares its own with it, to halve. A configuration counts as far as a fleet has
    trained all its trials there so far; of what a fleet trains just now, what it has recorded.
    """
    recorded = session.execute(
        select(EpochMetrics.fleet_id, EpochMetrics.values[metric])
        .join(Fleet, Fleet.id == EpochMetrics.fleet_id)
        .where(
            Fleet.job_id == job_id,
            Fleet.id != without,
            EpochMetrics.epoch == epoch,
        )
    )
    columns: dict[str, list[float | None]] = {
        fleet_id: column for fleet_id, column in recorded if column is not None
    }
    by_fleet: dict[tuple[str, int], list[float | None]] = defaultdict(list)
    positions = session.execute(
        select(TrialRow.fleet_id, TrialRow.configuration, TrialRow.position).where(
            TrialRow.job_id == job_id, TrialRow.fleet_id.in_(columns)
        )
    )
    for fleet_id, configuration, position in positions:
        by_fleet[fleet_id, configuration].append(columns[fleet_id][position])
    values: dict[int, list[float]] = defaultdict(list)
    for (_, configuration), column in sorted(by_fleet.items()):
        known = [value for value in column if value is not None]
        if len(known) == len(column):
            values[configuration] += known
    return dict(values)


# What the configurations of a job came to, in few columns: thousands are compared and reported.


@dataclass(frozen=True)
class Ending:
    """A fleet whose results are about to be stored."""

    fleet_id: str
    results: Sequence[TrialResult]
    """By position; none where its trials come to nothing."""


def groups(
    session: Session,
    job: Job,
    among: ColumnElement[bool] | None = None,
    *,
    overrides: bool = True,
    ending: Ending | None = None,
) -> list[Group]:
    """The configurations that are planned so far, of some trials or all, by their numbers.

    Parsing their overrides takes most of the time: leave them out where they are not needed. Of the
    fleet that is ``ending`` the results count as if they were stored.
    """
    query = select(
        TrialRow.configuration,
        TrialRow.overrides if overrides else null(),
        TrialRow.state,
        TrialRow.score,
        TrialRow.halved_at,
        TrialRow.best_epoch,
        TrialRow.fleet_id,
        TrialRow.position,
    ).where(TrialRow.job_id == job.id, TrialRow.standing <= Standing.BEHIND)
    if among is not None:
        query = query.where(among)
    trials = session.execute(query.order_by(TrialRow.configuration, TrialRow.repeat, TrialRow.fold))
    by_number: dict[int, Group] = {}
    for number, changes, state, score, halved_at, best_epoch, fleet_id, position in trials:
        group = by_number.get(number)
        if group is None:
            group = by_number[number] = Group(number, changes or {}, job.maximize)
        if ending is not None and ending.results and fleet_id == ending.fleet_id:
            result = ending.results[position]
            state, halved_at, best_epoch = result.state, result.halved_at, result.best_epoch
            score = stored_score(job, result)
        group.trials += 1
        group.succeeded += state == State.SUCCEEDED
        group.open += state in OPEN
        group.halved |= halved_at is not None
        if score < UNSCORED:
            group.scores.append(score)
            if best_epoch is not None:
                group.best_epochs.append(best_epoch)
    return list(by_number.values())


def stored_score(job: Job, result: TrialResult) -> float:
    """The score of a trial as its row holds it: ``UNSCORED`` without a finite objective."""
    objective = result.metrics.get(job.objective) if result.state == "succeeded" else None
    score = score_of(objective, maximize=job.maximize)
    return UNSCORED if score is None else score


def best_first(session: Session, job: Job, among: ColumnElement[bool] | None = None) -> list[Group]:
    """The configurations of which a trial succeeded, of some trials or all, without overrides.

    Those that cannot win, without a finite objective, come last.
    """
    ended = groups(session, job, among, overrides=False)
    return sorted((group for group in ended if group.succeeded), key=lambda group: group.rank)


def trials_of(session: Session, job: Job, numbers: Sequence[int]) -> list[TrialRow]:
    """The trials of some configurations, repeat by repeat."""
    return list(
        session.scalars(
            select(TrialRow)
            .where(TrialRow.job_id == job.id, TrialRow.configuration.in_(numbers))
            .order_by(TrialRow.configuration, TrialRow.repeat, TrialRow.fold)
        )
    )


def refitted(session: Session, job: Job) -> dict[int, list[TrialRow]]:
    """The trials that train a configuration once more on more rows, by its number."""
    trials = session.scalars(
        select(TrialRow)
        .where(
            TrialRow.job_id == job.id,
            TrialRow.standing > Standing.BEHIND,
            TrialRow.state == State.SUCCEEDED,
        )
        .order_by(TrialRow.configuration, TrialRow.repeat)
    )
    return by_refitted(trials)


def by_refitted(trials: Iterable[TrialRow]) -> dict[int, list[TrialRow]]:
    """Those of some trials that succeeded in training a configuration once more, by its number."""
    by_number: dict[int, list[TrialRow]] = {}
    for trial in trials:
        number = trial.settings.get("refit")
        if number is not None and trial.state == State.SUCCEEDED:
            by_number.setdefault(number, []).append(trial)
    return by_number


def final_metric(
    session: Session, job_id: str, metric: str, configurations: Sequence[int]
) -> dict[int, list[float]]:
    """``{configuration: a final metric of its trials}`` of some configurations that have it."""
    rows = session.execute(
        select(TrialRow.configuration, TrialRow.metrics).where(
            TrialRow.job_id == job_id,
            TrialRow.configuration.in_(set(configurations)),
            TrialRow.state == State.SUCCEEDED,
        )
    )
    values: dict[int, list[float]] = defaultdict(list)
    for configuration, metrics in rows:
        value = metrics.get(metric)
        if value is not None:
            values[configuration].append(value)
    return dict(values)


def baseline(session: Session, job: Job) -> Baseline | None:
    """What gradient boosting came to on the rows of a job, if it was measured."""
    measured = session.scalar(
        select(Event.data)
        .where(Event.job_id == job.id, Event.type == BASELINE)
        .order_by(Event.id.desc())
        .limit(1)
    )
    return None if measured is None else Baseline.model_validate(measured)


# Curves.


def series(session: Session, trials: Sequence[TrialRow]) -> dict[str, Series]:
    """``{trial id: {metric: [one value an epoch]}}`` of some trials.

    Epochs after a trial has stopped (all its metrics null) are cut off its end.
    """
    by_fleet: dict[str, list[TrialRow]] = {}
    for trial in trials:
        by_fleet.setdefault(trial.fleet_id, []).append(trial)
    return {
        trial.id: _of_position(epochs, trial.position)
        for fleet_id, company in by_fleet.items()
        for epochs in [fleet_epochs(session, fleet_id)]
        for trial in company
    }


def trial_series(session: Session, trial: TrialRow) -> Series:
    """``{metric: [one value an epoch]}`` of one trial."""
    return _of_position(fleet_epochs(session, trial.fleet_id), trial.position)


def _of_position(epochs: Sequence[tuple[int, Json]], position: int) -> Series:
    names = list(dict.fromkeys(name for _, values in epochs for name in values))
    columns = {
        name: [values[name][position] if name in values else None for _, values in epochs]
        for name in names
    }
    length = len(epochs)
    while length and all(column[length - 1] is None for column in columns.values()):
        length -= 1
    return {name: column[:length] for name, column in columns.items()}


def is_exact(session: Session, job: Job) -> bool:
    """Whether each of its fleets trained in one environment from its start."""
    other = select(Fleet.id).where(Fleet.job_id == job.id, Fleet.exact.is_(False)).limit(1)
    return session.scalar(other) is None
