"""Scaling: how the numbers of an input are filled, centred and scaled, by the training rows.

And between which numbers a column lay there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worker.data.inputs import width
from worker.data.pixels import row_parts
from worker.data.table import LARGEST, Column

SOFT_LIMIT = 3.0
"""What smooth clipping tends to."""
_BLOCK = 2**16
"""Numbers that are added up at a time."""

Method = Literal["standardize", "robust", "robust_smooth_clip", "none"]
"""As `Preprocessing.numeric`."""


@dataclass(frozen=True)
class NumberScaling:
    """How the numbers of one input are encoded: missing ones are `fill`, then (x - center) / scale,
    or 0 where they do not act.
    """

    fill: float
    center: float
    scale: float
    acts: bool
    """Whether the training rows tell them apart."""

    def shifted(self, origin: float) -> "NumberScaling":
        """The same of numbers that count from another place."""
        return NumberScaling(self.fill + origin, self.center + origin, self.scale, self.acts)


def fit_numbers(values: NDArray[np.float64], method: Method, *, alone: bool) -> NumberScaling:
    """Fit on the training rows' numbers, [N], NaN where missing: they become the median of the
    others, or 0 without any.

    `alone` says that they are the only numbers of their table: see `_total`.
    """
    missing = np.isnan(values)
    has_missing = bool(missing.any())
    present = values[~missing] if has_missing else values
    fill = _median(present) if present.size else 0.0
    filled = np.where(missing, fill, values) if has_missing else values
    center, scale, acts = center_and_scale(filled, method, alone=alone)
    return NumberScaling(fill, center, scale, acts)


def _median(present: NDArray[np.float64]) -> float:
    """The median of numbers without NaN, at least one."""
    upper = len(present) // 2
    # One place at a time: NumPy has a far faster kernel for it.
    ordered = np.partition(present, upper)
    above = float(ordered[upper])
    below = above if len(present) % 2 else float(ordered[:upper].max())
    return (below + above) / 2


def center_and_scale(
    filled: NDArray[np.float64], method: Method, *, alone: bool
) -> tuple[float, float, bool]:
    """Centre and scale of numbers [N] without NaN, and whether they differ; scale 1 if not."""
    low, high = float(filled.min()), float(filled.max())
    # The mean of equal numbers may differ from them in the last bit, and their deviation from 0.
    constant = low == high
    if method == "none":
        return 0.0, 1.0, not constant
    if method == "standardize":
        if constant:
            return float(filled[0]), 1.0, False
        mean = _total(filled, alone=alone) / len(filled)
        return mean, _deviation(filled, mean, alone=alone) or 1.0, True
    first, center, third = (float(one) for one in np.quantile(filled, (0.25, 0.5, 0.75)))
    scale = third - first
    if not third > first:
        if method == "robust_smooth_clip":
            scale = (high - low) / 2
        elif not constant:
            scale = _deviation(filled, _total(filled, alone=alone) / len(filled), alone=alone)
    return center, scale if scale > 0 else 1.0, not constant


def _deviation(filled: NDArray[np.float64], mean: float, *, alone: bool) -> float:
    squares = filled - mean
    np.square(squares, out=squares)
    return float(np.sqrt(_total(squares, alone=alone) / len(filled)))


def _total(values: NDArray[np.float64], *, alone: bool) -> float:
    """The sum, in the order of the rows: to the bit what NumPy makes of one column of a matrix,
    which it adds up in pairs only if it is the matrix's only one. Models are the same bits as those
    of releases that had the matrix.
    """
    if alone:
        return float(values.sum())
    total = 0.0
    for first in range(0, len(values), _BLOCK):
        block = values[first : first + _BLOCK].copy()
        block[0] += total
        total = float(np.add.accumulate(block, out=block)[-1])
    return total


def smooth_clip(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """``z / √(1 + (z/3)²)``: about z near 0, and never beyond ±3. |z| is 1e150 at most.

    Source: Holzmüller, Grinsztajn & Steinwart 2024, arXiv:2407.04491, appendix
    """
    return scaled / np.sqrt(1.0 + np.square(scaled / SOFT_LIMIT))


def ranged(columns: Iterable[Column]) -> list[Column]:
    """The columns that have a least and a greatest number: all but the categorical ones."""
    return [column for column in columns if column.kind != "categorical"]


def number_range(values: NDArray[Any], rows: NDArray[np.int64]) -> tuple[float, float]:
    """Least and greatest number of these rows of a column; the least and the greatest that there
    are, if it has none in them.
    """
    low, high = np.nan, np.nan
    for part in row_parts(values, rows):
        low = np.fmin(low, np.fmin.reduce(part, axis=None))
        high = np.fmax(high, np.fmax.reduce(part, axis=None))
    return (-LARGEST, LARGEST) if np.isnan(low) else (float(low), float(high))


def acting_numbers(
    columns: Sequence[Column], constants: Mapping[str, NDArray[Any]]
) -> NDArray[Any]:
    """Which numbers act, [P], by the range that each column had in the training rows."""
    widths = [width([column]) for column in ranged(columns) if column.kind != "image"]
    low, high = constants.get("low"), constants.get("high")
    if low is None or high is None or not low.shape == high.shape == (len(widths),):
        return np.ones(sum(widths))
    return np.repeat(np.not_equal(low, high).astype(np.float64), widths)
