"""Delimited text (CSV): from a file's bytes to a typed table.

Decisions:

* Lines end in LF, CR LF or CR; quoting as in RFC 4180. Blank lines are skipped.
* The first line is the header, unless the sender says that there is none. It is refused where it
  looks like data: a name that is a decimal fraction, or nothing but numbers (counting columns from
  0 or 1 is taken as names); where it only may be data, that is a finding.
* A header that stands again between the rows, as in files that were put together, is left out.
* A first column without a name, as pandas writes its index, is `Unnamed: 0`, as pandas reads it;
  so are names of rows that R writes without a cell in the header. Other columns without a name are
  left out where they have no cells, as behind a separator that ends each line.
* Arrow reads; Python's own reader runs only to name the line of an error, or where an odd number
  of quotation marks makes one left open likely, which Arrow would take for a very long cell.
* The file is held once, as bytes: text is checked piece by piece, and Arrow reads without a copy.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.cells import TextColumns
from worker.data.charset import decoded
from worker.data.delimited_text import DelimitedText, no_rows
from worker.data.dialect import Dialect, find_dialect
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
from worker.data.markers import with_markers
from worker.data.plain_blocks import TypedFrame, in_blocks
from worker.data.reading import (
    LIMITS,
    FileLimits,
    Source,
    check_declared,
    check_names,
    file_error,
    too_many_rows,
    unusable_name,
)
from worker.data.table import Table
from worker.data.text_column import TextOrNumbers
from worker.data.tidy import tidy
from worker.errors import DataError
from worker.spec import Reading

INDEX = "Unnamed: 0"
"""The name of a first column that has none, as pandas reads it."""


def read_csv(source: Source, limits: FileLimits = LIMITS, reading: Reading | None = None) -> Table:
    """Read and type a file; see `parse_csv`."""
    if isinstance(source, Path):
        return parse_csv(source.read_bytes(), limits, reading)
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    # Asked for so many bytes, a buffered file reads into place; for all, it copies them once more.
    return parse_csv(source.read(size), limits, reading)


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
    file = DelimitedText.of(text, dialect, header=reading.header is not False)
    del text
    return _Typing(file, dialect, limits, reading).table()


_NAMELESS = "\0"
"""The beginning of the names, which nobody sees, of columns that have none."""


def _has_cells(cells: pa.ChunkedArray) -> bool:
    """Whether any of the cells is not blank."""
    return bool(pc.any(pc.not_equal(pc.utf8_trim_whitespace(cells), ""), min_count=0).as_py())


def _names_rows(cells: pa.ChunkedArray) -> bool:
    """Whether no cell is blank, and each another."""
    blank = pc.any(pc.equal(pc.utf8_trim_whitespace(cells), ""), min_count=0).as_py()
    return not blank and pc.count_distinct(cells).as_py() == len(cells)


def _are_row_names(cells: pa.ChunkedArray) -> bool:
    """Whether cells may be names of rows: distinct texts, or numbers that count."""
    if not _names_rows(cells):
        return False
    try:
        numbers = pc.cast(cells, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return True
    return numbers[0] in (0.0, 1.0) and bool((np.diff(numbers) == 1.0).all())


def _as_name(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_lower(pc.utf8_trim_whitespace(cells))


def _is_no_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return True
    return False


class _Typing:
    """From a file and what is said of it to a table."""

    def __init__(
        self, file: DelimitedText, dialect: Dialect, limits: FileLimits, reading: Reading
    ) -> None:
        self._file = file
        self._others = dialect.others
        self._limits = limits
        self._reading = reading
        self._drafts = list(dialect.drafts)
        self._names: list[str] = []
        self._markers: list[str] = []
        """The texts that were read as missing."""
        self._kept: NDArray[np.int64] | None = None
        """The rows of the file that are rows of the table, if not all."""

    def table(self) -> Table:
        """Read, type, and look what is worth knowing."""
        self._names = self._header()
        if self._file.data.count(b'"') % 2:
            self._file.check_rows(len(self._names))
        frame: pa.Table | TypedFrame = self._in_blocks() or self._frame()
        if frame.num_rows == 0:
            raise no_rows()
        if frame.num_rows > self._limits.rows:
            raise too_many_rows(frame.num_rows, self._limits)
        self._check_nameless(frame)
        named = [name for name in self._names if name[0] != _NAMELESS]
        check_declared(named, self._reading.columns)
        repeated = None if isinstance(frame, TypedFrame) else self._repeated_headers(frame)
        if repeated is None:
            # Held by nobody else, its columns can be let go one by one.
            texts = dict(zip(self._names, frame.columns, strict=True))
            tried = isinstance(frame, TypedFrame)
            del frame
            table, drafts = self._typed(texts, tried=tried)
        else:
            table, drafts = self._without(frame, repeated)
            del frame
        found = draft_findings(table, self._reading.columns, drafts)
        drafts += with_markers(found, self._markers)
        doubted = any(draft.code == "header_looks_like_data" for draft in drafts)
        if self._file.header and self._reading.header is None and not doubted:
            drafts += doubtful_header(table)
        if len(named) == 1:
            drafts.append(one_column())
        return replace(table, findings=bounded_findings([*self._drafts, *drafts], self._lines))

    def _in_blocks(self) -> TypedFrame | None:
        """The columns, plain numbers among them as such; none where that is not faster, or where a
        header may stand again among the rows.
        """
        columns = TextColumns(self._reading, self._limits, self._place)
        named = (name for name in self._names if name != INDEX and name[0] != _NAMELESS)
        wanted = set(filter(columns.takes_plain, named))
        if self._file.header and not any(_is_no_number(name) for name in wanted):
            return None
        longest, marked = self._limits.cell, columns.is_marked
        frame = in_blocks(self._file, self._names, wanted, longest, marked=marked)
        # A header that stands again is text in a column of numbers, unless its name is one.
        if frame is None or not any(map(_is_no_number, frame.numbers)):
            return None
        return frame

    def _typed(
        self, texts: dict[str, TextOrNumbers], *, tried: bool = False
    ) -> tuple[Table, list[Draft]]:
        """Each of the columns is taken away and let go when it has been looked at."""
        ignored = [name for name in texts if self._reading.columns.get(name) == "ignore"]
        for name in [*ignored, *(name for name in texts if name[0] == _NAMELESS)]:
            del texts[name]
        columns = TextColumns(self._reading, self._limits, self._place)
        taken = ((name, texts.pop(name)) for name in list(texts))
        columns.look_at(taken, len(self._file.data), tried=tried)
        table = Table.of(columns.cells(), ignored=ignored)
        self._markers = columns.markers()
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
        names = [tidy(cell) for cell in cells]
        if self._reading.header is None and looks_like_data(names):
            raise file_error(
                f"The first line looks like data, not like a header ({', '.join(names[:5])}). "
                "Put a line with the columns' names before it; or set `header` to false, and they "
                "are column1, column2, and so on; or to true if these are the names.",
                "no_header",
                line=line,
            )
        if len(names) > 2 and sum(map(bool, names)) == 1:
            raise file_error(
                f"The first line (line {line}) has one cell only, {next(filter(None, names))!r}, "
                f"and {len(names) - 1} empty ones: is it a title? Remove the lines above the "
                "header, or name every column; if these are data, set `header` to false.",
                "no_header",
                line=line,
            )
        if len(names) > 1 and not names[0] and INDEX not in names:
            names[0] = INDEX
        names = [name or f"{_NAMELESS}{place}" for place, name in enumerate(names)]
        check_names(names, self._limits, line=line)
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
            wider = self._wider()
            if wider is None:
                raise
            return wider

    def _wider(self) -> pa.Table | None:
        """Rows that all have one cell more than the header: an empty one at their end, as a last
        separator makes it, or names of the rows before the others, as R writes them. Or one less,
        where the header ends with a separator.
        """
        width = len(self._names) + 1
        longest = min(len(self._file.data) + 1, 2**31 - 1)
        if self._names[-1][0] == _NAMELESS and width > 3:
            with suppress(pa.ArrowInvalid):
                frame = self._file.parsed(width - 2, longest)
                self._names.pop()
                return frame
        try:
            frame = self._file.parsed(width, longest)
        except pa.ArrowInvalid:
            return None
        if not _has_cells(frame.column(width - 1)):
            self._names = [*self._names, f"{_NAMELESS}{width - 1}"]
            return frame
        if not self._file.header or INDEX in self._names or not _are_row_names(frame.column(0)):
            return None
        self._drafts.append(
            Draft(
                "row_names",
                f"All rows have {width} cells, and the header {width - 1}: the first cells were "
                f"taken as names of the rows, in a column {INDEX!r}.",
                "If the header lacks another name, add it.",
            )
        )
        self._names = [INDEX, *self._names]
        return frame

    def _check_nameless(self, frame: pa.Table | TypedFrame) -> None:
        """Refuse columns without a name, unless they have no cells either: those are left out."""
        if self._names[0] == INDEX:
            if _has_cells(frame.column(0)):
                self._check_index(frame.column(0))
            elif not next(self._file.records())[1][0].strip():
                self._names[0] = f"{_NAMELESS}0"
        nameless = [place for place, name in enumerate(self._names) if name[0] == _NAMELESS]
        for place in nameless:
            if _has_cells(frame.column(place)):
                raise unusable_name("", place + 1, self._file.line)
        if nameless:
            self._drafts.append(
                Draft(
                    "empty",
                    f"{len(nameless)} {'column' if len(nameless) == 1 else 'columns'} (the first: "
                    f"{nameless[0] + 1}) without a name and without a cell, as separators make "
                    "them that follow each other or end a line; left out.",
                    "None is needed.",
                    "info",
                    evidence={"columns": len(nameless)},
                )
            )

    def _check_index(self, cells: pa.ChunkedArray) -> None:
        """Refuse a first column without a name that is no index of the rows."""
        line, header = next(self._file.records(), (self._file.line, [""]))
        if header[0].strip() == INDEX:
            return
        if not _names_rows(cells):
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
        kept = frame.filter(pa.array(~repeated))
        table, drafts = self._typed(dict(zip(self._names, kept.columns, strict=True)))
        count = int(repeated.sum())
        numbers = [column for column in table.columns if is_measured(table, column)]
        if not any(text_kind(column.name) == "text" for column in numbers):
            # Words above words: the first line may be data that stands again, as other rows do.
            self._kept = None
            table, drafts = self._typed(dict(zip(self._names, frame.columns, strict=True)))
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
