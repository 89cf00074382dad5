"""Lines of JSON (NDJSON), read a block of rows at a time.

Each line that is not blank is one instance, as a JSON request has them: an object by column name,
or an array in the order of the columns. Columns that the model does not know are not read.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pyarrow as pa

from worker.data.reading import file_error
from worker.data.records import Records
from worker.data.rows.block import LEAST_BYTES, LONGEST_ROW, MOST_BYTES, ROWS, Form, RowBlock
from worker.errors import DataError
from worker.text import shortened

_INSTANCE = re.compile(r"\b[Ii]nstance (\d+)\b")


class JsonRows:
    """Reads one file."""

    def __init__(
        self, read: Callable[[Sequence[Any]], Records], *, target: str | None = None
    ) -> None:
        """Begin.

        Args:
            read: how the model reads instances.
            target: a column whose cells are wanted too.
        """
        self._read = read
        self._target = target
        self._text = bytearray()
        self._size = LEAST_BYTES
        self._searched = 0
        self._line = 1
        self._row = 0
        self._names: dict[str, None] = {}

    @property
    def names(self) -> Sequence[str]:
        """All that the objects of the first block have."""
        return list(self._names)

    def feed(self, data: bytes) -> None:
        """Take what follows."""
        self._text += data

    def close(self) -> None:
        """Nothing is held but memory."""

    def next(self, *, last: bool) -> RowBlock | None:
        """The next block."""
        while len(self._text) >= max(self._size, self._searched) or (last and self._text):
            piece = self._piece(last=last)
            if piece is None:
                return None
            numbered = [
                (number, line.strip())
                for number, line in enumerate(piece.split(b"\n"), start=self._line)
            ]
            self._line += piece.count(b"\n")
            numbered = [(number, line) for number, line in numbered if line]
            if numbered:
                return self._block(numbered)
        if last and not self._row:
            raise file_error("The file is empty. Give a line of JSON a row.", "no_rows")
        return None

    def _piece(self, *, last: bool) -> bytes | None:
        """Whole lines."""
        text = self._text
        end = (
            len(text)
            if last and len(text) <= 2 * self._size
            else text.rfind(b"\n", 0, self._size) + 1
        )
        if not end:
            end = text.find(b"\n", self._size) + 1
        if not end:
            if not last:
                if len(text) > LONGEST_ROW:
                    raise file_error(
                        f"Line {self._line:,} is longer than {LONGEST_ROW:,} bytes. Give one row a "
                        "line.",
                        "line_too_long",
                        line=self._line,
                    )
                self._searched = 2 * len(text)
                return None
            end = len(text)
        piece = bytes(text[:end])
        del text[:end]
        self._searched = 0
        if not self._row and piece.startswith(b"\xef\xbb\xbf"):
            piece = piece[3:]
        return piece

    def _block(self, numbered: Sequence[tuple[int, bytes]]) -> RowBlock:
        instances = [_decoded(number, line) for number, line in numbered]
        try:
            records = self._read(instances)
        except DataError as error:
            raise _of_line(error, numbered) from error
        if not self._row:
            for instance in instances:
                if isinstance(instance, dict):
                    self._names.update(dict.fromkeys(instance))
            width = sum(len(line) for _, line in numbered) // len(numbered)
            self._size = min(MOST_BYTES, max(LEAST_BYTES, ROWS * width))
        block = RowBlock(
            self._row,
            records,
            JsonBlock([line for _, line in numbered], instances, self._names),
            self._truth(instances),
        )
        self._row += len(instances)
        return block

    def _truth(self, instances: Sequence[Any]) -> pa.Array | None:
        if self._target is None:
            return None
        cells = [row.get(self._target) if isinstance(row, dict) else None for row in instances]
        if {type(cell) for cell in cells} <= {int, float, type(None)}:
            return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
        return pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())


class JsonBlock:
    """Rows of NDJSON as they came."""

    def __init__(
        self, lines: Sequence[bytes], objects: Sequence[Any], names: dict[str, None]
    ) -> None:
        self._lines, self._objects, self._names = lines, objects, names

    def lines(self, form: Form) -> Sequence[bytes] | None:
        """The lines."""
        return self._lines if form == "ndjson" else None

    def objects(self) -> Sequence[Any]:
        """What they say."""
        return self._objects

    def table(self) -> pa.Table:
        """The members of the objects, as texts: as they are, or as JSON writes them.

        Raises:
            DataError: a row is an array, or has a member that those of the first block have not.
        """
        for row in self._objects:
            if not isinstance(row, dict):
                raise file_error(
                    "The rows are arrays, which have no names for a table's columns. Ask for "
                    "application/x-ndjson, or give objects.",
                    "not_a_table",
                )
            if not row.keys() <= self._names.keys():
                name = next(name for name in row if name not in self._names)
                raise file_error(
                    f"A later row has a member {name!r}, which no row of the first block has, so "
                    "that the table has no column for it. Ask for application/x-ndjson.",
                    "not_a_table",
                )
        columns = {
            name: pa.array(
                [None if (cell := row.get(name)) is None else _text(cell) for row in self._objects],
                pa.string(),
            )
            for name in self._names
        }
        return pa.table(columns)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else orjson.dumps(cell).decode()


def _decoded(number: int, line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise file_error(
            f"Line {number:,} is not JSON: {shortened(str(error))}. Give one object, or one array, "
            "a line.",
            "invalid_json",
            line=number,
        ) from error


def _of_line(error: DataError, numbered: Sequence[tuple[int, bytes]]) -> DataError:
    """The error of an instance, with the line on which it stands."""
    named = _INSTANCE.search(error.message)
    if named is None or int(named[1]) >= len(numbered):
        return error
    line = numbered[int(named[1])][0]
    message = _INSTANCE.sub(f"line {line:,}", error.message, count=1)
    column = (error.param or "").split(".", 2)[2:]
    known = {"column": column[0]} if column else {}
    return DataError(
        message[:1].upper() + message[1:],
        code=error.code,
        param="file",
        **{**error.extra, **known, "line": line},
    )
