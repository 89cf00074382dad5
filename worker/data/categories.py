"""What the categories of a table's columns tell, before anything is encoded."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from worker.data.table import Column

MANY = 20
"""Columns with fewer categories are what they seem to be."""
SHOWN = 3


@dataclass(frozen=True)
class Categories:
    """A categorical column of many categories, in figures."""

    column: str
    count: int
    """How many categories it has."""
    numbers: int
    """How many of them are finite numbers."""
    others: tuple[str, ...]
    """The first of those that are not."""


def many_categories(columns: Iterable[Column]) -> tuple[Categories, ...]:
    """The columns with at least `MANY` categories."""
    return tuple(_count(column) for column in columns if len(column.categories) >= MANY)


def _count(column: Column) -> Categories:
    others = [category for category in column.categories if not _is_number(category)]
    return Categories(
        column=column.name,
        count=len(column.categories),
        numbers=len(column.categories) - len(others),
        others=tuple(others[:SHOWN]),
    )


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False
