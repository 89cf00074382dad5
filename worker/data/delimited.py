"""Delimited text (CSV): from a file's bytes to a typed table.

Decisions:

* UTF-8, with or without a byte-order mark; lines end in LF, CR LF or CR; quoting as in RFC 4180.
  Blank lines are skipped.
* The first line is the header. It is refused where it looks like data: a name that is a decimal
  fraction, or nothing but numbers (counting columns from 0 or 1 is taken as names).
* The separator is what the header uses: a comma, or a semicolon, tab or bar if it has no comma.
* Arrow reads; Python's own reader runs only to name the line of an error, or where an odd number
  of quotation marks makes one left open likely, which Arrow would take for a very long cell.
* The file is held once, as bytes: text is checked piece by piece, and Arrow reads without a copy.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from worker.data.reading import (
    LIMITS,
    Limits,
    Source,
    check_names,
    file_error,
    read_text_column,
    too_many_rows,
)
from worker.data.table import Table, is_missing
from worker.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SEPARATORS = ",;\t|"
_FIRST_LINE = re.compile(rb"[\r\n]*([^\r\n]*)")
_PIECE = 2**22
"""Bytes of text that are decoded at once."""
_BLOCK = 2**22
"""Bytes that Arrow parses at once; it keeps several copies of them while it does."""


def read_csv(source: Source, limits: Limits = LIMITS) -> Table:
    """Read and type a file; see `parse_csv`."""
    return parse_csv(source.read_bytes() if isinstance(source, Path) else source.read(), limits)


def parse_csv(data: bytes, limits: Limits = LIMITS) -> Table:
    """Read and type CSV.

    Raises:
        DataError: not UTF-8 text, empty, no usable header, no rows, ragged rows, an open quotation
            mark, a number that is not finite, or more rows, columns or text than `limits` allow.
            The message says which line or column, and what to do.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    _check_text(data)
    separator = _separator(data)
    names = _header(data, separator, limits)
    if data.count(b'"') % 2:
        _check_rows(data, separator, len(names))
    frame = _frame(data, separator, len(names))
    if frame.num_rows == 0:
        raise _no_rows()
    if frame.num_rows > limits.rows:
        raise too_many_rows(frame.num_rows, limits)
    texts = dict(zip(names, frame.columns, strict=True))
    del frame  # Each column of text is let go when it has been typed.
    return Table.of(
        read_text_column(
            name,
            texts.pop(name),
            limits=limits,
            locate=lambda row: _line(data, separator, row),
        )
        for name in names
    )


def _check_text(data: bytes) -> None:
    """Refuse what is not UTF-8 text."""
    if not data or data.isspace():
        raise file_error("The file is empty. Give a header line and rows.", "empty_file")
    position = _first_invalid_byte(data)
    if position is not None:
        reason = f"byte 0x{data[position]:02x} is not UTF-8"
    else:
        position, reason = data.find(b"\0"), "it holds a zero byte"
        if position < 0:
            return
    line = data.count(b"\n", 0, position) + 1
    raise file_error(
        f"The file is not UTF-8 text: {reason} (line {line}). Save it as CSV in UTF-8.",
        "not_utf8",
        line=line,
    )


def _first_invalid_byte(data: bytes) -> int | None:
    """Where the bytes cease to be UTF-8, if they do."""
    start = 0
    while start < len(data):
        piece = data[start : start + _PIECE]
        try:
            # A character that the end of the piece cuts is left to the next one.
            _, used = codecs.utf_8_decode(piece, "strict", start + len(piece) == len(data))
        except UnicodeDecodeError as error:
            return start + error.start
        start += used
    return None


def _separator(data: bytes) -> str:
    """The separator that the header uses, quoted names left aside."""
    match = _FIRST_LINE.match(data)
    header = match[1].decode(errors="ignore") if match else ""
    unquoted = "".join(header.split('"')[::2])
    return next((mark for mark in _SEPARATORS if mark in unquoted), ",")


def _header(data: bytes, separator: str, limits: Limits) -> list[str]:
    """The columns' names, checked."""
    line, cells = next(_records(data, separator), (1, []))
    names = [cell.strip() for cell in cells]
    check_names(names, limits, line=line)
    if _looks_like_data(names):
        raise file_error(
            f"The first line looks like data, not like a header ({', '.join(names[:5])}). "
            "Put a line with the columns' names before it.",
            "no_header",
            line=line,
        )
    return names


def _looks_like_data(names: list[str]) -> bool:
    numbers = [number for name in names if (number := _number(name)) is not None]
    if any(not number.is_integer() for number in numbers):
        return True
    counting = [list(map(float, range(start, start + len(names)))) for start in (0, 1)]
    return len(numbers) == len(names) and numbers not in counting


def _number(text: str) -> float | None:
    if is_missing(text):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _frame(data: bytes, separator: str, width: int) -> pa.Table:
    """Every cell as a string."""
    try:
        return _parsed(data, separator, width, _BLOCK)
    except pa.ArrowInvalid:
        pass  # A row that is longer than a block, or a fault in any.
    try:
        return _parsed(data, separator, width, min(len(data) + 1, 2**31 - 1))
    except pa.ArrowInvalid as error:
        _check_rows(data, separator, width)
        if next(islice(_records(data, separator), 1, None), None) is None:
            raise _no_rows() from error
        raise file_error(
            "The file cannot be read as CSV: where its cells and lines end is not clear. Save it "
            "anew, with texts in quotation marks.",
            "invalid_csv",
        ) from error


def _no_rows() -> DataError:
    return file_error("The file has a header but no rows below it.", "no_rows")


def _parsed(data: bytes, separator: str, width: int, block: int) -> pa.Table:
    names = [str(position) for position in range(width)]
    return pacsv.read_csv(
        pa.BufferReader(pa.py_buffer(data.lstrip(b"\r\n"))),
        read_options=pacsv.ReadOptions(
            column_names=names, skip_rows_after_names=1, block_size=block
        ),
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), check_utf8=False
        ),
    )


def _check_rows(data: bytes, separator: str, width: int) -> None:
    """Name the first line that is ragged, or whose quotation mark stays open."""
    for strict in (True, False):
        for line, cells in _records(data, separator, strict=strict):
            if len(cells) != width:
                raise file_error(
                    f"Line {line} has {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, the "
                    f"header has {width}. Complete the line; put a cell that holds {separator!r} "
                    "in quotation marks.",
                    "ragged_rows",
                    line=line,
                )


def _records(
    data: bytes, separator: str, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the line it begins on.

    Strict reading notices an open quotation mark, but ends at text behind a closing one, which
    Arrow takes as part of the cell.
    """
    # Untranslated newlines: the reader must see those inside quotation marks as they are.
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=separator, strict=strict)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise file_error(
                f"A cell on line {line} is far too long. Is a quotation mark left open?",
                "cell_too_long",
                line=line,
            ) from error
        if "unexpected end" in str(error):
            raise file_error(
                f"A quotation mark opens on line {line} and is not closed. Close it, or write a "
                'quotation mark inside a cell twice ("").',
                "open_quote",
                line=line,
            ) from error


def _line(data: bytes, separator: str, row: int) -> int:
    """The line on which row `row`, counted from 0 below the header, begins."""
    for number, (line, _) in enumerate(_records(data, separator)):
        if number == row + 1:
            return line
    return row + 2
