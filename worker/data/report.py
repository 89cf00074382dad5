"""What a table holds, to be looked at: figures of each column, its first rows, its categories.

Decisions:

* All of it is counted from the table as it was read, so that it shows how cells were understood:
  `001` is the text 001 or the number 1, a date is ISO 8601, a missing cell is null.
* What is kept of a column is bounded, whatever it holds: three cells, the five commonest values,
  the first twenty categories; long texts are cut.
* One pass a column, and no sorting of rows beyond that of the distinct numbers.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from worker.data.parts import first_values
from worker.data.scaling import ranged
from worker.data.side_by_side import each_column
from worker.data.table import LARGEST, Cells, Column, ColumnCounts, Table
from worker.schema import Json, Record, Stored
from worker.text import shortened

SAMPLE = 3
"""Cells that a report shows of a column."""
COMMONEST = 5
"""Values that a report counts."""
FEW = 20
"""Categories that a report lists."""
LONGEST = 100
"""Letters of a text in a report."""
BINS = 16
"""Parts of equal width into which a report divides the range of a column's numbers."""
COLUMNS_LISTED, CATEGORIES_LISTED, LETTERS_LISTED = 5, 3, 30
"""What a list of data sets shows of each."""
LONGEST_CELL = 200
"""Letters of a cell in a preview."""
DAY = 86_400
EXACT = 2.0**53
"""Up to here each whole number is a float64 of its own."""

Cell = str | int | float | None
"""A cell as it was read: a text, a number, a date in ISO 8601; null where it is missing."""
Kind = Literal["numeric", "categorical", "date", "image"]


class ValueCount(Stored):
    """A category, and how often it stands in its column."""

    id: Annotated[int, Field(examples=[1])]
    """Its number, from 1, in the order of the categories: the cursor `after`."""
    value: Annotated[str, Field(examples=["skilled"])]
    """The category."""
    count: Annotated[int, Field(examples=[630])]
    """Rows that hold it."""


class ColumnReport(Stored):
    """One column, as its cells were read."""

    name: Annotated[str, Field(examples=["age"])]
    """Its name in the header."""
    kind: Annotated[Kind, Field(examples=["numeric"])]
    """`numeric`: finite numbers. `date`: days, some with a time. `image`: images or series.
    `categorical`: texts, each a category, as written."""
    sample: Annotated[list[Cell], Field(default_factory=list, examples=[[67, 22, 49]])]
    """The first three cells that are not missing, long ones cut; none of images."""
    missing: Annotated[int, Field(examples=[0])]
    """How many cells are missing."""
    distinct: Annotated[int | None, Field(examples=[53])] = None
    """How many different values there are; null for images, and for data sets of releases that did
    not count them."""
    minimum: Annotated[Cell, Field(examples=[19])] = None
    """The smallest number, or the first date."""
    mean: Annotated[Cell, Field(examples=[35.5])] = None
    """The mean of the numbers, or of the dates."""
    maximum: Annotated[Cell, Field(examples=[75])] = None
    """The largest number, or the last date."""
    histogram: Annotated[
        list[int],
        Field(
            default_factory=list,
            examples=[[4, 21, 60, 96, 118, 92, 61, 33, 22, 10, 6, 4, 2, 1, 0, 1]],
        ),
    ]
    """How many numbers or dates lie in each of 16 parts of equal width, from the smallest to the
    largest. Empty for other kinds, where there is one value or none, and for data sets of releases
    that did not count them."""
    commonest: Annotated[
        list[ValueCount],
        Field(default_factory=list, examples=[[{"id": 1, "value": "skilled", "count": 630}]]),
    ]
    """The five categories with the most rows, those with most first, long ones cut."""
    categories: Annotated[
        list[str], Field(default_factory=list, examples=[["skilled", "unskilled"]])
    ]
    """The first values of a categorical column, sorted, at most 20, long ones cut; with
    `include=categories` all of them. Empty for another kind."""
    categories_count: Annotated[int, Field(examples=[2])] = 0
    """How many categories there are; `/values` has all of them, in pages, with their counts."""
    shape: Annotated[list[int], Field(default_factory=list, examples=[[]])]
    """Shape of a cell of an image column: channels, height, width, or channels, length."""


