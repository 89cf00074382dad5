"""Delimited text (CSV), read a block of rows at a time.

Decisions:

* The dialect is that of an upload (`worker/data/dialect.py`), looked for in the first lines; but a
  separator that makes the header hold all of the model's columns is the right one (`header.py`).
* The first line is the header. Where the sender says that there is none, the cells stand in the
  order of the model's columns.
* Blocks end where a record does (`ends.py`).
* Of each block Arrow reads the columns that are needed, numbers at once as such. A column that
  turns out to be written otherwise is read as texts from then on (`arrow_records.py`).
* A row is put out as the line that it was, wherever it is one.
"""

import csv
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from worker.data.arrow_records import ArrowRecords
from worker.data.dialect import collapsed
from worker.data.lookalikes import check_is_table
from worker.data.notation import Notation
from worker.data.reading import file_error
from worker.data.rows.block import LEAST_BYTES, LONGEST_ROW, MOST_BYTES, ROWS, Form, RowBlock
from worker.data.rows.decoding import Decoding, check_text
from worker.data.rows.ends import end_of_records, line_ends, records
from worker.data.rows.header import DelimitedLayout, Head, read_head
from worker.data.table import LARGEST, MISSING, Column
from worker.errors import DataError
from worker.spec import Reading

_SNIFFED = 2**18
"""Bytes that the dialect is looked for in."""
_NULLS = sorted({spelling for text in MISSING for spelling in (text, text.upper())} | {"NaN"})
"""Texts that Arrow takes for missing among numbers; other spellings are looked at as texts."""


