"""Columns of a stored table, read from its file when they are asked for.

A table of many rows need not be in memory to be divided, fitted on and encoded: each of these looks
at a column, or at some rows, at a time.
"""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from worker.data.parts import StoredColumns, StoredTable, TableInMemory, TableParts
from worker.data.table import Table


def read_when_asked(source: BinaryIO) -> Table:
    """The table of a file that `Table.write_parquet` made, of which nothing but what it says of
    itself is read yet; the file stays open.

    Raises:
        DataError: it is not such a file.
    """
    return StoredTable.open(source).table()


def first_values(table: Table, name: str, count: int) -> NDArray[Any]:
    """The values of a column in the first rows, without reading the others."""
    if isinstance(table.values, StoredColumns):
        part = next(table.values.stored.parts([name], count), None)
        return table.values[name] if part is None else part.values[name]
    return table.values[name][:count]


def row_blocks(
    table: Table, names: Sequence[str], rows: NDArray[np.int64], size: int
) -> Iterator[Table]:
    """Some rows of a table, their numbers ascending, from so many of its rows at a time."""
    source: TableParts = TableInMemory(table)
    if isinstance(table.values, StoredColumns):
        source = table.values.stored
    first = 0
    for part in source.parts(names, size):
        begin, end = np.searchsorted(rows, (first, first + part.rows)).tolist()
        if end - begin == part.rows:
            yield part
        elif end > begin:
            yield part.select(rows[begin:end] - first)
        first += part.rows
