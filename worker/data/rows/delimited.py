"""Delimited text (CSV), read a block of rows at a time.

Decisions:

* The dialect is that of an upload (`worker/data/dialect.py`), looked for in the first lines; but a
  separator that makes the header hold all of the model's columns is the right one.
* The first line is the header. Where the sender says that there is none, the cells stand in the
  order of the model's columns.
* Blocks end where a record ends: at a line break outside quotation marks. A quotation mark opens
  at the beginning of a cell only, as Arrow has it.
* Of each block Arrow reads the columns that are needed, numbers at once as such. A column that
  turns out to be written otherwise is read as texts from then on (`arrow_records.py`).
* A row is put out as the line that it was, wherever it is one.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from worker.data.arrow_records import ArrowRecords
from worker.data.category_index import Guesses
from worker.data.delimited import INDEX
from worker.data.dialect import (
    MARKS,
    SEPARATORS,
    Dialect,
    codec_of,
    collapsed,
    find_dialect,
    first_invalid_byte,
    is_unicode,
    is_utf8,
    split,
)
from worker.data.lookalikes import check_is_table
from worker.data.notation import Notation
from worker.data.reading import LIMITS, file_error
from worker.data.rows.block import LEAST_BYTES, LONGEST_ROW, MOST_BYTES, ROWS, Form, RowBlock
from worker.data.table import LARGEST, MISSING, Column
from worker.errors import DataError
from worker.spec import Reading

_SNIFFED = 2**18
"""Bytes that the dialect is looked for in."""
_LONGEST_MARK = 4
_NULLS = sorted({spelling for text in MISSING for spelling in (text, text.upper())} | {"NaN"})
"""Texts that Arrow takes for missing among numbers; other spellings are looked at as texts."""


_Spans = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Layout:
    """How the file is written, for whoever writes it again."""

    separator: str
    newline: bytes
    marked: bool
    """Whether it began with the byte-order mark of UTF-8."""
    preamble: bytes
    """What stood before the header."""
    header: tuple[str, ...] | None
    """The header's cells as they are written; none where it has no header."""


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
        self._columns = [_in_notation(column, reading) for column in columns]
        if any(column.kind == "image" for column in columns):
            raise file_error(
                "The model takes images, which no CSV holds. Send them as JSON, or as a line of "
                "JSON each (application/x-ndjson).",
                "not_a_table",
            )
        self._reading = reading
        self._target = target
        self._positional = positional
        self._records = ArrowRecords(self._columns, reading.missing)
        self._as_numbers = {
            column.name
            for column in self._columns
            if column.kind == "numeric" and column.notation is None and reading.missing is None
        }
        self._raw = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None
        self._decided = False
        self._text = bytearray()
        self._searched = 0
        """Bytes of the text in which a first block's end was looked for in vain."""
        self._size = _SNIFFED
        self._line = 1
        self._row = 0
        self._marked = False
        self.layout: Layout | None = None
        self._names: list[str] = []
        self._places: dict[str, int] = {}

    @property
    def names(self) -> Sequence[str]:
        """The file's columns, known with the first block."""
        return self._names

    def feed(self, data: bytes) -> None:
        """Take what follows."""
        if self._decided and self._decoder is None:
            self._text += data
        else:
            self._raw += data

    def close(self) -> None:
        """Nothing is held but memory."""

    def next(self, *, last: bool) -> RowBlock | None:
        """The next block."""
        self._decode(last=last)
        if not last and len(self._text) < max(self._size, self._searched):
            return None
        if self.layout is None:
            return self._begin(last=last)
        while True:
            piece = self._piece(last=last)
            if piece is None:
                return None
            block = self._block(piece)
            if block is not None:
                return block

    # Text.

    def _decode(self, *, last: bool) -> None:
        if not self._decided:
            if not last and len(self._raw) < _LONGEST_MARK:
                return
            self._decided = True
            self._choose_decoder()
            if self._decoder is None:
                self._text, self._raw = self._raw, bytearray()
        if self._decoder is None:
            return
        try:
            text = self._decoder.decode(bytes(self._raw), last)
            self._text += text.removeprefix("\ufeff").encode()
        except UnicodeError as error:
            reason = getattr(error, "reason", str(error))
            raise DataError(
                f"The file is not text in {self._reading.encoding or 'the encoding of its mark'}: "
                f"{reason}, after line {self._line:,}. Name another `encoding`, such as cp1252, or "
                "save the file in UTF-8.",
                code="not_encoded",
                param="encoding",
            ) from error
        self._raw.clear()

    def _choose_decoder(self) -> None:
        encoding = self._reading.encoding
        for mark, name in MARKS:
            if self._raw.startswith(mark) and (encoding is None or is_unicode(encoding)):
                if name == "utf-8":
                    del self._raw[: len(mark)]
                    self._marked = True
                    return
                encoding = name
                break
        if encoding is not None and not is_utf8(encoding):
            self._decoder = codecs.getincrementaldecoder(codec_of(encoding))()

    def _piece(self, *, last: bool) -> bytes | None:
        """Whole records from the beginning of the text."""
        text = self._text
        if not text:
            return None
        separator = self.layout.separator if self.layout else ","
        if last and len(text) <= 2 * self._size:
            end = len(text)
        else:
            found = _end_of_records(bytes(text[: self._size]), separator)
            if found is None:
                found = self._longer(separator, last=last)
            if found is None:
                return None
            end = found
        piece = bytes(text[:end])
        del text[:end]
        self._searched = 0
        self._check(piece)
        return piece

    def _longer(self, separator: str, *, last: bool) -> int | None:
        """The end of a record that is longer than a block."""
        end = _end_of_records(bytes(self._text), separator)
        if end is not None or last:
            return len(self._text) if end is None else end
        self._searched = 2 * len(self._text)  # Looked for again when there is twice as much.
        if len(self._text) > LONGEST_ROW:
            raise file_error(
                f"The row that begins on line {self._line:,} is longer than {LONGEST_ROW:,} bytes. "
                "Is a quotation mark left open?",
                "cell_too_long",
                line=self._line,
            )
        return None

    def _check(self, piece: bytes) -> None:
        position = first_invalid_byte(piece)
        if position is not None:
            fact = f"byte 0x{piece[position]:02x} is not UTF-8"
        else:
            position, fact = piece.find(b"\0"), "it holds a zero byte"
            if position < 0:
                return
        line = self._line + piece.count(b"\n", 0, position)
        raise file_error(
            f"The file is not UTF-8 text: {fact} (line {line:,}). Save it in UTF-8, or name its "
            "`encoding`: cp1252 is usual on Windows.",
            "not_utf8",
            line=line,
        )

    # The header.

    def _begin(self, *, last: bool) -> RowBlock | None:
        if not self._text or self._text.isspace():
            if last:
                raise file_error("The file is empty. Give a header line and rows.", "empty_file")
            return None
        head = self._head(last=last)
        if head is None:
            return None
        self._check(head)
        check_is_table(head)
        start, header = self._look_at(head)
        self._line += _line_ends(head[:start])
        del self._text[:start]
        newline = b"\r\n" if b"\r\n" in head else b"\r" if b"\n" not in head else b"\n"
        self.layout = Layout(self._separator, newline, self._marked, head[: self._before], header)
        width = max(1, len(head) // max(1, _line_ends(head)))
        self._size = min(MOST_BYTES, max(LEAST_BYTES, ROWS * width))
        block = self.next(last=last)
        if block is None and last:
            raise file_error(
                "The file has a header but no rows below it. Add rows; or set `header` to false, "
                "if its one line is data.",
                "no_rows",
            )
        return block

    def _head(self, *, last: bool) -> bytes | None:
        """The first lines, whole."""
        head = bytes(self._text[:_SNIFFED])
        if last and len(head) == len(self._text):
            return head
        end = max(head.rfind(b"\n"), head.rfind(b"\r", 0, len(head) - 1)) + 1
        if end > 0:
            return head[:end]
        return bytes(self._text) if last or len(self._text) >= LONGEST_ROW else None

    def _look_at(self, head: bytes) -> tuple[int, tuple[str, ...] | None]:
        """Where the rows begin, and the header."""
        wanted = [column.name for column in self._columns]
        named = self._reading.separator
        for mark in [named] if named else SEPARATORS:
            dialect = self._dialect(head, mark)
            cells, end = _first_record(head, dialect.start, dialect.separator)
            if set(wanted) <= {cell.strip() for cell in cells}:
                break
        else:
            dialect = self._guessed(head)
            cells, end = _first_record(head, dialect.start, dialect.separator)
        self._separator = dialect.separator
        self._before = dialect.start
        names = [cell.strip() for cell in cells]
        if len(names) > 1 and not names[0] and INDEX not in names:
            names[0] = INDEX
        is_row = self._reading.header is False or (
            self._reading.header is None
            and self._positional
            and len(names) == len(wanted)
            and not set(names) & set(wanted)
        )
        if is_row:
            self._by_position(len(cells), wanted)
            return dialect.start, None
        self._check_names(names, wanted)
        self._names = _distinct(names)
        self._places = {name: names.index(name) for name in self._needed(names)}
        return end, tuple(cells)

    def _dialect(self, head: bytes, separator: str | None) -> Dialect:
        return find_dialect(head, self._reading.model_copy(update={"separator": separator}))

    def _guessed(self, head: bytes) -> Dialect:
        """The dialect that the lines themselves tell."""
        try:
            return self._dialect(head, self._reading.separator)
        except DataError:
            if len(self._columns) > 1:
                raise
            return self._dialect(head, ",")

    def _needed(self, names: Sequence[str]) -> list[str]:
        needed = [column.name for column in self._columns]
        if self._target is not None and self._target not in needed and self._target in names:
            needed.append(self._target)
        return needed

    def _by_position(self, width: int, wanted: list[str]) -> None:
        if width != len(wanted):
            shown = ", ".join(wanted[:20]) + (", …" if len(wanted) > 20 else "")
            raise file_error(
                f"The rows have {width} cells and no header; the model takes {len(wanted)}, in this "
                f"order: {shown}. Give these, or a header line with the columns' names.",
                "missing_column",
                line=self._line,
            )
        self._names = wanted
        self._places = {name: place for place, name in enumerate(wanted)}

    def _check_names(self, names: Sequence[str], wanted: Sequence[str]) -> None:
        counts = Counter(names)
        for name in self._needed(names):
            if counts[name] > 1:
                raise file_error(
                    f"The name {name!r} stands {counts[name]} times in the header; the model needs "
                    "it once. Rename the others.",
                    "duplicate_column",
                    line=self._line,
                    column=name,
                )
        absent = [name for name in wanted if name not in counts]
        if not absent:
            return
        meant = Guesses().nearest(sorted(set(names) - set(wanted)), absent[0])
        given = "" if meant is None else f"; it has {meant!r}"
        others = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
        none = (
            " If the file has no header, say header=false: its cells then stand in the order of the "
            "model's columns."
            if len(absent) == len(wanted)
            else ""
        )
        raise file_error(
            f"The file lacks the column {absent[0]!r}{others}{given}. Add it; its cells may be empty "
            f"where the value is not known.{none} The separator was taken to be "
            f"{self._separator!r}; say `separator` if it is another.",
            "missing_column",
            column=absent[0],
        )

    # Rows.

    def _block(self, piece: bytes) -> RowBlock | None:
        layout = self.layout
        assert layout is not None
        text = collapsed(piece) if layout.separator == " " else piece
        first_line, self._line = self._line, self._line + _line_ends(piece)
        if not text.strip(b"\r\n"):
            return None
        cells, rows = self._parsed(text, first_line)
        lines = _Lines(text, layout.separator, first_line)
        records = self._records.read(cells, rows, lines.place)
        block = RowBlock(
            self._row,
            records,
            DelimitedBlock(text, layout, self._names, rows),
            None if self._target is None else cells.get(self._target),
        )
        self._row += rows
        return block

    def _parsed(self, text: bytes, line: int) -> tuple[dict[str, pa.Array], int]:
        """The cells of the needed columns, and how many rows there are."""
        layout = self.layout
        assert layout is not None
        numbers = [str(self._places[name]) for name in self._as_numbers]
        try:
            frame = _frame(text, layout.separator, len(self._names), self._places, numbers)
        except pa.ArrowInvalid:
            try:
                frame = _frame(text, layout.separator, len(self._names), self._places, [])
            except pa.ArrowInvalid as error:
                raise self._unreadable(text, line) from error
        cells = {name: _whole(frame.column(str(place))) for name, place in self._places.items()}
        for name in list(self._as_numbers):
            array = cells[name]
            if not pa.types.is_string(array.type) and _is_clean(array):
                continue
            self._as_numbers.discard(name)
            if not pa.types.is_string(array.type):
                # Read again as texts, which say what is wrong.
                return self._parsed(text, line)
        return cells, frame.num_rows

    def _unreadable(self, text: bytes, line: int) -> DataError:
        layout = self.layout
        assert layout is not None
        width = len(self._names)
        for strict in (True, False):
            try:
                for number, cells in _records(text, layout.separator, line, strict=strict):
                    if len(cells) != width:
                        return file_error(
                            f"Line {number:,} has {len(cells)} cells, the first one has {width}. "
                            f"Complete the line; put a cell that holds {layout.separator!r} in "
                            "quotation marks. If another character separates cells, say `separator`.",
                            "ragged_rows",
                            line=number,
                        )
            except csv.Error:
                if strict:
                    continue
        return file_error(
            f"The lines from {line:,} on cannot be read as CSV: where cells and lines end is not "
            "clear. Save the file anew, with texts in quotation marks.",
            "invalid_csv",
            line=line,
        )


class DelimitedBlock:
    """Rows of a CSV as they came."""

    def __init__(self, text: bytes, layout: Layout, names: Sequence[str], rows: int) -> None:
        self._text, self._layout, self._names, self._count = text, layout, names, rows

    def lines(self, form: Form) -> Sequence[bytes] | None:
        """The lines, if no cell has a line break inside."""
        if form != "csv":
            return None
        if b'"' in self._text or self._layout.separator == " ":
            return None
        alone = self._layout.newline == b"\r" and b"\n" not in self._text
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
        width = len(self._names)
        places = {str(place): place for place in range(width)}
        frame = _frame(self._text, self._layout.separator, width, places, [])
        return frame.rename_columns(list(self._names))


class _Lines:
    """Where the rows of a block are, for errors."""

    def __init__(self, text: bytes, separator: str, line: int) -> None:
        self._text, self._separator, self._line = text, separator, line

    def place(self, row: int) -> tuple[str, int]:
        with suppress(csv.Error):
            for number, (line, _) in enumerate(_records(self._text, self._separator, self._line)):
                if number == row:
                    return f" (line {line:,})", line
        return f" (line {self._line + row:,})", self._line + row


def _frame(
    text: bytes, separator: str, width: int, places: dict[str, int], numbers: Sequence[str]
) -> pa.Table:
    """The cells of some columns, by number: as texts, or as float64."""
    names = [str(place) for place in range(width)]
    kinds = dict.fromkeys(names, pa.string()) | dict.fromkeys(numbers, pa.float64())
    return pacsv.read_csv(
        pa.BufferReader(text),
        read_options=pacsv.ReadOptions(
            column_names=names, block_size=max(len(text) + 1, 2**16), use_threads=False
        ),
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=kinds,
            include_columns=[str(place) for place in places.values()],
            check_utf8=False,
            null_values=_NULLS,
            strings_can_be_null=False,
        ),
    )


