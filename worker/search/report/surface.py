"""The objective over the searched numbers, in bins: means with counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from worker.search.report.records import Axis, Record
from worker.statistics import mean

MOST_BINS = 12


@dataclass(frozen=True)
class Bin:
    """Values of one field that are counted together."""

    low: float | None = None
    high: float | None = None
    """Ends of a stretch of a range; both none for a single value."""
    value: Any = None
    """The one value; none for a stretch, and where the field's technique is off."""


@dataclass(frozen=True)
class Cell:
    """What the configurations of one bin gave; mean and best are none where there are none."""

    mean: float | None
    best: float | None
    count: int


@dataclass(frozen=True)
class Surface:
    """Two fields: one row of cells for each bin of ``y``, one cell in it for each bin of ``x``."""

    x: Axis
    y: Axis
    x_bins: tuple[Bin, ...]
    y_bins: tuple[Bin, ...]
    cells: tuple[tuple[Cell, ...], ...]


def surface(x: Axis, y: Axis, records: Sequence[Record], *, maximize: bool) -> Surface:
    """The grid over two fields that are numbers; records without one of them are left out."""
    done = [record for record in records if record.values]
    both = [
        record
        for record in done
        if all(axis.position(record.overrides.get(axis.path)) is not None for axis in (x, y))
    ]
    # About four configurations a cell, so that a mean says something.
    across = max(2, math.isqrt(max(len(both) // 4, 1)))
    x_bins, y_bins = bins(x, both, across), bins(y, both, across)
    found: list[list[list[float]]] = [[[] for _ in x_bins] for _ in y_bins]
    for record in both:
        row, column = _place(y, y_bins, record), _place(x, x_bins, record)
        found[row][column].append(record.mean)
    cells = tuple(tuple(_cell(values, maximize) for values in row) for row in found)
    return Surface(x, y, x_bins, y_bins, cells)


def profile(
    axis: Axis, records: Sequence[Record], *, maximize: bool
) -> tuple[tuple[Bin, Cell], ...]:
    """The objective over one field; records in which it is off have a bin of their own, last."""
    done = [record for record in records if record.values]
    on = [r for r in done if axis.position(r.overrides.get(axis.path)) is not None]
    parts = bins(axis, on, max(2, math.isqrt(max(len(on), 1))))
    found: list[list[float]] = [[] for _ in parts]
    for record in on:
        found[_place(axis, parts, record)].append(record.mean)
    off = [r.mean for r in done if axis.position(r.overrides.get(axis.path)) is None]
    entries = [(part, _cell(values, maximize)) for part, values in zip(parts, found, strict=True)]
    return (*entries, *([(Bin(), _cell(off, maximize))] if off else []))


def bins(axis: Axis, records: Sequence[Record], wanted: int) -> tuple[Bin, ...]:
    """At most so many bins of a range, even on its scale; else one for each value."""
    if axis.kind == "switch":
        return (Bin(value=False), Bin(value=True))
    if axis.low is None or axis.high is None:
        return tuple(Bin(value=value) for value in axis.levels)
    distinct = sorted({record.overrides[axis.path] for record in records})
    if len(distinct) <= min(wanted, MOST_BINS):
        return tuple(Bin(value=value) for value in distinct)
    count = min(wanted, MOST_BINS)
    ends = [_value(axis, step / count) for step in range(count + 1)]
    return tuple(Bin(low=low, high=high) for low, high in pairwise(ends))


def _value(axis: Axis, position: float) -> float:
    low, high = axis.low or 0.0, axis.high or 0.0
    if position in (0.0, 1.0):
        return high if position else low
    if axis.log:
        return math.exp(math.log(low) + position * (math.log(high) - math.log(low)))
    return low + position * (high - low)


def _place(axis: Axis, parts: Sequence[Bin], record: Record) -> int:
    value = record.overrides.get(axis.path)
    position = axis.position(value) or 0.0
    if axis.kind == "switch":
        return int(position)
    if parts[0].low is None:
        return [part.value for part in parts].index(value)
    return min(max(int(position * len(parts)), 0), len(parts) - 1)


def _cell(values: Sequence[float], maximize: bool) -> Cell:
    if not values:
        return Cell(None, None, 0)
    best = max(values) if maximize else min(values)
    return Cell(mean(values), best, len(values))