class DelimitedRows:
    """Reads one file."""

    def __init__(
        self,
        columns: Sequence[Column],
        reading: Reading,
        *,
        target: str | None = None,
        positional: bool = False,
    ) -> None:
        """Begin.

        Args:
            columns: those of the model.
            reading: what the sender says of the file.
            target: a column whose cells are wanted too.
            positional: whether a first line that names none of the columns is a row, if it has as
                many cells as the model has columns.
        """
        if any(column.kind == "image" for column in columns):
            raise file_error(
                "The model takes images, which no CSV holds. Send them as JSON, or as a line of "
                "JSON each (application/x-ndjson).",
                "not_a_table",
            )
        self._columns = [_in_notation(column, reading) for column in columns]
        self._reading, self._target, self._positional = reading, target, positional
        self._records = ArrowRecords(self._columns, reading.missing)
        self._as_numbers = {
            column.name
            for column in self._columns
            if column.kind == "numeric" and column.notation is None and reading.missing is None
        }
        self._decoding = Decoding(reading.encoding)
        self._raw = bytearray()
        self._text = bytearray()
        self._size = _SNIFFED
        self._enough = 0
        """Bytes of text below which the end of a record would be looked for in vain."""
        self._line = 1
        self._row = 0
        self._head: Head | None = None

    @property
    def names(self) -> Sequence[str]:
        """The file's columns, known with the first block."""
        return self._head.names if self._head else ()

    @property
    def layout(self) -> DelimitedLayout | None:
        """How the file is written, known with the first block."""
        return self._head.layout if self._head else None

    def feed(self, data: bytes) -> None:
        """Take what follows."""
        self._raw += data

    def close(self) -> None:
        """Nothing is held but memory."""

    def next(self, *, last: bool) -> RowBlock | None:
        """The next block."""
        self._text += self._decoding.text(bytes(self._raw), last=last)
        self._raw.clear()
        if not last and len(self._text) < max(self._size, self._enough):
            return None
        if self._head is not None:
            return self._next(self._head, last=last)
        head = self._first_lines(last=last)
        if head is None:
            return None
        self._begin(head)
        block = self.next(last=last)
        if block is None and last:
            raise file_error(
                "The file has a header but no rows below it. Add rows; or set `header` to false, "
                "if its one line is data.",
                "no_rows",
            )
        return block

    def _first_lines(self, *, last: bool) -> bytes | None:
        """The first lines, whole; none if more must come first."""
        if not self._text or self._text.isspace():
            if last:
                raise file_error("The file is empty. Give a header line and rows.", "empty_file")
            return None
        head = bytes(self._text[:_SNIFFED])
        if last and len(head) == len(self._text):
            return head
        end = max(head.rfind(b"\n"), head.rfind(b"\r", 0, len(head) - 1)) + 1
        if end > 0:
            return head[:end]
        return bytes(self._text) if last or len(self._text) >= LONGEST_ROW else None

    def _begin(self, head: bytes) -> None:
        """Understand the first lines."""
        check_text(head, 1)
        check_is_table(head)
        self._head = found = read_head(
            head,
            [column.name for column in self._columns],
            self._reading,
            target=self._target,
            positional=self._positional,
            marked=self._decoding.marked,
        )
        self._line += line_ends(head[: found.end])
        del self._text[: found.end]
        width = max(1, len(head) // max(1, line_ends(head)))
        self._size = min(MOST_BYTES, max(LEAST_BYTES, ROWS * width))

    def _next(self, head: Head, *, last: bool) -> RowBlock | None:
        while True:
            piece = self._piece(head.layout.separator, last=last)
            if piece is None:
                return None
            line, self._line = self._line, self._line + line_ends(piece)
            text = collapsed(piece) if head.layout.separator == " " else piece
            text = head.quoting.rewritten(text, head.layout.separator)
            if text.strip(b"\r\n"):
                return self._block(head, text, line)

    def _piece(self, separator: str, *, last: bool) -> bytes | None:
        """Whole records from the beginning of the text."""
        text = self._text
        if not text:
            return None
        if last and len(text) <= 2 * self._size:
            end: int | None = len(text)
        else:
            end = end_of_records(bytes(text[: self._size]), separator)
            if end is None:
                end = self._longer(separator, last=last)
            if end is None:
                return None
        piece = bytes(text[:end])
        del text[:end]
        self._enough = 0
        check_text(piece, self._line)
        return piece

    def _longer(self, separator: str, *, last: bool) -> int | None:
        """The end of a record that is longer than a block; none if more must come first."""
        end = end_of_records(bytes(self._text), separator)
        if end is not None or last:
            return len(self._text) if end is None else end
        self._enough = 2 * len(self._text)  # Looked for again when there is twice as much.
        if len(self._text) > LONGEST_ROW:
            raise file_error(
                f"The row that begins on line {self._line:,} is longer than {LONGEST_ROW:,} bytes. "
                "Is a quotation mark left open?",
                "cell_too_long",
                line=self._line,
            )
        return None

    def _block(self, head: Head, text: bytes, line: int) -> RowBlock:
        cells, rows = self._parsed(head, text, line)
        separator = head.layout.separator

        def place(row: int) -> tuple[str, int]:
            with suppress(csv.Error):
                for number, (begins, _) in enumerate(records(text, separator, line)):
                    if number == row:
                        return f" (line {begins:,})", begins
            return f" (line {line + row:,})", line + row

        block = RowBlock(
            self._row,
            self._records.read(cells, rows, place),
            DelimitedBlock(text, head, rows),
            None if self._target is None else cells.get(self._target),
        )
        self._row += rows
        return block

    def _parsed(self, head: Head, text: bytes, line: int) -> tuple[dict[str, pa.Array], int]:
        """The cells of the needed columns, and how many rows there are."""
        wanted = list(head.places.values())
        numbers = [head.places[name] for name in self._as_numbers]
        try:
            frame = _frame(text, head, wanted, numbers)
        except pa.ArrowInvalid:
            try:
                frame = _frame(text, head, wanted, [])
            except pa.ArrowInvalid as error:
                raise _unreadable(text, head, line) from error
        cells = {
            name: frame.column(str(place)).combine_chunks() for name, place in head.places.items()
        }
        for name in list(self._as_numbers):
            is_text = pa.types.is_string(cells[name].type)
            if is_text or not _is_clean(cells[name]):
                self._as_numbers.discard(name)
                if not is_text:  # Read again as text, which says what is wrong.
                    return self._parsed(head, text, line)
        return cells, frame.num_rows


class DelimitedBlock:
    """Rows of a CSV as they came."""

    def __init__(self, text: bytes, head: Head, rows: int) -> None:
        self._text, self._head, self._count = text, head, rows

    def lines(self, form: Form) -> Sequence[bytes] | None:
        """The lines, if no cell has a line break inside."""
        layout = self._head.layout
        if form != "csv" or b'"' in self._text or layout.separator == " ":
            return None
        alone = layout.newline == b"\r" and b"\n" not in self._text
        lines = self._text.split(b"\r" if alone else b"\n")
        if not alone and b"\r" in self._text:
            if self._text.count(b"\r") != self._text.count(b"\r\n"):
                return None
            lines = [line.removesuffix(b"\r") for line in lines]
        lines = [line for line in lines if line]
        return lines if len(lines) == self._count else None

    def objects(self) -> Sequence[dict[str, str]]:
        """Objects of texts."""
        rows: list[dict[str, str]] = self.table().to_pylist()
        return rows

    def table(self) -> pa.Table:
        """All columns, as texts."""
        names = list(self._head.names)
        return _frame(self._text, self._head, range(len(names)), []).rename_columns(names)


def _frame(text: bytes, head: Head, wanted: Sequence[int], numbers: Sequence[int]) -> pa.Table:
    """The cells of some columns, by number: as texts, or as float64.

    Raises:
        ArrowInvalid: rows are ragged, or one of the numbers is none.
    """
    names = [str(place) for place in range(len(head.names))]
    kinds = {names[place]: pa.string() for place in wanted}
    return pacsv.read_csv(
        pa.BufferReader(text),
        read_options=pacsv.ReadOptions(
            column_names=names, block_size=max(len(text) + 1, 2**16), use_threads=False
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=head.layout.separator, newlines_in_values=b'"' in text
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=kinds | {names[place]: pa.float64() for place in numbers},
            include_columns=[names[place] for place in wanted],
            check_utf8=False,
            null_values=_NULLS,
            strings_can_be_null=False,
        ),
    )


def _unreadable(text: bytes, head: Head, line: int) -> DataError:
    """Why the lines cannot be read."""
    width = len(head.names)
    for strict in (True, False):
        with suppress(csv.Error):
            for begins, cells in records(text, head.layout.separator, line, strict=strict):
                if len(cells) != width:
                    return file_error(
                        f"Line {begins:,} has {len(cells)} cells, the first one has {width}. "
                        "Complete the line; put a cell that holds "
                        f"{head.layout.separator!r} in quotation marks. If another character "
                        "separates cells, say `separator`.",
                        "ragged_rows",
                        line=begins,
                    )
    return file_error(
        f"The lines from {line:,} on cannot be read as CSV: where cells and lines end is not "
        "clear. Save the file anew, with texts in quotation marks.",
        "invalid_csv",
        line=line,
    )


def _is_clean(array: pa.Array) -> bool:
    """Whether numbers are finite, and none that is not missing is NaN."""
    values = array.to_numpy(zero_copy_only=False)
    absent = int(np.isnan(values).sum())
    return absent == array.null_count and not bool((np.abs(values) > LARGEST).any())


def _in_notation(column: Column, reading: Reading) -> Column:
    """The column, in the notation that the sender says its numbers are written in."""
    if column.kind != "numeric" or (reading.decimal is None and reading.thousands is None):
        return column
    decimal = reading.decimal or ("," if reading.thousands == "." else ".")
    unit = column.notation.unit if column.notation else ""
    notation = Notation(decimal=decimal, thousands=reading.thousands, unit=unit)
    return column.model_copy(update={"notation": None if notation == Notation() else notation})