def _whole(cells: pa.ChunkedArray) -> pa.Array:
    return cells.chunk(0) if cells.num_chunks == 1 else pa.concat_arrays(cells.chunks)


def _is_clean(array: pa.Array) -> bool:
    """Whether numbers are finite, and none that is not missing is NaN."""
    values = array.to_numpy(zero_copy_only=False)
    nans = int(np.isnan(values).sum())
    return nans == array.null_count and not bool((np.abs(values) > LARGEST).any())


def _in_notation(column: Column, reading: Reading) -> Column:
    """The column, in the notation that the sender says its numbers are written in."""
    if column.kind != "numeric" or (reading.decimal is None and reading.thousands is None):
        return column
    decimal = reading.decimal or ("," if reading.thousands == "." else ".")
    unit = column.notation.unit if column.notation else ""
    notation = Notation(decimal=decimal, thousands=reading.thousands, unit=unit)
    return column.model_copy(update={"notation": None if notation == Notation() else notation})


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, those that stand again or are empty with a number behind."""
    taken: set[str] = set(names)
    used: set[str] = set()
    distinct = []
    for place, name in enumerate(names, start=1):
        free = name or f"column{place}"
        number = 1
        while free in used or (free != name and free in taken):
            free, number = f"{name or 'column'}_{number}", number + 1
        used.add(free)
        distinct.append(free)
    if len(distinct) > LIMITS.columns:
        raise file_error(
            f"The file has {len(distinct):,} columns; at most {LIMITS.columns:,} are read.",
            "too_many_columns",
        )
    return distinct


def _first_record(head: bytes, start: int, separator: str) -> tuple[list[str], int]:
    """The cells of the first record that is not blank, and the byte behind it."""
    blank = re.compile(rb"[\r\n]*").match(head, start)
    start = blank.end() if blank else start
    end = start
    while True:
        stop = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|$)").match(head, end)
        assert stop is not None
        end = stop.end()
        record = head[start:end]
        if end >= len(head) or _end_of_records(record + b"\n", separator) == len(record) + 1:
            break
    line = (collapsed(record) if separator == " " else record).decode()
    cells = next(split([line], separator), [])
    return cells, end


def _records(
    text: bytes, separator: str, line: int, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the line that it begins on."""
    source = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline="")
    reader = csv.reader(source, delimiter=separator, strict=strict)
    begins = line
    for cells in reader:
        if cells:
            yield begins, cells
        begins = reader.line_num + line


