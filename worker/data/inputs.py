"""Inputs: what the columns of a table become in a network, and what each input is called.

The width depends on the columns alone, never on the rows that an encoder is fitted on.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from worker.data.calendar import part_names
from worker.data.table import Column
from worker.spec import Preprocessing


def width(columns: Sequence[Column]) -> int:
    """F: one input for a numeric column, for each part of a date, for each category, and for each
    number of an image.
    """
    return sum(map(_width, columns))


def _width(column: Column) -> int:
    if column.kind == "categorical":
        return len(column.categories)
    if column.kind == "date":
        return len(part_names(time_of_day=column.time_of_day))
    return prod(column.shape)


def number_inputs(columns: Sequence[Column]) -> tuple[int, ...]:
    """Which inputs are numbers: of numeric columns, and the parts of dates."""
    places: list[int] = []
    first = 0
    for column in columns:
        end = first + width([column])
        if column.kind in ("numeric", "date"):
            places += range(first, end)
        first = end
    return tuple(places)


def sample_shape(columns: Sequence[Column]) -> tuple[int, ...]:
    """The shape of an encoded row: that of an image column, or (F,)."""
    return next((c.shape for c in columns if c.kind == "image"), (width(columns),))


def input_names(column: Column) -> Iterator[str]:
    """The names of a column's inputs: its own, "column=category", "column.month" of a date,
    or "column[channel,row,column]".
    """
    if column.kind == "categorical":
        yield from (f"{column.name}={category}" for category in column.categories)
    elif column.kind == "numeric":
        yield column.name
    elif column.kind == "date":
        for part in part_names(time_of_day=column.time_of_day):
            yield f"{column.name}.{part}"
    else:
        for place in product(*map(range, column.shape)):
            yield f"{column.name}[{','.join(map(str, place))}]"


def dummies(
    counts: Sequence[NDArray[np.int64]], seen: NDArray[np.float32], preprocessing: Preprocessing
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """What each category's input is where it is the row's, and elsewhere, [C]; none where they are
    1 and 0.

    Standardized they are (1 − m)/√(m(1 − m)) and −m/√(m(1 − m)), m the share of the training rows
    with the category. The first category of a column that acts is 0 in both, where it is left out
    and no training row lacks one.

    Args:
        counts: of each categorical column the training rows without a category, then of each.
        seen: [C], the categories that act.
        preprocessing: the job's settings.
    """
    standardized = preprocessing.dummies == "standardize"
    if not (preprocessing.drop_first or standardized) or not seen.size:
        return None, None
    kept, share = seen.astype(np.float64), np.zeros(len(seen))
    first = 0
    for without, *of_each in (column.tolist() for column in counts):
        part = slice(first, first := first + len(of_each))
        share[part] = np.array(of_each) / (without + sum(of_each))
        acting = np.flatnonzero(kept[part])
        if preprocessing.drop_first and acting.size and without == 0:
            kept[part.start + acting[0]] = 0.0
    if not standardized:
        return kept.astype(np.float32), np.zeros_like(seen)
    spread = np.sqrt(share * (1 - share))
    spread[spread == 0] = 1.0
    hit, miss = kept * (1 - share) / spread, kept * -share / spread
    return hit.astype(np.float32), miss.astype(np.float32)
