"""Statistics: what is counted of a table once, so that a job can be checked without its cells.

Decisions:

* They say of each column what decides whether it is a feature, how wide it is, and what it would be
  as a target: its distinct values with their rows where these are few, and else how many there are
  and their ends. They are bounded, whatever the table holds.
* An answer from them is the answer that the cells would give, or there is none: whatever depends on
  which row holds what (groups, an order, weights, rows that are named, a stray text's line) raises
  `CellsNeededError`, and whoever has the cells is asked. So does every refusal, since its words may
  name a row.
* The code that decides is the same: it is given a table that has statistics, and of the target
  cells that are as many of each value, in another order.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from worker.data.copies import copy_groups
from worker.data.dataset import Outline
from worker.data.job_data import has_times
from worker.data.resolution import MOST_CLASSES, Numbers
from worker.data.side_by_side import each_column
from worker.data.table import MISSING_CODE, Cells, Column, Table, UnreadCells
from worker.errors import DataError
from worker.results import Advice
from worker.schema import Stored
from worker.spec import JobSpec

MOST_VALUES, FEWEST_VALUES = MOST_CLASSES, 21
"""Distinct values that are kept of a column, at the most, and of each of very many columns."""
ALL_VALUES = 100_000
"""Distinct values that are kept of all columns, about."""
MOST_LETTERS = 20_000
"""Characters of a column's categories that are kept."""


class CellsNeededError(Exception):
    """What is asked cannot be told from statistics."""


Silence = Literal["varies", "constant", "empty"]


class ColumnStatistics(Stored):
    """What was counted of one column."""

    column: Column
    """Without its categories where these are not kept; a date's column knows its times."""
    categories_count: int = 0
    distinct: int = 0
    """Different values; of images none are counted."""
    values: Annotated[tuple[float, ...], Field(strict=False)] | None = None
    """The distinct numbers, ascending, where they are few."""
    counts: Annotated[tuple[int, ...], Field(strict=False)] | None = None
    """The rows of each number or category, where they are few."""
    minimum: float | None = None
    maximum: float | None = None
    """Ends of the numbers, or dates."""
    whole: bool = False
    """Whether none of the numbers has a fraction."""
    numbers_alike: int | None = None
    """The same for columns that hold the same numbers in every row; none where no other does."""
    labels_alike: int | None = None
    """The same for columns each of whose values stands with one value of the others."""

    @property
    def time_of_day(self) -> bool:
        """Whether some of its dates have a time of day."""
        return self.column.time_of_day

    def silence(self, rows: int, labelled: int) -> Silence | None:
        """Whether it varies in so many of its rows, whichever they are; none if it depends."""
        column = self.column
        missing, others = column.missing, rows - labelled
        present = rows - missing
        if column.kind == "image":
            return "varies"
        if present == 0:
            return "empty"
        if self.distinct > 1:
            most = present - self.distinct + 1 if self.counts is None else max(self.counts)
            return "varies" if most < present - others else None
        if missing == 0 or (column.kind != "categorical" and present > others):
            return "constant"
        # Of a category, that a cell is missing says something.
        certain = column.kind == "categorical" and min(present, missing) > others
        return "varies" if certain else None

    def cells(self, rows: int) -> NDArray[Any]:
        """As many cells of each value as the column has, those that are missing last.

        Raises:
            CellsNeededError: its distinct values are not known, nor others that would do.
        """
        column = self.column
        if column.kind == "categorical" and self.counts is not None:
            cells = np.full(rows, MISSING_CODE, dtype=np.int32)
            codes = np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)
            cells[: len(codes)] = codes
            return cells
        if column.kind != "numeric" or self.distinct == 0:
            raise CellsNeededError
        numbers = np.full(rows, np.nan)
        if self.values is not None and self.counts is not None:
            known = np.repeat(np.array(self.values), self.counts)
        else:
            known = self._numbers(rows - column.missing)
        numbers[: len(known)] = known
        return numbers

    def _numbers(self, present: int) -> NDArray[np.float64]:
        """So many numbers with the same ends, as many different ones, and whole if they are."""
        if self.minimum is None or self.maximum is None:
            raise CellsNeededError
        if self.whole:
            distinct = self.minimum + np.arange(self.distinct, dtype=np.float64)
            distinct[-1] = self.maximum
        else:
            distinct = np.linspace(self.minimum, self.maximum, self.distinct, dtype=np.float64)
        numbers = Numbers.of(distinct)
        ascending = bool((np.diff(distinct) > 0).all())
        if not ascending or numbers.whole != self.whole or not np.isfinite(distinct).all():
            raise CellsNeededError
        return np.append(distinct, np.full(present - self.distinct, distinct[0]))


