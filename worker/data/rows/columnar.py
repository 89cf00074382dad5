"""Parquet, read a block of rows at a time.

Its footer, at the end, says where all else is: the file is kept until it is whole, in a temporary
file. Its pages are then read one after the other. Sizes are bounded as those of an upload are.

Where the file is anybody's, it is not read here: `rewrite_rows`, in a process that may fail, makes
an Arrow file of it, whose blocks are read instead.
"""

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from worker.data.arrow_records import ArrowRecords
from worker.data.reading import LIMITS, file_error, too_many_rows
from worker.data.rows.block import ROWS, Form, RowBlock
from worker.data.table import Column

_IN_MEMORY = 2**20
_BUFFER = 2**16
MOST_BLOCK = 2**24
_UNREADABLE = (pa.ArrowException, OSError, ValueError)


Rewriting = Callable[[BinaryIO], AbstractContextManager[Path]]
"""Makes of a file of Parquet what `rewrite_rows` does; it is there for the length of a block."""


def rewrite_rows(source: BinaryIO, target: Path) -> None:
    """Write the rows of a Parquet file as an Arrow file, in blocks of rows that are no more than
    `MOST_BLOCK` bytes each, but for a single row.

    Raises:
        DataError: it cannot be read, or is too large.
    """
    try:
        with _opened(source) as file:
            # A stream, in which a dictionary may be another one from block to block.
            schema = file.schema_arrow
            with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
                for batch in file.iter_batches(batch_size=ROWS):
                    batch.validate(full=True)
                    step = max(1, len(batch) * MOST_BLOCK // max(1, batch.nbytes))
                    for first in range(0, len(batch), step):
                        writer.write_batch(batch.slice(first, step))
    except _UNREADABLE as error:
        raise _unreadable() from error


@contextmanager
def _opened(source: BinaryIO) -> Iterator[pq.ParquetFile]:
    """A file whose rows are no more than are read."""
    with pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER) as file:
        rows, columns = file.metadata.num_rows, len(file.schema_arrow.names)
        if rows == 0:
            raise file_error("The file has no rows.", "no_rows")
        if rows > LIMITS.rows:
            raise too_many_rows(rows, LIMITS)
        if rows * columns > LIMITS.cells or columns > LIMITS.columns:
            raise file_error(
                f"The file has {rows:,} rows of {columns:,} columns; at most "
                f"{LIMITS.cells:,} cells and {LIMITS.columns:,} columns are read.",
                "too_large",
            )
        yield file


class ParquetRows:
    """Reads one file."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        most_bytes: int,
        folder: Path | None = None,
        missing: Sequence[str] | None = None,
        target: str | None = None,
        rewritten: Rewriting | None = None,
    ) -> None:
        """Begin.

        Args:
            columns: those of the model.
            most_bytes: the largest file that is kept.
            folder: where it is kept, if it is not small; it has no name there.
            missing: the texts that stand for a missing cell, if not the usual ones.
            target: a column whose cells are wanted too.
            rewritten: has `rewrite_rows` make another file of this one, elsewhere.
        """
        if any(column.kind == "image" for column in columns):
            raise file_error(
                "The model takes images, which are not read from Parquet. Send them as JSON, or as "
                "a line of JSON each (application/x-ndjson).",
                "not_a_table",
            )
        self._columns = tuple(columns)
        self._records = ArrowRecords(columns, missing)
        self._target = target
        self._rewritten = rewritten
        self._most = most_bytes
        self._size = 0
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115  (closed by close)
            _IN_MEMORY, dir=None if folder is None else str(folder)
        )
        self._blocks: Generator[RowBlock] | None = None
        self._names: list[str] = []

    @property
    def names(self) -> Sequence[str]:
        """The file's columns."""
        return self._names

    def feed(self, data: bytes) -> None:
        """Keep what follows."""
        self._size += len(data)
        if self._size > self._most:
            raise file_error(
                f"The file has more than {self._most:,} bytes, which is the most of a Parquet "
                "file: it is kept whole. Send it in parts, or as CSV, which has no bound; or raise "
                "the setting PARSIMONY_MAX_UPLOAD_BYTES.",
                "too_large",
            )
        self._file.write(data)

    def close(self) -> None:
        """Let the temporary file go."""
        if self._blocks is not None:
            self._blocks.close()
        self._file.close()

    def next(self, *, last: bool) -> RowBlock | None:
        """The next block, once the file is whole."""
        if not last:
            return None
        if self._blocks is None:
            self._blocks = self._read()
        try:
            return next(self._blocks, None)
        except _UNREADABLE as error:
            raise _unreadable() from error

    def _read(self) -> Generator[RowBlock]:
        self._file.seek(0)
        if self._rewritten is None:
            with _opened(cast(BinaryIO, self._file)) as file:
                yield from self._of(file.schema_arrow.names, file.iter_batches(batch_size=ROWS))
            return
        with (
            self._rewritten(cast(BinaryIO, self._file)) as path,
            pa.memory_map(str(path)) as mapped,
            pa.ipc.open_stream(mapped) as arrow,
        ):
            yield from self._of(arrow.schema.names, arrow)

    def _of(self, names: Sequence[str], batches: Iterable[pa.RecordBatch]) -> Iterator[RowBlock]:
        self._names = list(names)
        wanted = self._wanted(names)
        first = 0
        for batch in batches:
            block = self._block(first, batch, wanted)
            first += len(block)
            yield block

    def _wanted(self, names: Sequence[str]) -> list[str]:
        wanted = [column.name for column in self._columns]
        for name in wanted:
            if names.count(name) != 1:
                fact = "lacks" if name not in names else "has several times"
                raise file_error(
                    f"The file {fact} the column {name!r}, which the model needs once. Its cells "
                    "may be null where the value is not known.",
                    "missing_column" if name not in names else "duplicate_column",
                    column=name,
                )
        if self._target is not None and names.count(self._target) == 1:
            wanted.append(self._target)
        return wanted

    def _block(self, first: int, batch: pa.RecordBatch, wanted: Sequence[str]) -> RowBlock:
        def place(row: int) -> tuple[str, None]:
            return f" (row {first + row:,}, counted from 0)", None

        cells = {name: batch.column(name) for name in wanted}
        target = None if self._target is None else cells.get(self._target)
        records = self._records.read(cells, batch.num_rows, place)
        return RowBlock(first, records, TableBlock(pa.Table.from_batches([batch])), target)


class TableBlock:
    """Rows of a table as they came."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def lines(self, form: Form) -> None:
        """None: they are no lines."""

    def objects(self) -> Sequence[Mapping[str, object]]:
        """Objects by column name."""
        rows: list[dict[str, object]] = self._table.to_pylist()
        return rows

    def table(self) -> pa.Table:
        """All columns."""
        return self._table


def _unreadable() -> Exception:
    return file_error(
        "The file cannot be read as Parquet: it is damaged, or written in a way that is not read. "
        "Write it anew.",
        "not_parquet",
    )
