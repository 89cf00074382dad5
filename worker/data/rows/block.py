"""What readers of rows give and writers take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

from worker.data.records import Records

ROWS = 4096
"""Rows of a block, about: enough to be fast, few enough that other requests get their turn."""
LEAST_BYTES, MOST_BYTES = 2**16, 2**22
"""Of a block's text."""
LONGEST_ROW = 2**24
"""Bytes of one row of text."""

Form = Literal["csv", "ndjson", "parquet"]
"""How a file of rows is written."""


class Rows(Protocol):
    """The rows of a block as they came."""

    def lines(self, form: Form) -> Sequence[bytes] | None:
        """Each row as a line of the file, without its end; none where rows are no lines, or the
        file has another form.
        """

    def objects(self) -> Sequence[Any]:
        """Each row as JSON has it: an object by column name, or an array."""

    def table(self) -> pa.Table:
        """All columns of the file, with the cells as they came."""


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Some rows of a file."""

    first: int
    """The number of its first row in the file, counted from 0."""
    records: Records
    """What the model is to answer."""
    rows: Rows
    target: pa.Array | None = None
    """The cells of the target's column, where it was asked for."""

    def __len__(self) -> int:
        return self.records.table.rows


class RowReader(Protocol):
    """Reads one file, in any pieces."""

    @property
    def names(self) -> Sequence[str]:
        """The file's columns, known with the first block."""

    def feed(self, data: bytes) -> None:
        """Take what follows."""

    def next(self, *, last: bool) -> RowBlock | None:
        """The next block; none if more must come first, or if `last` and nothing is left.

        Raises:
            DataError: the file cannot be read, lacks a column, or has a cell that is not what its
                column holds.
        """

    def close(self) -> None:
        """Let go of what is held."""