class ListedColumn(Stored):
    """One column, as a list of data sets shows it."""

    name: Annotated[str, Field(examples=["age"])]
    """Its name, cut after 30 letters."""
    kind: Annotated[Kind, Field(examples=["numeric"])]
    """As what its cells were read."""
    missing: Annotated[int, Field(examples=[0])]
    """How many cells are missing."""
    categories: Annotated[list[str], Field(examples=[["skilled", "unskilled"]])]
    """The first values of a categorical column, at most 3, cut after 30 letters."""
    categories_count: Annotated[int, Field(examples=[2])]
    """How many there are."""


class Listed(Stored):
    """What a list of data sets shows of one's columns: little more than 2 kB, whatever it holds."""

    columns: list[ListedColumn]
    """The first of them."""
    columns_count: int
    """How many there are."""
    findings_count: int
    """How many findings about them there are."""


class PreviewColumn(Record):
    """A column of a preview."""

    name: Annotated[str, Field(examples=["age"])]
    """Its name."""
    kind: Annotated[Kind, Field(examples=["numeric"])]
    """As what its cells were read."""
    shape: Annotated[list[int], Field(examples=[[]])]
    """Of a column of images or series: the shape of each of its cells, which are not shown."""


class Preview(Record):
    """The first rows of a data set, as they were read."""

    object: Annotated[Literal["preview"], Field(examples=["preview"])] = "preview"
    """Always `preview`."""
    columns: list[PreviewColumn]
    """The columns, in the file's order; those that are ignored are not among them."""
    rows: Annotated[list[list[Cell]], Field(examples=[[[67, "skilled"], [None, "unskilled"]]])]
    """Rows, each with a cell for each column: a number, a text (long ones cut), a date as ISO 8601,
    null where it is missing or an image."""
    rows_count: Annotated[int, Field(examples=[1000])]
    """How many rows the data set has."""


def stored_report(columns: Sequence[Json]) -> tuple[ColumnReport, ...]:
    """The reports that were stored; earlier releases stored all categories, and did not count."""
    return tuple(
        ColumnReport.model_validate(
            {
                "categories_count": len(column["categories"]),
                **column,
                "categories": [shortened(text, LONGEST) for text in column["categories"][:FEW]],
            }
        )
        for column in columns
    )


def report(table: Table) -> tuple[ColumnReport, ...]:
    """The figures of each column."""

    def column_report(cells: Cells) -> ColumnReport:
        return _column(*cells, table.counts.get(cells[0].name))

    return tuple(each_column(column_report, table))


def listed(columns: Sequence[ColumnReport], findings: int = 0) -> Listed:
    """The first columns, in short."""
    first = [
        ListedColumn(
            name=shortened(column.name, LETTERS_LISTED),
            kind=column.kind,
            missing=column.missing,
            categories=[
                shortened(text, LETTERS_LISTED) for text in column.categories[:CATEGORIES_LISTED]
            ],
            categories_count=column.categories_count,
        )
        for column in columns[:COLUMNS_LISTED]
    ]
    return Listed(columns=first, columns_count=len(columns), findings_count=findings)


def preview(table: Table, rows: int) -> Preview:
    """The first ``rows`` rows."""
    count = min(rows, table.rows)
    cells = [
        _cells(column, first_values(table, column.name, count), LONGEST_CELL)
        for column in table.columns
    ]
    return Preview(
        columns=[
            PreviewColumn(name=column.name, kind=column.kind, shape=list(column.shape))
            for column in table.columns
        ],
        rows=[list(row) for row in zip(*cells, strict=True)],
        rows_count=table.rows,
    )


def category_page(
    table: Table, name: str, *, after: int, limit: int
) -> tuple[list[ValueCount], bool]:
    """Categories of a column with their counts, those that follow number ``after``; and whether
    there are more. A column of another kind has none.

    Raises:
        DataError: there is no such column.
    """
    column = table.column(name, param="column")
    if column.kind != "categorical":
        return [], False
    counts = _counts(column, table.values[name])
    page = column.categories[after : after + limit]
    listed = [
        ValueCount(id=after + number, value=value, count=int(counts[after + number - 1]))
        for number, value in enumerate(page, start=1)
    ]
    return listed, after + limit < len(column.categories)


