"""Matching: the columns of a data set as those that a model was trained on, by their names.

Decisions:

* A category is the model's as a prediction's records find theirs (`category_index.py`), so that a
  row of a data set is answered as the same row of a request. One that the model does not know is
  missing.
* A column of another kind is to be read again as the model's kind: what it is then depends on how
  its cells were written. Images cannot be, and must have the model's shape.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from worker.data.category_index import CategoryIndex
from worker.data.table import MISSING_CODE, Column, Table, suggest
from worker.errors import DataError
from worker.spec import ColumnKind
from worker.text import shortened

NAMED = 20
"""Columns that a message names."""


def kinds_to_declare(
    needed: Sequence[Column], present: Sequence[Column], ignored: Collection[str] = ()
) -> dict[str, ColumnKind]:
    """The columns that a data set has in another kind, or ignores, by the kinds that are needed.

    Raises:
        DataError: it lacks columns, or has images of another shape; `columns` names all of them.
    """
    there = {column.name: column for column in present}
    needed = [one for one in needed if not one.optional or one.name in there]
    lacking = [one.name for one in needed if one.name not in there and one.name not in ignored]
    if lacking:
        raise _lacks(lacking, [*there])
    kinds: dict[str, ColumnKind] = {}
    for column in needed:
        found = there.get(column.name)
        if found is not None and (found.kind, found.shape) == (column.kind, column.shape):
            continue
        if column.kind == "image" or (found is not None and found.kind == "image"):
            raise _unlike(column, found)
        kinds[column.name] = column.kind
    return kinds


def _lacks(names: Sequence[str], present: Sequence[str]) -> DataError:
    listed = ", ".join(repr(shortened(name)) for name in names[:NAMED])
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    several = "s" if len(names) > 1 else ""
    return DataError(
        f"The data set lacks the column{several} {listed}{more}, which the model needs. "
        f"{suggest(names[0], present)}",
        code="missing_column",
        param="dataset",
        columns=list(names[:NAMED]),
    )


def _unlike(column: Column, found: Column | None) -> DataError:
    def said(one: Column | None) -> str:
        if one is None:
            return "ignored"
        return f"of shape {list(one.shape)}" if one.kind == "image" else one.kind

    return DataError(
        f"Column {column.name!r} is {said(found)} in the data set, but {said(column)} in the data "
        "that the model was trained on; upload it as it was there.",
        code="kind_mismatch",
        param="dataset",
        column=column.name,
    )


@dataclass(frozen=True, eq=False)
class Matching:
    """The columns of a table as an encoder's; made once, for all parts of the table."""

    columns: tuple[Column, ...]
    """The encoder's."""
    codes: Mapping[str, NDArray[np.int32]]
    """Of a categorical column: for each of the table's codes that of the encoder; the last entry is
    what a missing cell indexes."""

    @classmethod
    def of(cls, needed: Sequence[Column], present: Sequence[Column]) -> Self:
        """Compare the columns of an encoder with a table's.

        Raises:
            DataError: the table lacks one of them, or has it in another kind.
        """
        if kinds_to_declare(needed, present):
            raise ValueError("the table is to be read as the model's columns first")
        there = {column.name: column for column in present}
        codes = {}
        for column in needed:
            if column.kind != "categorical":
                continue
            categories = there[column.name].categories
            if categories != column.categories:
                index = CategoryIndex(column)
                found = [max(index.find(category), MISSING_CODE) for category in categories]
                codes[column.name] = np.array([*found, MISSING_CODE], dtype=np.int32)
        return cls(tuple(needed), codes)

    def apply(self, part: Table) -> Table:
        """Some rows of the table, with the encoder's columns and categories."""
        values = {}
        for column in self.columns:
            if column.optional and column.name not in part.values:
                values[column.name] = np.full(part.rows, np.nan)
                continue
            cells = part.values[column.name]
            codes = self.codes.get(column.name)
            values[column.name] = cells if codes is None else codes[cells]
        return Table(columns=self.columns, values=values, rows=part.rows)
