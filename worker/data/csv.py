"""CSV: from a file's bytes to a typed table.

Decisions:

* UTF-8, with or without a byte-order mark; lines end in LF, CR LF or CR; quoting as in RFC 4180.
  Blank lines are skipped.
* The first line is the header. It is refused where it looks like data: a name that is a decimal
  fraction, or nothing but numbers (counting columns from 0 or 1 is taken as names).
* The separator is what the header uses: a comma, or a semicolon, tab or bar if it has no comma.
* Arrow reads; Python's own reader runs only to name the line of an error, or where an odd number
  of quotation marks makes one left open likely, which Arrow would take for a very long cell.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from worker.data.cells import is_missing, read_column
from worker.data.table import Table
from worker.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SEPARATORS = ",;\t|"
_LONGEST_NAME = 200


@dataclass(frozen=True)
class CsvLimits:
    """How large a table may be."""

    rows: int = 10_000_000
    columns: int = 10_000
    cell: int = 65_536
    """Characters of one cell; below what Python's reader can still report a line for."""


def read_csv(path: Path, limits: CsvLimits | None = None) -> Table:
    """Read and type the file at `path`; see `parse_csv`."""
    return parse_csv(path.read_bytes(), limits)


def parse_csv(data: bytes, limits: CsvLimits | None = None) -> Table:
    """Read and type CSV.

    Raises:
        DataError: not UTF-8 text, empty, no usable header, no rows, ragged rows, an open quotation
            mark, a number that is not finite, or more rows, columns or text than `limits` allows.
            The message says which line or column, and what to do.
    """
    limits = limits or CsvLimits()
    data = data.removeprefix(_BYTE_ORDER_MARK)
    _check_text(data)
    separator = _separator(data)
    names = _header(data, separator, limits)
    if data.count(b'"') % 2:
        _check_rows(data, separator, len(names))
    frame = _frame(data, separator, len(names))
    if frame.num_rows == 0:
        raise _error("The file has a header but no rows below it.", "no_rows")
    if frame.num_rows > limits.rows:
        raise _error(
            f"The file has {frame.num_rows:,} rows; at most {limits.rows:,} are read. "
            "Upload a sample of them.",
            "too_many_rows",
        )
    return Table.of(
        read_column(
            name,
            frame.column(position),
            longest=limits.cell,
            locate=lambda row: _line(data, separator, row),
        )
        for position, name in enumerate(names)
    )


def _check_text(data: bytes) -> None:
    """Refuse what is not UTF-8 text."""
    if not data.strip():
        raise _error("The file is empty. Give a header line and rows.", "empty_file")
    zero = data.find(b"\0")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        first, reason = error.start, f"byte 0x{data[error.start]:02x} is not UTF-8"
    else:
        if zero < 0:
            return
        first, reason = zero, "it holds a zero byte"
    line = data.count(b"\n", 0, first) + 1
    raise _error(
        f"The file is not UTF-8 text: {reason} (line {line}). Save it as CSV in UTF-8.",
        "not_utf8",
        line=line,
    )


def _separator(data: bytes) -> str:
    """The separator that the header uses, quoted names left aside."""
    first = data.lstrip(b"\r\n").splitlines()[0].decode(errors="ignore")
    bare = "".join(first.split('"')[::2])
    return next((mark for mark in _SEPARATORS if mark in bare), ",")


def _header(data: bytes, separator: str, limits: CsvLimits) -> list[str]:
    """The columns' names, checked."""
    line, cells = next(_records(data, separator), (1, []))
    names = [cell.strip() for cell in cells]
    if len(names) > limits.columns:
        raise _error(
            f"The file has {len(names):,} columns; at most {limits.columns:,} are read.",
            "too_many_columns",
        )
    for position, name in enumerate(names, start=1):
        if not name:
            raise _error(
                f"Column {position} has no name: its cell in the header (line {line}) is empty. "
                "Name every column.",
                "no_header",
                line=line,
            )
        if len(name) > _LONGEST_NAME:
            raise _error(
                f"The name of column {position} has {len(name):,} characters; at most "
                f"{_LONGEST_NAME} are allowed. Shorten it: {name[:40]!r}…",
                "no_header",
                line=line,
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        where = [str(place) for place, name in enumerate(names, start=1) if name == twice]
        raise _error(
            f"The name {twice!r} stands {len(where)} times in the header (columns "
            f"{', '.join(where[:10])}). Give each column its own name.",
            "duplicate_column",
            line=line,
            column=twice,
        )
    if _looks_like_data(names):
        raise _error(
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
    names = [str(position) for position in range(width)]
    try:
        return pacsv.read_csv(
            io.BytesIO(data.lstrip(b"\r\n")),
            read_options=pacsv.ReadOptions(
                column_names=names,
                skip_rows_after_names=1,
                # One block: a row may not cross a block's end.
                block_size=min(len(data) + 1, 2**31 - 1),
            ),
            parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        _check_rows(data, separator, width)
        raise _error(f"The file cannot be read as CSV: {error}", "invalid_csv") from error


def _check_rows(data: bytes, separator: str, width: int) -> None:
    """Name the first line that is ragged, or whose quotation mark stays open."""
    for strict in (True, False):
        for line, cells in _records(data, separator, strict=strict):
            if len(cells) != width:
                raise _error(
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
            raise _error(
                f"A cell on line {line} is far too long. Is a quotation mark left open?",
                "cell_too_long",
                line=line,
            ) from error
        if "unexpected end" in str(error):
            raise _error(
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


def _error(message: str, code: str, **extra: object) -> DataError:
    return DataError(message, code=code, param="file", **extra)
