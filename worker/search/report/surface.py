"""The objective over the searched numbers, in bins: means with counts."""

import math
from collections.abc import Sequence
from itertools import pairwise

from worker.results import Bin, ProfileBin, Surface
from worker.search.report.axes import Axis, ConfigurationResult
from worker.statistics import mean

MOST_BINS = 12


def objective_surface(
    x: Axis, y: Axis, results: Sequence[ConfigurationResult], *, maximize: bool
) -> Surface:
    """The grid over two fields that are numbers; results without one of them are left out."""
    both = [
        result
        for result in results
        if result.values
        and all(axis.position(result.overrides.get(axis.path)) is not None for axis in (x, y))
    ]
    # About four configurations a cell, so that a mean says something.
    across = max(2, math.isqrt(max(len(both) // 4, 1)))
    x_bins, y_bins = bins(x, both, across), bins(y, both, across)
    cells: list[list[list[float]]] = [[[] for _ in x_bins] for _ in y_bins]
    for result in both:
        cells[_index(y, y_bins, result)][_index(x, x_bins, result)].append(result.mean)
    return Surface(
        x=x.path,
        y=y.path,
        x_log=x.log,
        y_log=y.log,
        x_bins=x_bins,
        y_bins=y_bins,
        mean=[[mean(cell) if cell else None for cell in row] for row in cells],
        best=[[_best(cell, maximize) for cell in row] for row in cells],
        count=[[len(cell) for cell in row] for row in cells],
    )


def objective_profile(
    axis: Axis, results: Sequence[ConfigurationResult], *, maximize: bool
) -> list[ProfileBin]:
    """The objective over one field; results in which it is off have a bin of their own, last."""
    done = [result for result in results if result.values]
    on = [r for r in done if axis.position(r.overrides.get(axis.path)) is not None]
    parts = bins(axis, on, max(2, math.isqrt(max(len(on), 1))))
    cells: list[list[float]] = [[] for _ in parts]
    for result in on:
        cells[_index(axis, parts, result)].append(result.mean)
    off = [r.mean for r in done if axis.position(r.overrides.get(axis.path)) is None]
    if off:
        parts, cells = [*parts, Bin()], [*cells, off]
    return [
        ProfileBin(
            low=part.low,
            high=part.high,
            value=part.value,
            mean=mean(cell) if cell else None,
            best=_best(cell, maximize),
            count=len(cell),
        )
        for part, cell in zip(parts, cells, strict=True)
    ]


def bins(axis: Axis, results: Sequence[ConfigurationResult], wanted: int) -> list[Bin]:
    """At most ``wanted`` bins of a range, even on its scale; else one for each value."""
    if axis.kind == "switch":
        return [Bin(value=False), Bin(value=True)]
    if axis.low is None or axis.high is None:
        return [Bin(value=value) for value in axis.levels]
    distinct = sorted({result.overrides[axis.path] for result in results})
    if len(distinct) <= min(wanted, MOST_BINS):
        return [Bin(value=value) for value in distinct]
    count = min(wanted, MOST_BINS)
    ends = [_value(axis, step / count) for step in range(count + 1)]
    return [Bin(low=low, high=high) for low, high in pairwise(ends)]


def _value(axis: Axis, position: float) -> float:
    low, high = axis.low or 0.0, axis.high or 0.0
    if position in (0.0, 1.0):
        return high if position else low
    if axis.log:
        return math.exp(math.log(low) + position * (math.log(high) - math.log(low)))
    return low + position * (high - low)


def _index(axis: Axis, parts: Sequence[Bin], result: ConfigurationResult) -> int:
    value = result.overrides.get(axis.path)
    position = axis.position(value) or 0.0
    if axis.kind == "switch":
        return int(position)
    if parts[0].low is None:
        return [part.value for part in parts].index(value)
    return min(max(int(position * len(parts)), 0), len(parts) - 1)


def _best(values: Sequence[float], maximize: bool) -> float | None:
    if not values:
        return None
    return max(values) if maximize else min(values)
