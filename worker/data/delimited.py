"""Delimited text (CSV): from a file's bytes to a typed table.

Decisions:

* Lines end in LF, CR LF or CR; quoting as in RFC 4180. Blank lines are skipped.
* The first line is the header, unless the sender says that there is none. It is refused where it
  looks like data: a name that is a decimal fraction, or nothing but numbers (counting columns from
  0 or 1 is taken as names); where it only may be data, that is a finding.
* A header that stands again between the rows, as in files that were put together, is left out.
* A first column without a name, as pandas writes its index, is `Unnamed: 0`, as pandas reads it.
* Arrow reads; Python's own reader runs only to name the line of an error, or where an odd number
  of quotation marks makes one left open likely, which Arrow would take for a very long cell.
* The file is held once, as bytes: text is checked piece by piece, and Arrow reads without a copy.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from worker.data.cells import TextColumns
from worker.data.dialect import Dialect, collapsed, decoded, find_dialect
from worker.data.drafts import Draft, bounded_findings
from worker.data.findings import draft_findings
from worker.data.header import (
    doubtful_header,
    header_draft,
    is_measured,
    looks_like_data,
    one_column,
    text_kind,
)
from worker.data.lookalikes import check_is_table
from worker.data.reading import (
    LIMITS,
    FileLimits,
    Source,
    check_declared,
    check_names,
    dictionary,
    file_error,
    too_many_rows,
)
from worker.data.table import Table
from worker.errors import DataError
from worker.spec import Reading

_BLOCK = 2**22
"""Bytes that Arrow parses at once; it keeps several copies of them while it does."""
INDEX = "Unnamed: 0"
"""The name of a first column that has none, as pandas reads it."""


def read_csv(source: Source, limits: FileLimits = LIMITS, reading: Reading | None = None) -> Table:
    """Read and type a file; see `parse_csv`."""
    data = source.read_bytes() if isinstance(source, Path) else source.read()
    return parse_csv(data, limits, reading)


def parse_csv(data: bytes, limits: FileLimits = LIMITS, reading: Reading | None = None) -> Table:
    """Read and type CSV, as far as `reading` leaves open how.

    Raises:
        DataError: not text, empty, no table, no usable header, no rows, ragged rows, an open
            quotation mark, a number that is not finite, more rows, columns or text than `limits`
            allow, or cells that are not what `reading` declares. The message says which line or
            column, and what to do.
    """
    reading = reading or Reading(columns={})
    text = decoded(data, reading.encoding)
    del data
    check_is_table(text)
    dialect = find_dialect(text, reading)
    file = _File.of(text, dialect, header=reading.header is not False)
    del text
    return _Typing(file, dialect, limits, reading).table()


@dataclass(frozen=True)
class _File:
    """UTF-8 text, and how it is split into lines and cells."""

    data: bytes
    separator: str
    start: int
    """The byte at which the first line that is not blank begins."""
    line: int
    """The number of that line, counted from 1."""
    header: bool
    """Whether that line is a header."""

    @classmethod
    def of(cls, data: bytes, dialect: Dialect, *, header: bool) -> "_File":
        start = dialect.start
        if dialect.separator == " ":
            data, start = collapsed(data[start:]), 0
        match = re.compile(rb"[\r\n]*").match(data, start)
        blank = match[0] if match else b""
        lines = blank.count(b"\n") + blank.count(b"\r") - blank.count(b"\r\n")
        return cls(data, dialect.separator, start + len(blank), dialect.line + lines, header)

    def records(self, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
        """Each record that is not blank, with the line it begins on.

        Strict reading notices an open quotation mark, but ends at text behind a closing one, which
        Arrow takes as part of the cell.
        """
        source = io.BytesIO(self.data)
        source.seek(self.start)
        # Untranslated newlines: the reader must see those inside quotation marks as they are.
        text = io.TextIOWrapper(source, encoding="utf-8", newline="")
        reader = csv.reader(text, delimiter=self.separator, strict=strict)
        line = self.line
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + self.line
        except csv.Error as error:
            if "field limit" in str(error):
                raise file_error(
                    f"A cell on line {line} is far too long. Is a quotation mark left open?",
                    "cell_too_long",
                    line=line,
                ) from error
            if "unexpected end" in str(error):
                raise file_error(
                    f"A quotation mark opens on line {line} and is not closed. Close it, or write "
                    'a quotation mark inside a cell twice ("").',
                    "open_quote",
                    line=line,
                ) from error

    def lines(self, rows: Sequence[int]) -> dict[int, int]:
        """Rows, ascending, counted from 0 below the header → the lines on which they begin."""
        begins = self._line_numbers
        if begins is not None:
            return {row: int(begins[row + self.header]) for row in rows}
        wanted, found = set(rows), {}
        for number, (line, _) in enumerate(self.records()):
            row = number - self.header
            if row in wanted:
                found[row] = line
            if len(found) == len(wanted):
                break
        # Arrow and Python may differ on where a damaged cell ends.
        return {row: found.get(row, row + self.line + self.header) for row in rows}

    @cached_property
    def _line_numbers(self) -> NDArray[np.int64] | None:
        """The line of each record, if none has a line break inside: without a reader in Python."""
        data = self.data
        if b'"' in data or data.count(b"\r") != data.count(b"\r\n"):
            return None
        text = np.frombuffer(data, dtype=np.uint8)[self.start :]
        ends = np.append(np.flatnonzero(text == ord("\n")), len(text))
        lengths = np.diff(ends, prepend=-1) - 1
        return np.flatnonzero(lengths > (b"\r\n" in data)) + self.line

    def frame(self, width: int) -> pa.Table:
        """Every cell as a string.

        Raises:
            DataError: the file has no rows, or they are ragged.
        """
        try:
            return self.parsed(width, _BLOCK)
        except pa.ArrowInvalid:
            pass  # A row that is longer than a block, or a fault in any.
        try:
            return self.parsed(width, min(len(self.data) + 1, 2**31 - 1))
        except pa.ArrowInvalid as error:
            self.check_rows(width)
            if next(islice(self.records(), int(self.header), None), None) is None:
                raise _no_rows() from error
            raise file_error(
                "The file cannot be read as CSV: where its cells and lines end is not clear. Save "
                "it anew, with texts in quotation marks.",
                "invalid_csv",
            ) from error

    def parsed(self, width: int, block: int) -> pa.Table:
        """Every cell as a string, by Arrow.

        Raises:
            ArrowInvalid: rows are ragged, or longer than a block.
        """
        names = [str(position) for position in range(width)]
        return pacsv.read_csv(
            pa.BufferReader(pa.py_buffer(self.data).slice(self.start)),
            read_options=pacsv.ReadOptions(
                column_names=names,
                skip_rows_after_names=int(self.header),
                block_size=block,
                use_threads=len(self.data) > _BLOCK,
            ),
            parse_options=pacsv.ParseOptions(delimiter=self.separator, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), check_utf8=False
            ),
        )

    def check_rows(self, width: int) -> None:
        """Name the first line that is ragged, or whose quotation mark stays open."""
        first = "header" if self.header else "first line"
        for strict in (True, False):
            for line, cells in self.records(strict=strict):
                if len(cells) != width:
                    note = cells[0].startswith(("#", "%", "//"))
                    raise file_error(
                        f"Line {line} has {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, "
                        f"the {first} has {width}. Complete the line; put a cell that holds "
                        f"{self.separator!r} in quotation marks; remove titles above the header. "
                        "If another character separates cells, set `separator`."
                        + " If the line is a comment, remove it: comments begin with #, and stand "
                        "before the header." * note,
                        "ragged_rows",
                        line=line,
                    )


def _as_name(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_lower(pc.utf8_trim_whitespace(cells))


def _no_rows() -> DataError:
    return file_error(
        "The file has a header but no rows below it. Add rows; or set `header` to false, if its "
        "one line is data.",
        "no_rows",
    )


class _Typing:
    """From a file and what is said of it to a table."""

    def __init__(self, file: _File, dialect: Dialect, limits: FileLimits, reading: Reading) -> None:
        self._file = file
        self._others = dialect.others
        self._limits = limits
        self._reading = reading
        self._drafts = list(dialect.drafts)
        self._names: list[str] = []
        self._kept: NDArray[np.int64] | None = None
        """The rows of the file that are rows of the table, if not all."""

    def table(self) -> Table:
        """Read, type, and look what is worth knowing."""
        self._names = self._header()
        if self._file.data.count(b'"') % 2:
            self._file.check_rows(len(self._names))
        frame = self._frame()
        if frame.num_rows == 0:
            raise _no_rows()
        if frame.num_rows > self._limits.rows:
            raise too_many_rows(frame.num_rows, self._limits)
        if self._names[0] == INDEX:
            self._check_index(frame.column(0))
        check_declared(self._names, self._reading.columns)
        repeated = self._repeated_headers(frame)
        if repeated is None:
            table, drafts = self._typed(frame)
        else:
            table, drafts = self._without(frame, repeated)
        del frame
        drafts += draft_findings(table, self._reading.columns, drafts)
        doubted = any(draft.code == "header_looks_like_data" for draft in drafts)
        if self._file.header and self._reading.header is None and not doubted:
            drafts += doubtful_header(table)
        if len(self._names) == 1:
            drafts.append(one_column())
        return replace(table, findings=bounded_findings([*self._drafts, *drafts], self._lines))

    def _typed(self, frame: pa.Table) -> tuple[Table, list[Draft]]:
        texts = dict(zip(self._names, frame.columns, strict=True))
        del frame  # Each column of text is let go when it has been looked at.
        columns = TextColumns(self._reading, self._limits, self._place)
        ignored = []
        for name in self._names:
            cells = texts.pop(name)
            if self._reading.columns.get(name) == "ignore":
                ignored.append(name)
            else:
                columns.look(name, *dictionary(cells))
        table = Table.of(columns.cells(), ignored=ignored)
        return table, columns.drafts()

    def _place(self, row: int) -> tuple[str, int | None]:
        line = self._lines([row])[row]
        return f" (line {line})", line

    def _lines(self, rows: Sequence[int]) -> Mapping[int, int]:
        if self._kept is None:
            return self._file.lines(rows)
        lines = self._file.lines(self._kept[list(rows)].tolist())
        return {row: lines[int(self._kept[row])] for row in rows}

    # The header.

    def _header(self) -> list[str]:
        """The columns' names, checked."""
        line, cells = next(self._file.records(), (self._file.line, []))
        if not self._file.header:
            names = [f"column{number}" for number in range(1, len(cells) + 1)]
            check_names(names, self._limits)
            return names
        names = [cell.strip() for cell in cells]
        if len(names) > 1 and not names[0] and INDEX not in names:
            names[0] = INDEX
        check_names(names, self._limits, line=line)
        if self._reading.header is None and looks_like_data(names):
            raise file_error(
                f"The first line looks like data, not like a header ({', '.join(names[:5])}). "
                "Put a line with the columns' names before it; or set `header` to false, and they "
                "are column1, column2, and so on; or to true if these are the names.",
                "no_header",
                line=line,
            )
        return names

    def _frame(self) -> pa.Table:
        """Every cell; as another separator splits the file, if this one leaves its rows ragged."""
        try:
            return self._file.frame(len(self._names))
        except DataError as error:
            if error.code != "ragged_rows":
                raise
            for mark in self._others:
                other = replace(self._file, separator=mark)
                width = len(next(other.records(), (0, []))[1])
                if width < 2:
                    continue
                try:
                    frame = other.parsed(width, min(len(other.data) + 1, 2**31 - 1))
                except pa.ArrowInvalid:
                    continue
                self._file = other
                self._names = self._header()
                return frame
            raise

    def _check_index(self, cells: pa.ChunkedArray) -> None:
        """Refuse a first column without a name that is no index of the rows."""
        line, header = next(self._file.records(), (self._file.line, [""]))
        if header[0].strip() == INDEX:
            return
        distinct = pc.count_distinct(cells).as_py()
        if distinct != len(cells) or pc.any(pc.equal(pc.utf8_trim_whitespace(cells), "")).as_py():
            check_names([name.strip() for name in header], self._limits, line=line)

    def _repeated_headers(self, frame: pa.Table) -> NDArray[np.bool_] | None:
        """The rows that equal the header."""
        if not self._file.header or len(self._names) < 2:
            return None
        _, header = next(self._file.records())
        rows = None  # Those that may be.
        for position, name in enumerate(header):
            cells = frame.column(position)
            if rows is not None:
                cells = cells.take(pa.array(rows))
            held = pc.equal(_as_name(cells), name.strip().lower()).to_numpy()
            rows = np.flatnonzero(held) if rows is None else rows[held]
            if not len(rows):
                return None
        same = np.zeros(frame.num_rows, dtype=bool)
        same[rows] = True
        return same if same.any() and not same.all() else None

    def _without(self, frame: pa.Table, repeated: NDArray[np.bool_]) -> tuple[Table, list[Draft]]:
        """The table without rows that equal the header, if they are names above numbers."""
        lines = self._file.lines(np.flatnonzero(repeated)[:10].tolist())
        self._kept = np.flatnonzero(~repeated)
        table, drafts = self._typed(frame.filter(pa.array(~repeated)))
        count = int(repeated.sum())
        numbers = [column for column in table.columns if is_measured(table, column)]
        if not any(text_kind(column.name) == "text" for column in numbers):
            # Words above words: the first line may be data that stands again, as other rows do.
            self._kept = None
            table, drafts = self._typed(frame)
            return table, [*drafts, header_draft(table, "stands again among the rows")]
        drafts.append(
            Draft(
                "repeated_header",
                f"The header stands again between the rows (line "
                f"{', '.join(map(str, lines.values()))}{', …' if count > len(lines) else ''}), as "
                f"in files that were put together; {count:,} such "
                f"{'row was' if count == 1 else 'rows were'} left out.",
                "Remove these lines, and see whether all parts have their columns in this order.",
                evidence={"lines": list(lines.values()), "rows": count},
            )
        )
        return table, drafts
