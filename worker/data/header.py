"""The header of delimited text: whether the first line holds names, or data like the others."""

from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa

from worker.data.dates import find_dates
from worker.data.drafts import Draft
from worker.data.notation import is_number
from worker.data.table import Column, Table, is_missing
from worker.data.text_column import WEAK
from worker.text import shortened

_MANY_TIMES = 10
"""Rows for each category, with which a header that is none of them is no row."""
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
    """What a cell is by itself: `number`, in any notation, `date`, `missing` or `text`."""
    if is_missing(text) or text.lower() in WEAK:
        return "missing"
    if is_number(text):
        return "number"
    return "text" if find_dates(pa.array([text], pa.string())) is None else "date"


def is_measured(table: Table, column: Column) -> bool:
    """Whether all cells of a column are numbers, or dates, and there are some."""
    if column.missing == table.rows:
        return False
    if column.kind in ("numeric", "date"):
        return True
    return all(text_kind(text) != "text" for text in column.categories[:20])


def doubtful_header(table: Table) -> list[Draft]:
    """A finding, if the first line may be one like the others: if each name could be a cell of its
    column, or if nothing tells names from cells.
    """
    likely = measured = 0
    for column in table.columns:
        if is_measured(table, column):
            kind = text_kind(column.name)
            if kind == "text":
                return []
            measured += 1
            likely += kind != "number" or not _is_year(column.name)
        elif column.name in column.categories:
            likely += 1
        elif column.categories and _MANY_TIMES * len(column.categories) <= table.rows:
            return []  # One more cell would most likely be one of its categories.
    if _is_counting(table.names):
        return []
    if likely:
        return [header_draft(table, "looks like the others")]
    if measured:
        return []
    return [header_draft(table, "may be one like the others", certain=False)]


def _is_year(name: str) -> bool:
    return _number(name) in _YEARS


def _is_counting(names: Sequence[str]) -> bool:
    """Whether the names that are numbers count the columns, as 0, 1, 2 do."""
    numbers = [number for name in names if (number := _number(name)) is not None]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 2 and steps == {1.0}


def header_draft(table: Table, how: str, *, certain: bool = True) -> Draft:
    """The finding that the first line may be data; `how` says why."""
    names = ", ".join(repr(shortened(name, 20)) for name in table.names[:5])
    return Draft(
        "header_looks_like_data",
        f"The first line ({names}{', …' if len(table.names) > 5 else ''}) {how}; it was taken as "
        "the columns' names.",
        "If it is data, set `header` to false: the columns are column1, column2, and so on.",
        "warning" if certain else "info",
        evidence={"names": [shortened(name, 20) for name in table.names[:10]]},
        change={"header": False},
    )


def one_column() -> Draft:
    """The finding that there is one column only, which no separator splits alike."""
    return Draft(
        "one_column",
        "The file has one column only.",
        "If another character separates its cells, set `separator` to it.",
    )
