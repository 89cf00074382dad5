"""The least and the greatest number of each column in the training rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.inputs import width
from worker.data.pixels import row_parts
from worker.data.table import LARGEST, Column, Table


def ranged(columns: Iterable[Column]) -> list[Column]:
    """The columns that have a least and a greatest number: all but the categorical ones."""
    return [column for column in columns if column.kind != "categorical"]


def number_ranges(
    table: Table, columns: Sequence[Column], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest number of these rows, of each column that has them."""
    ends = np.full((2, len(ranged(columns))), np.nan)
    for place, column in enumerate(ranged(columns)):
        for part in row_parts(table.values[column.name], rows):
            ends[0, place] = np.fmin(ends[0, place], np.fmin.reduce(part, axis=None))
            ends[1, place] = np.fmax(ends[1, place], np.fmax.reduce(part, axis=None))
    empty = np.isnan(ends[0])
    return np.where(empty, -LARGEST, ends[0]), np.where(empty, LARGEST, ends[1])


def acting_numbers(
    columns: Sequence[Column], constants: Mapping[str, NDArray[Any]]
) -> NDArray[Any]:
    """Which numbers act, [P], by the range that each column had in the training rows."""
    widths = [width([column]) for column in ranged(columns) if column.kind != "image"]
    low, high = constants.get("low"), constants.get("high")
    if low is None or high is None or not low.shape == high.shape == (len(widths),):
        return np.ones(sum(widths))
    return np.repeat(np.not_equal(low, high).astype(np.float64), widths)
