"""Fitting an encoder: one column after another, for all splits of a job while it is at hand.

Decisions:

* Nothing is ever as large as the table: a column is looked at, and let go. So a table whose columns
  are read when they are asked for is never in memory as a whole.
* Statistics are computed in float64 and summed in the order of the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.calendar import DAYS, date_columns
from worker.data.inputs import dummies, width
from worker.data.pixels import PixelScaling
from worker.data.scaling import NumberScaling, center_and_scale, fit_numbers, number_range
from worker.data.table import Column, Table
from worker.spec import Preprocessing


@dataclass(eq=False)
class ColumnFits:
    """What one split's training rows say of each column, as `Encoder` holds it."""

    preprocessing: Preprocessing
    alone: bool
    """Whether the table has one input that is a number."""
    numbers: list[NumberScaling] = field(default_factory=list)
    """Of each number, in order."""
    ranges: list[tuple[float, float]] = field(default_factory=list)
    """Of each column that has numbers."""
    counts: list[NDArray[np.int64]] = field(default_factory=list)
    """Of each categorical column, [C + 1]: the rows without a category, then those of each."""
    pixels: PixelScaling | None = None

    def add(self, column: Column, values: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """Look at a column: its values, and which of them train."""
        method = self.preprocessing.numeric
        if column.kind == "categorical":
            codes = values[rows] + 1
            self.counts.append(np.bincount(codes, minlength=len(column.categories) + 1))
            return
        self.ranges.append(number_range(values, rows))
        if column.kind == "image":
            self.pixels = PixelScaling.fit(values, rows, method)
        elif column.kind == "numeric":
            self.numbers.append(fit_numbers(values[rows], method, alone=self.alone))
        else:
            self.numbers += self._dates(values[rows], time_of_day=column.time_of_day)

    def _dates(self, dates: NDArray[np.float64], *, time_of_day: bool) -> list[NumberScaling]:
        """Of the parts of dates; those that are missing become the median date, and `days` count
        from the earliest.
        """
        missing = np.isnan(dates)
        present = dates[~missing]
        middle, origin = 0.0, 0.0
        if present.size:
            # The earlier of two in the middle: a mean of both would invent a time of day.
            place = (len(present) - 1) // 2
            middle, origin = float(np.partition(present, place)[place]), float(present.min())
        filled = np.append(np.where(missing, middle, dates), middle)
        found: list[NumberScaling] = []
        for number, part in enumerate(date_columns(filled, time_of_day=time_of_day)):
            begin = origin if number == DAYS else 0.0
            counted = part - begin
            how = center_and_scale(counted[:-1], self.preprocessing.numeric, alone=self.alone)
            found.append(NumberScaling(float(counted[-1]), *how).shifted(begin))
        return found

    @property
    def fill(self) -> NDArray[np.float64]:
        """[P]"""
        return np.array([number.fill for number in self.numbers], dtype=np.float64)

    @property
    def center(self) -> NDArray[np.float64]:
        """[P]"""
        return np.array([number.center for number in self.numbers], dtype=np.float64)

    @property
    def scale(self) -> NDArray[np.float64]:
        """[P]"""
        return np.array([number.scale for number in self.numbers], dtype=np.float64)

    @property
    def acts(self) -> NDArray[np.float32]:
        """[P]"""
        return np.array([number.acts for number in self.numbers], dtype=np.float32)

    @property
    def low(self) -> NDArray[np.float64]:
        """The least number of each column that has some."""
        return np.array([low for low, _ in self.ranges], dtype=np.float64)

    @property
    def high(self) -> NDArray[np.float64]:
        """The greatest one."""
        return np.array([high for _, high in self.ranges], dtype=np.float64)

    @property
    def seen(self) -> NDArray[np.float32]:
        """[C]: 1 for a category of the training rows."""
        seen = [np.zeros(0, dtype=bool), *map(_seen, self.counts)]
        return np.concatenate(seen).astype(np.float32)

    @property
    def indicators(self) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """What categories are where they are the row's, and elsewhere; none if 1 and 0."""
        return dummies(self.counts, self.seen, self.preprocessing)


def fit_columns(
    table: Table,
    columns: Sequence[Column],
    splits: Sequence[NDArray[np.int64]],
    preprocessing: Preprocessing,
) -> list[ColumnFits]:
    """Fit on the training rows of each split, which are rows of `table`."""
    kinds = ("numeric", "date")
    alone = width([column for column in columns if column.kind in kinds]) == 1
    fits = [ColumnFits(preprocessing, alone) for _ in splits]
    for column in columns:
        values = table.values[column.name]
        for fit, rows in zip(fits, splits, strict=True):
            fit.add(column, values, rows)
    return fits


def _seen(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The categories that the training rows hold; none if all of them hold the same one."""
    seen = counts[1:] > 0
    if seen.sum() == 1 and counts[0] == 0:
        return np.zeros_like(seen)
    return seen
