"""What a search found: its winner, the simplest that is as good, and what mattered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from worker.search.report.edges import Hint, hints
from worker.search.report.importance import Importance, importance
from worker.search.report.records import Axis, Record, ranked
from worker.search.report.simplicity import counts, simplicity
from worker.search.report.surface import Bin, Cell, Surface, profile, surface
from worker.statistics import interval


@dataclass(frozen=True)
class Choice:
    """A configuration with what its repeats and folds say of its objective."""

    record: Record
    mean: float
    error: float | None
    """Standard error of the mean; none for a single value."""
    interval: tuple[float, float] | None
    """95 % interval of the mean, by Student's t; none for a single value."""


@dataclass(frozen=True)
class Simplest:
    """The simplest configuration within one standard error of the winner, or why there is none."""

    choice: Choice | None
    limit: float | None
    """The worst mean that counts as equally good."""
    within: int
    """Configurations that are as good as that, the winner included."""
    note: str | None


@dataclass(frozen=True)
class SearchReport:
    """Everything that follows from the records; sections are empty while there are too few."""

    axes: tuple[Axis, ...]
    """The searched fields."""
    order: tuple[Record, ...]
    """The configurations with a value, best first."""
    winner: Choice | None
    simplest: Simplest
    median: Record | None
    """The configuration in the middle of the ranking."""
    importance: Importance | None
    profiles: tuple[tuple[tuple[Bin, Cell], ...], ...]
    """One for each of the axes."""
    surface: Surface | None
    """Of the two searched numbers that matter most."""
    hints: tuple[Hint, ...]


def report(axes: Sequence[Axis], records: Sequence[Record], *, maximize: bool) -> SearchReport:
    """What is to be said of a search, finished or not, from what its configurations gave."""
    order = ranked(records, maximize=maximize)
    found = importance(axes, order)
    pair = _pair(axes, order, found)
    return SearchReport(
        axes=tuple(axes),
        order=tuple(order),
        winner=choice(order[0]) if order else None,
        simplest=simplest(axes, order, maximize=maximize),
        median=order[(len(order) - 1) // 2] if order else None,
        importance=found,
        profiles=tuple(profile(axis, order, maximize=maximize) for axis in axes),
        surface=surface(*pair, order, maximize=maximize) if pair else None,
        hints=tuple(hints(axes, order[0].overrides)) if order else (),
    )


def choice(record: Record) -> Choice:
    """A configuration, with mean ± t·s/√n, t the quantile of n − 1 degrees of freedom."""
    return Choice(record, record.mean, record.error, interval(record.values))


def simplest(axes: Sequence[Axis], order: Sequence[Record], *, maximize: bool) -> Simplest:
    """The one-standard-error rule: of all that are as good as the winner, the simplest.

    As good is a mean no further from the winner's than the standard error of the winner's mean;
    `simplicity` says what is simple, and of equally simple ones the better is taken. Only
    configurations that trained to the end and have as many values as the winner take part.

    Args:
        axes: the searched fields.
        order: the records, best first.
        maximize: whether more of the objective is better.

    Source: Breiman et al. 1984, Classification and Regression Trees, §3.4.3.
    """
    if not order:
        return Simplest(None, None, 0, "No configuration has finished.")
    best = order[0]
    note: str | None
    if best.error is None:
        note = "A standard error needs repeats or folds: ask for repeats of 3 or more, or folds."
        return Simplest(None, None, 1, note)
    limit = best.mean - best.error if maximize else best.mean + best.error
    good = [
        record
        for record in order
        if len(record.values) >= len(best.values)
        and not record.halved
        and (record.mean >= limit if maximize else record.mean <= limit)
    ]
    if not any(map(counts, axes)):
        note = "No searched field makes a network smaller or holds it back more or less."
        return Simplest(None, limit, len(good), note)
    chosen = min(good, key=lambda record: simplicity(axes, record.overrides))  # ties: the better
    note = "The winner itself is the simplest of them." if chosen is best else None
    return Simplest(choice(chosen), limit, len(good), note)


def _pair(
    axes: Sequence[Axis], order: Sequence[Record], found: Importance | None
) -> tuple[Axis, Axis] | None:
    """The two numbers that matter most, in the order in which they were given."""
    varied = [
        axis
        for axis in axes
        if axis.kind == "number"
        and len({p for r in order if (p := axis.position(r.overrides.get(axis.path))) is not None})
        > 1
    ]
    shares = found.shares if found else {}
    first = sorted(varied, key=lambda axis: -shares.get(axis.path, math.nan) if shares else 0)[:2]
    if len(first) < 2:
        return None
    x, y = sorted(first, key=axes.index)
    return x, y