def written_ranges(
    columns: Sequence[Column], low: NDArray[np.float64], high: NDArray[np.float64]
) -> dict[str, tuple[Cell, Cell]]:
    """Numbers and dates as cells, by column, of the ranges that an encoder keeps of the training
    rows, [R] each; those of images, and of columns without a number, are left out.
    """
    return {
        column.name: (_shown(column, ends[:1])[0], _shown(column, ends[1:])[0])
        for column, ends in zip(ranged(columns), np.stack([low, high], axis=1), strict=True)
        if column.kind != "image" and abs(ends).max() < LARGEST
    }


def iso_dates(days: NDArray[np.float64]) -> list[str | None]:
    """Days since 1970-01-01 as ISO 8601, to the second; without the time where all are midnight."""
    known = np.isfinite(days)
    seconds = np.round(np.where(known, days, 0.0) * DAY).astype(np.int64)
    unit: Literal["D", "s"] = "D" if not (seconds % DAY).any() else "s"
    texts = np.datetime_as_string(seconds.astype("datetime64[s]"), unit=unit)
    return [str(text) if there else None for text, there in zip(texts, known, strict=True)]


def _column(column: Column, values: NDArray[Any], counted: ColumnCounts | None) -> ColumnReport:
    about = {
        "name": column.name,
        "kind": column.kind,
        "missing": column.missing,
        "shape": list(column.shape),
    }
    if column.kind == "image":
        return ColumnReport.model_validate(about)
    present = _first_present(column, values)
    about["sample"] = _cells(column, present, LONGEST)
    if column.kind == "categorical":
        counts = _counts(column, values)
        about["distinct"] = about["categories_count"] = len(column.categories)
        about["categories"] = [shortened(text, LONGEST) for text in column.categories[:FEW]]
        about["commonest"] = [
            ValueCount(
                id=code + 1,
                value=shortened(column.categories[code], LONGEST),
                count=int(counts[code]),
            )
            for code in _largest(counts, COMMONEST)
        ]
        return ColumnReport.model_validate(about)
    known = values[~np.isnan(values)]
    about["distinct"] = int(np.unique(known).size) if counted is None else counted.distinct
    if known.size:
        # Apart, since the mean of dates without a time has one.
        (about["mean"],) = _shown(column, np.array([known.mean()]))
        about["minimum"], about["maximum"] = _shown(column, np.array([known.min(), known.max()]))
        about["histogram"] = _histogram(known)
    return ColumnReport.model_validate(about)


def _histogram(numbers: NDArray[np.float64]) -> list[int]:
    """How many of them lie in each part of their range; nothing where it is a point."""
    low, width = numbers.min(), np.ptp(numbers)
    if not width > 0:
        return []
    # Divided first: the width may be so small that its parts would all be 0.
    parts = np.minimum((numbers - low) / width * BINS, BINS - 1).astype(np.int64)
    return [int(count) for count in np.bincount(parts, minlength=BINS)]


def _first_present(column: Column, values: NDArray[Any]) -> NDArray[Any]:
    """The first cells that are not missing."""
    there = values >= 0 if column.kind == "categorical" else ~np.isnan(values)
    return np.asarray(values[np.flatnonzero(there)[:SAMPLE]])


def _counts(column: Column, codes: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.bincount(codes[codes >= 0], minlength=len(column.categories))


def _largest(counts: NDArray[np.int64], most: int) -> list[int]:
    """The places of the largest counts, of equal ones the first."""
    if len(counts) > most:
        least = np.partition(counts, -most)[-most]
        above = np.flatnonzero(counts > least)
        chosen = np.concatenate([above, np.flatnonzero(counts == least)[: most - len(above)]])
    else:
        chosen = np.arange(len(counts))
    return sorted(chosen.tolist(), key=lambda place: (-counts[place], place))


def _cells(column: Column, values: NDArray[Any], longest: int) -> Sequence[Cell]:
    if column.kind == "image":
        return [None] * len(values)
    if column.kind == "categorical":
        return [
            None if code < 0 else shortened(column.categories[code], longest)
            for code in values.tolist()
        ]
    return _shown(column, values)


def _shown(column: Column, values: NDArray[np.float64]) -> Sequence[Cell]:
    if column.kind == "date":
        return iso_dates(values)
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> Cell:
    """A number as people write it: 41, not 41.0."""
    if value != value:
        return None
    return int(value) if value.is_integer() and abs(value) <= EXACT else value