def _line_ends(text: bytes) -> int:
    count = int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")))
    return count + (text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else 0)


def _end_of_records(text: bytes, separator: str) -> int | None:
    """The byte behind the last record that certainly ends in this text; none if none does."""
    if b'"' not in text:
        end = text.rfind(b"\n")
        if end < 0:  # A last CR may be the first half of a CR LF.
            end = text.rfind(b"\r", 0, len(text) - 1)
        return end + 1 if end >= 0 else None
    inside = _quoted(text, separator.encode())
    ends = [m for mark in (b"\n", b"\r") if (m := _last_outside(text, mark, inside)) is not None]
    end = ends[0] if ends else -1
    return end + 1 if end >= 0 else None


def _last_outside(text: bytes, mark: bytes, inside: _Spans) -> int | None:
    """The last line break outside quotation marks."""
    opens, closes = inside
    stop = len(text) - (mark == b"\r")
    while True:
        position = text.rfind(mark, 0, stop)
        if position < 0:
            return None
        before = int(np.searchsorted(opens, position)) - 1
        if before < 0 or closes[before] <= position:
            return position
        stop = int(opens[before])


def _quoted(text: bytes, separator: bytes) -> _Spans:
    """Where quoted parts begin and end; one that stays open ends behind the text."""
    array = np.frombuffer(text, dtype=np.uint8)
    marks = np.flatnonzero(array == ord('"'))
    opens, closes = marks[0::2], marks[1::2]
    # Where each that opens stands at the beginning of a cell, or doubles the one before it, those
    # that open and those that close take turns.
    before = array[np.maximum(opens - 1, 0)]
    begins = np.isin(before, np.frombuffer(separator + b"\r\n", dtype=np.uint8)) | (opens == 0)
    doubled = np.zeros(len(opens), dtype=bool)
    doubled[1:] = opens[1:] == closes[: len(opens) - 1] + 1
    if (begins | doubled).all():
        return opens, np.append(closes, len(text)) if len(opens) > len(closes) else closes
    pattern = rb"(?:(?<=[" + re.escape(separator) + rb'\r\n])|\A)"(?:[^"]|"")*(?:"|\Z)'
    spans = [match.span() for match in re.finditer(pattern, text)]
    return (
        np.array([begin for begin, _ in spans], dtype=np.int64),
        np.array([end for _, end in spans], dtype=np.int64),
    )
