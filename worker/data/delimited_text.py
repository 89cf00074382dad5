"""The text of a file, and how it is split into lines and cells.

Arrow reads; Python's own reader runs only to name a line. The text is held once: neither copies it.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from worker.data.dialect import Dialect, collapsed
from worker.data.quoting import PLAIN
from worker.data.reading import file_error
from worker.errors import DataError

BLOCK = 2**22
"""Bytes that Arrow parses at once, in each of its threads; it keeps several copies meanwhile, which
are to stay in the processor's caches: blocks of twice the size take half as long again."""


_COMMENTS = ("#", "%", "//", "--")
_BLANK_LINES = re.compile(rb"(?m)^[ \t]+(?=\r?$)")


@dataclass(frozen=True)
class DelimitedText:
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
    def of(cls, data: bytes, dialect: Dialect, *, header: bool) -> "DelimitedText":
        """The text of a file, from its first line on that is not blank."""
        start = dialect.start
        if dialect.separator == " ":
            data, start = collapsed(data[start:]), 0
        if dialect.quoting != PLAIN:
            data, start = dialect.quoting.rewritten(data[start:], dialect.separator), 0
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
            return self.parsed(width, BLOCK)
        except pa.ArrowInvalid:
            pass  # A row that is longer than a block, or a fault in any.
        try:
            return self.parsed(width, min(len(self.data) + 1, 2**31 - 1))
        except pa.ArrowInvalid as error:
            blank = _BLANK_LINES.search(self.data, self.start)
            if blank is not None and self.separator.strip():
                return replace(self, data=_BLANK_LINES.sub(b"", self.data)).frame(width)
            self.check_rows(width)
            if next(islice(self.records(), int(self.header), None), None) is None:
                raise no_rows() from error
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
        read = {"skip_rows_after_names": int(self.header), "block_size": block}
        text = pa.py_buffer(self.data).slice(self.start)
        quoted = b'"' in self.data
        return self._parsed(width, text, quoted, use_threads=len(self.data) > BLOCK, **read)

    def parsed_part(self, width: int, part: slice, column: int | None = None) -> pa.Table:
        """Every cell of some lines below the header, or those of one column, in the thread that
        asks; none of the lines breaks within a cell. Raises as `parsed`.
        """
        text = pa.py_buffer(self.data).slice(part.start, part.stop - part.start)
        block = part.stop - part.start + 1
        return self._parsed(width, text, False, column, use_threads=False, block_size=block)

    @property
    def first_row(self) -> int | None:
        """Where the line below the header begins; none where the header does not end as lines
        mostly do, or may go on behind that.
        """
        if not self.header:
            return self.start
        end = self.data.find(b"\n", self.start)
        header = self.data[self.start : max(end, self.start)]
        whole = end >= 0 and b"\r" not in header[:-1] and header.count(b'"') % 2 == 0
        return end + 1 if whole else None

    def _parsed(
        self,
        width: int,
        text: pa.Buffer,
        breaks: bool,
        column: int | None = None,
        **read: int | bool,
    ) -> pa.Table:
        names = [str(position) for position in range(width)]
        return pacsv.read_csv(
            pa.BufferReader(text),
            read_options=pacsv.ReadOptions(column_names=names, **read),
            parse_options=pacsv.ParseOptions(
                delimiter=self.separator,
                # To look for them is a third of the time.
                newlines_in_values=breaks,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                check_utf8=False,
                include_columns=names if column is None else [names[column]],
                # Each column would have a tree of them, of thirty times the size of short cells.
                null_values=[],
                true_values=[],
                false_values=[],
            ),
        )

    def check_rows(self, width: int) -> None:
        """Name the first line that is ragged, or whose quotation mark stays open."""
        first = "header" if self.header else "first line"
        _, names = next(self.records(), (self.line, [""]))
        for strict in (True, False):
            for line, cells in self.records(strict=strict):
                if len(cells) != width:
                    note = cells[0].startswith(_COMMENTS) or names[0].startswith(_COMMENTS)
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


def no_rows() -> DataError:
    """The error of a file that ends behind its header."""
    return file_error(
        "The file has a header but no rows below it. Add rows; or set `header` to false, if its "
        "one line is data.",
        "no_rows",
    )
