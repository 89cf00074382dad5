"""The least and the greatest number of each column in the training rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.inputs import width
from worker.data.pixels import row_parts
from worker.data.table import LARGEST, Column


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
