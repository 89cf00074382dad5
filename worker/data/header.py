"""The header of delimited text: whether the first line holds names, or data like the others."""

from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa

from worker.data.dates import find_dates
from worker.data.findings import Draft
from worker.data.table import Column, Table, is_missing
from worker.text import shortened

_YEARS = range(1800, 2201)
"""Numbers that are good names of columns."""


def looks_like_data(names: list[str]) -> bool:
    """Whether names are certainly none: a decimal fraction among them, or numbers that do not
    count.
    """
    numbers = [number for name in names if (number := _number(name)) is not None]
    if any(not number.is_integer() for number in numbers):
        return True
    counting = [list(map(float, range(start, start + len(names)))) for start in (0, 1)]
    return len(numbers) == len(names) and numbers not in counting


def _number(text: str) -> float | None:
    if is_missing(text):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def text_kind(text: str) -> str:
    """What a cell is by itself: `number`, `date` or `text`."""
    if _number(text) is not None:
        return "number"
    found = find_dates(pa.array([text], pa.string()))
    return "text" if found is None else "date"


def is_measured(table: Table, column: Column) -> bool:
    """Whether all cells of a column are numbers, or dates, and there are some."""
    if column.missing == table.rows:
        return False
    if column.kind in ("numeric", "date"):
        return True
    return all(text_kind(text) != "text" for text in column.categories[:20])


def doubtful_header(table: Table) -> list[Draft]:
    """A finding, if the first line is like the others: each name could be a cell of its column."""
    certain = 0
    for column in table.columns:
        kind = text_kind(column.name)
        if is_measured(table, column):
            if kind == "text":
                return []
            certain += kind == "date" or int(_number(column.name) or 0) not in _YEARS
        elif 2 * len(column.categories) <= table.rows and column.categories:
            if column.name not in column.categories:
                return []
            certain += 1
    if not certain or _is_counting(table.names):
        return []
    return [header_draft(table, "looks like the others")]


def _is_counting(names: Sequence[str]) -> bool:
    """Whether the names that are numbers count the columns, as 0, 1, 2 do."""
    numbers = [number for name in names if (number := _number(name)) is not None]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 2 and steps == {1.0}


def header_draft(table: Table, how: str) -> Draft:
    """The finding that the first line may be data; `how` says why."""
    names = ", ".join(repr(shortened(name, 20)) for name in table.names[:5])
    return Draft(
        "header_looks_like_data",
        f"The first line ({names}{', …' if len(table.names) > 5 else ''}) {how}; it was taken as "
        "the columns' names.",
        "If it is data, set `header` to false: the columns are column1, column2, and so on.",
        evidence={"names": [shortened(name, 20) for name in table.names[:10]]},
        change={"header": False},
    )


def one_column(table: Table) -> Draft:
    """The finding that there is one column only, which no separator splits alike."""
    return Draft(
        "one_column",
        "The file has one column only.",
        "If another character separates its cells, set `separator` to it.",
        column=next(iter(table.names), None),
    )
