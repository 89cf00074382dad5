"""Declared: kinds of columns that were said, applied to a table that is typed already.

For data without a text to be read again: built-in data, arrays, images, and data sets of earlier
releases whose original is gone. Numbers become categories named by their shortest decimal form;
categories become numbers or dates if all of them are.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from worker.data.cells import TextColumns
from worker.data.drafts import Draft, bounded_findings
from worker.data.reading import LIMITS, check_declared
from worker.data.table import MISSING_CODE, Cells, Column, Table, categorical, label_of, numeric
from worker.errors import DataError
from worker.spec import ColumnKind, Reading

_DOUBTS = {
    "dates",
    "identifier",
    "integer_codes",
    "large_integers",
    "leading_zeros",
    "nearly_numeric",
    "number_format",
    "numbers_with_units",
}
"""Findings about what a column is, which its declaration answers."""


def declare(table: Table, columns: Mapping[str, ColumnKind]) -> Table:
    """The table with these columns as these kinds; those to ignore are left out, and remembered.

    Raises:
        DataError: `param` is `columns`: there is no such column, it cannot be of that kind, it is
            the target or an image and to be ignored, or none would be left.
    """
    if not columns:
        return table
    check_declared((*table.names, *table.ignored), columns)
    cells: list[Cells] = []
    drafts: list[Draft] = []
    ignored = list(table.ignored)
    for name in table.ignored:
        if columns.get(name, "ignore") != "ignore":
            table.column(name, param="columns")  # Refuses, and says why.
    for column in table.columns:
        kind = columns.get(column.name)
        if kind == "ignore":
            _check_ignored(table, column)
            ignored.append(column.name)
        elif kind is None or kind == column.kind:
            cells.append((column, table.values[column.name]))
        else:
            typed, found = _declared(column, table.values[column.name], kind)
            cells.append(typed)
            drafts += found
    if not cells:
        raise DataError(
            "`columns` ignores all columns; leave one at least.", code="no_columns", param="columns"
        )
    answered = [
        finding
        for finding in table.findings
        for kind in [columns.get(finding.column or "")]
        if kind is None or (kind != "ignore" and finding.code not in _DOUBTS)
    ]
    return replace(
        table,
        columns=tuple(column for column, _ in cells),
        values={column.name: values for column, values in cells},
        ignored=tuple(ignored),
        findings=(*answered, *bounded_findings(drafts)),
    ).declared(columns)


def _check_ignored(table: Table, column: Column) -> None:
    if column.kind == "image" or column.name == table.target:
        what = "the target" if column.name == table.target else f"of the kind {column.kind}"
        raise DataError(
            f"Column {column.name!r} is {what} and cannot be ignored; take it out of `columns`.",
            code="kind_mismatch",
            param="columns",
            column=column.name,
        )


def _declared(
    column: Column, values: NDArray[np.float64] | NDArray[np.int32], kind: ColumnKind
) -> tuple[Cells, list[Draft]]:
    if column.kind == "image":
        raise DataError(
            f"Column {column.name!r} holds images or series, and cannot be {kind}; take it out of "
            "`columns`.",
            code="kind_mismatch",
            param="columns",
            column=column.name,
        )
    if column.kind == "date" and kind == "numeric":
        return numeric(column.name, values), []
    if column.kind != "categorical":
        codes, labels = _labelled(column, values)
        if kind == "categorical":
            return categorical(column.name, labels, codes), []
    else:
        codes, labels = values.astype(np.int32), list(column.categories)
    texts = TextColumns(Reading(columns={column.name: kind}), LIMITS, _row)
    texts.look(column.name, codes, pa.array(labels, pa.string()))
    (cells,) = texts.cells()
    return cells, texts.drafts()


def _row(row: int) -> tuple[str, None]:
    return f" (row {row:,}, counted from 0)", None


def _labelled(
    column: Column, values: NDArray[np.float64] | NDArray[np.int32]
) -> tuple[NDArray[np.int32], list[str]]:
    """Codes and labels of numbers, or of dates."""
    distinct, inverse = np.unique(values, return_inverse=True)
    known = distinct[~np.isnan(distinct)]
    codes = np.where(np.isnan(values), MISSING_CODE, inverse.reshape(-1)).astype(np.int32)
    if column.kind == "numeric":
        return codes, [label_of(number) for number in known.tolist()]
    seconds = np.round(known * 86_400).astype(np.int64).astype("datetime64[s]")
    texts = np.datetime_as_string(seconds).tolist()
    return codes, [text.removesuffix("T00:00:00") for text in texts]
