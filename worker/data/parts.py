"""Tables part by part: rows in order, so many at a time, from a file or from memory.

A stored table is read as it is asked for, in memory that is bounded by a part and a row group of
the file. The parts are the same wherever reading begins.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from worker.data.table import (
    Column,
    ColumnCounts,
    Table,
    UnreadCells,
    from_arrow,
    stored_columns,
)
from worker.errors import DataError
from worker.lru import Lru

BUFFER = 2**18
"""Bytes of a column that are read from the file at once."""
KEPT_BYTES = 2**26
"""What the columns that were asked for last may take in memory; the last of them stays."""


class TableParts(Protocol):
    """A table whose rows can be had part by part."""

    columns: tuple[Column, ...]
    rows: int

    def parts(self, names: Sequence[str], size: int, first: int = 0) -> Iterator[Table]:
        """The rows in parts of ``size``, the last of them smaller, from part number ``first`` on;
        of these columns, in the order of the table.
        """


class TableInMemory:
    """A table that is in memory as a whole."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.columns, self.rows = table.columns, table.rows

    def parts(self, names: Sequence[str], size: int, first: int = 0) -> Iterator[Table]:
        """As `TableParts.parts`."""
        wanted = set(names)
        columns = tuple(column for column in self.columns if column.name in wanted)
        for start in range(first * size, self.rows, size):
            rows = slice(start, min(start + size, self.rows))
            values = {column.name: self._table.values[column.name][rows] for column in columns}
            yield Table(columns=columns, values=values, rows=rows.stop - rows.start)


class StoredTable:
    """A file that `Table.to_parquet` made."""

    def __init__(self, file: pq.ParquetFile, columns: tuple[Column, ...]) -> None:
        self._file = file
        self.columns = columns
        self.rows: int = file.metadata.num_rows

    @classmethod
    def open(cls, source: BinaryIO) -> Self:
        """Read what the file says of its columns; the caller closes it.

        Raises:
            DataError: it is not such a file.
        """
        try:
            file = pq.ParquetFile(source, pre_buffer=False, buffer_size=BUFFER)
        except pa.ArrowInvalid as error:
            raise DataError("This is not a Parquet file.", code="not_parquet") from error
        return cls(file, stored_columns(file.schema_arrow))

    def table(self, counts: Mapping[str, ColumnCounts] | None = None) -> Table:
        """All of it, each column read when it is asked for."""
        return Table.stored(self._file.schema_arrow, StoredColumns(self), self.rows, counts)

    def values(self, name: str) -> NDArray[Any]:
        """All values of a column."""
        column = next(column for column in self.columns if column.name == name)
        # A name with a dot may be taken for that of others, too, which it begins.
        frame = self._file.read(columns=[name], use_threads=False)
        return from_arrow(column, frame.column(name))

    def parts(self, names: Sequence[str], size: int, first: int = 0) -> Iterator[Table]:
        """As `TableParts.parts`."""
        wanted = set(names)
        columns = tuple(column for column in self.columns if column.name in wanted)
        waiting: list[pa.RecordBatch] = []
        count = 0
        for batch in self._batches(columns, size, first * size):
            waiting.append(batch)
            count += batch.num_rows
            while count >= size:
                frame = pa.Table.from_batches(waiting)
                yield _table(columns, frame.slice(0, size))
                waiting = frame.slice(size).to_batches()
                count -= size
        if count:
            yield _table(columns, pa.Table.from_batches(waiting))

    def _batches(
        self, columns: Sequence[Column], size: int, skipped: int
    ) -> Iterator[pa.RecordBatch]:
        """What follows the first rows; row groups before them are not read."""
        sizes = [
            self._file.metadata.row_group(group).num_rows
            for group in range(self._file.metadata.num_row_groups)
        ]
        ends = np.cumsum(sizes)
        group = int(np.searchsorted(ends, skipped, side="right"))
        if group == len(sizes):
            return
        left = skipped - int(ends[group] - sizes[group])
        for batch in self._file.iter_batches(
            batch_size=size,
            row_groups=range(group, len(sizes)),
            columns=[column.name for column in columns],
            use_threads=False,
        ):
            dropped = min(left, batch.num_rows)
            left -= dropped
            if dropped < batch.num_rows:
                yield batch.slice(dropped)


class StoredColumns(UnreadCells):
    """The values of a stored table by column. What was asked for last is kept."""

    def __init__(self, stored: StoredTable) -> None:
        self.stored = stored
        self._names = tuple(column.name for column in stored.columns)
        self._kept: Lru[str, NDArray[Any]] = Lru(KEPT_BYTES, weight=lambda values: values.nbytes)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """All values of a column."""
        if name not in self._names:
            raise KeyError(name)
        return self._kept.get(name, lambda: self.stored.values(name))

    def __iter__(self) -> Iterator[str]:
        """The columns' names, in order."""
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _table(columns: tuple[Column, ...], frame: pa.Table) -> Table:
    values = {column.name: from_arrow(column, frame.column(column.name)) for column in columns}
    return Table(columns=columns, values=values, rows=frame.num_rows)


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