class TableStatistics(Stored):
    """What was counted of a table, and what it says of itself."""

    rows: int
    target: str | None
    parts: dict[str, int]
    ignored: Annotated[tuple[str, ...], Field(strict=False)]
    findings: Annotated[tuple[Advice, ...], Field(strict=False)]
    """What was found in its cells."""
    columns: Annotated[tuple[ColumnStatistics, ...], Field(strict=False)]

    @classmethod
    def of(cls, table: Table, target: str | None = None) -> "TableStatistics":
        """Count a table's cells, one pass a column; jobs will most likely predict `target`."""
        few = min(MOST_VALUES, max(FEWEST_VALUES, ALL_VALUES // max(len(table.columns), 1)))

        def count(cells: Cells) -> ColumnStatistics:
            return _counted(*cells, MOST_VALUES if cells[0].name == target else few)

        counted = list(each_column(count, table))
        distinct = {one.column.name: one.distinct + (one.column.missing > 0) for one in counted}
        numbers, labels = copy_groups(table, distinct)
        return cls(
            rows=table.rows,
            target=table.target,
            parts=dict(table.parts),
            ignored=table.ignored,
            findings=table.findings,
            columns=tuple(
                one.model_copy(
                    update={
                        "numbers_alike": numbers.get(one.column.name),
                        "labels_alike": labels.get(one.column.name),
                    }
                )
                for one in counted
            ),
        )

    def named_columns(self) -> dict[str, Column]:
        """The columns by name. Categories that are not kept are empty texts, as many as there are:
        their number is all that is asked.
        """
        return {
            one.column.name: one.column
            if len(one.column.categories) == one.categories_count
            else one.column.model_copy(update={"categories": ("",) * one.categories_count})
            for one in self.columns
        }

    def table(self, target: str | None) -> Table:
        """A table that stands for the one that was counted: of its cells, it has the target's
        alone, as many of each value, in another order.
        """
        return Table(
            columns=tuple(self.named_columns().values()),
            values=_StandIns(self, target),
            rows=self.rows,
            target=self.target,
            parts=self.parts,
            findings=self.findings,
            ignored=self.ignored,
            counts={one.column.name: one for one in self.columns},
        )

    def outline(self, spec: JobSpec, default_target: str | None) -> tuple[Table, Outline]:
        """What `Outline.of` says of the table for a job that says nothing of how it is read, and
        the table that it was told from.

        Raises:
            CellsNeededError: it depends on the cells, or the job is to be refused.
        """
        split = spec.split
        if split.columns or split.rows is not None or isinstance(split.folds, tuple):
            raise CellsNeededError
        table = self.table(spec.target or default_target)
        try:
            return table, Outline.of(table, spec, default_target)
        except DataError as error:
            raise CellsNeededError from error


class _StandIns(UnreadCells):
    """The cells of a target, in another order; there are no others."""

    def __init__(self, statistics: TableStatistics, target: str | None) -> None:
        self._statistics = {one.column.name: one for one in statistics.columns}
        self._rows, self._target = statistics.rows, target
        self._cells: NDArray[Any] | None = None

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name != self._target or name not in self._statistics:
            raise CellsNeededError
        if self._cells is None:
            self._cells = self._statistics[name].cells(self._rows)
        return self._cells

    def __iter__(self) -> Iterator[str]:
        return iter(self._statistics)

    def __len__(self) -> int:
        return len(self._statistics)


def _counted(column: Column, values: NDArray[Any], few: int) -> ColumnStatistics:
    if column.kind == "image":
        return ColumnStatistics(column=column)
    if column.kind == "categorical":
        counts = np.bincount(values[values >= 0], minlength=len(column.categories))
        about = ColumnStatistics(
            column=column,
            categories_count=len(column.categories),
            distinct=int(np.count_nonzero(counts)),
        )
        if len(counts) <= few and sum(map(len, column.categories)) <= MOST_LETTERS:
            return about.model_copy(update={"counts": tuple(counts.tolist())})
        return about.model_copy(update={"column": column.model_copy(update={"categories": ()})})
    known = values[~np.isnan(values)] if column.missing else values
    if column.kind == "date":
        column = column.model_copy(update={"time_of_day": has_times(values)})
    distinct, counts = np.unique(known, return_counts=True)
    about = ColumnStatistics(column=column, distinct=len(distinct))
    if not len(distinct):
        return about
    kept = len(distinct) <= few
    return about.model_copy(
        update={
            "values": tuple(distinct.tolist()) if kept else None,
            "counts": tuple(counts.tolist()) if kept else None,
            "minimum": float(distinct[0]),
            "maximum": float(distinct[-1]),
            "whole": bool((distinct == np.floor(distinct)).all()),
        }
    )
