"""Inputs: what the columns of a table become in a network, and what each input is called.

The width depends on the columns alone, never on the rows that an encoder is fitted on.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from worker.data.calendar import part_names
from worker.data.table import Column


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
