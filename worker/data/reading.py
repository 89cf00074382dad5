"""Reading: what the readers of all formats share: limits, errors, names, and the typing of text.

Decisions:

* Spaces around a cell do not count. A missing cell is empty, or NA, NaN, null or ? in any case.
* A column of text is numeric if every cell that is not missing is a number (a column without any
  value too); it is categorical otherwise. `true`/`false` are therefore categories, `0`/`1` numbers.
* A number has a decimal point, not a decimal comma, and no thousands separator.
* A number that float32 cannot hold (inf included) is refused rather than clipped.
* Text is typed once per distinct cell, not once per row: the cells come dictionary-encoded.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.table import LARGEST, MISSING, Cells, Column, categorical, numeric
from worker.errors import DataError
from worker.text import INVALID_NAME, control_character

Source = Path | BinaryIO
"""A file by its path, or one that is open for reading at its beginning and can be searched."""
Locate = Callable[[int], int]
"""From a row's number, counted from 0, to its line in the file, counted from 1."""

LONGEST_NAME = 200
"""Characters of a column's name."""


@dataclass(frozen=True)
class Limits:
    """How much one uploaded file may hold."""

    rows: int = 10_000_000
    columns: int = 10_000
    cells: int = 200_000_000
    """Rows times columns of a Parquet file; as float64, 1.6 GB."""
    cell: int = 65_536
    """Characters of one cell; below what Python's CSV reader can still report a line for."""
    bytes: int = 2 * 2**30
    """Of all images together, decoded; of all arrays together, where features count as float64."""
    pixels: int = 2**22
    """Height times width of one image."""
    files: int = 200_000
    """Files of an archive of images."""
    unpacked: int = 2 * 2**30
    """Bytes of all files of such an archive, unpacked."""
    ratio: int = 100
    """Unpacked to packed bytes of one of its files."""


LIMITS = Limits()


def file_error(
    message: str,
    code: str,
    *,
    line: int | None = None,
    column: str | None = None,
    array: str | None = None,
    file: str | PurePath | None = None,
) -> DataError:
    """The error of an uploaded file, and the place in it where that is known.

    Args:
        message: what is wrong, where, and what to do about it.
        code: the kind of the error.
        line: a line of a text file, counted from 1.
        column: a column of the table.
        array: an array of an NPZ file.
        file: a file of an archive.
    """
    places = {
        "line": line,
        "column": column,
        "array": array,
        "file": None if file is None else str(file),
    }
    known = {place: value for place, value in places.items() if value is not None}
    return DataError(message, code=code, param="file", **known)


def too_many_rows(rows: int, limits: Limits) -> DataError:
    """The error of a file with more rows than `limits` allow."""
    return file_error(
        f"The file has {rows:,} rows; at most {limits.rows:,} are read. Upload a sample of them.",
        "too_many_rows",
    )


def check_names(names: Sequence[str], limits: Limits, *, line: int | None = None) -> None:
    """Refuse names of columns that a job could not use.

    `line` is that of the header, in a file of text.

    Raises:
        DataError: there are none, or too many; one is empty, too long, or taken twice.
    """
    if not names:
        raise file_error("The file has no columns.", "no_columns")
    if len(names) > limits.columns:
        raise file_error(
            f"The file has {len(names):,} columns; at most {limits.columns:,} are read.",
            "too_many_columns",
        )
    for position, name in enumerate(names, start=1):
        if not name.strip() or len(name) > LONGEST_NAME:
            raise _unusable_name(name, position, line)
        character = control_character(name)
        if character is not None:
            raise file_error(
                f"The name of column {position}, {name[:40]!r}, holds the control character "
                f"{character}. Rename it.",
                INVALID_NAME,
                line=line,
            )
    for name, count in Counter(names).items():
        if count > 1:
            raise _repeated_name(name, names, line)


def _unusable_name(name: str, position: int, line: int | None) -> DataError:
    if line is None:
        return file_error(
            f"Column {position} must have a name of 1 to {LONGEST_NAME} characters, not "
            f"{name[:40]!r}{'…' if len(name) > 40 else ''}. Rename it.",
            "invalid_name",
        )
    if not name:
        return file_error(
            f"Column {position} has no name: its cell in the header (line {line}) is empty. "
            "Name every column.",
            "no_header",
            line=line,
        )
    return file_error(
        f"The name of column {position} has {len(name):,} characters; at most "
        f"{LONGEST_NAME} are allowed. Shorten it: {name[:40]!r}…",
        "no_header",
        line=line,
    )


def _repeated_name(name: str, names: Sequence[str], line: int | None) -> DataError:
    if line is None:
        return file_error(
            f"The name {name!r} is that of two columns. Give each column its own name.",
            "duplicate_column",
        )
    positions = [str(position) for position, other in enumerate(names, start=1) if other == name]
    return file_error(
        f"The name {name!r} stands {len(positions)} times in the header (columns "
        f"{', '.join(positions[:10])}). Give each column its own name.",
        "duplicate_column",
        line=line,
        column=name,
    )


def read_text_column(name: str, texts: pa.ChunkedArray, *, limits: Limits, locate: Locate) -> Cells:
    """Type one column of strings: numeric if all that are not missing are numbers.

    Raises:
        DataError: a cell is too long, or is a number beyond float32.
    """
    codes, distinct = _dictionary(texts)
    lengths = pc.utf8_length(distinct).to_numpy(zero_copy_only=False)
    if lengths.size and lengths.max() > limits.cell:
        line = locate(_first_row(codes, lengths > limits.cell))
        raise file_error(
            f"Column {name!r} holds a cell of {lengths.max():,} characters (line {line}); at most "
            f"{limits.cell:,} are read. Is a quotation mark left open? Free text is not a feature.",
            "cell_too_long",
            column=name,
            line=line,
        )
    trimmed, present = _trimmed(distinct)
    numbers = _numbers(trimmed.take(pa.array(present)))
    if numbers is None:
        return _categorical(name, codes, trimmed, present)
    too_large = ~(np.abs(numbers) <= LARGEST)
    if too_large.any():
        refused = np.zeros(len(distinct), dtype=bool)
        refused[present[too_large]] = True
        row = _first_row(codes, refused)
        line, text = locate(row), trimmed[int(codes[row])].as_py()
        raise file_error(
            f"Column {name!r} holds {text!r} (line {line}), which is not a finite number of "
            f"magnitude up to {LARGEST:.3g}. Correct the cell, or leave it empty if it is missing.",
            "not_finite",
            column=name,
            line=line,
        )
    values = np.full(len(distinct), np.nan)
    values[present] = numbers
    return numeric(name, values[codes])


def read_categories(
    name: str, codes: NDArray[np.int32], distinct: pa.Array
) -> tuple[Column, NDArray[np.int32]]:
    """A categorical column from codes into distinct strings; below 0 is missing."""
    # One string more, for the code -1 to index.
    extended = pa.concat_arrays([distinct, pa.array([""], pa.string())])
    trimmed, present = _trimmed(extended)
    return _categorical(name, codes, trimmed, present)


def _trimmed(distinct: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """The strings without spaces around them, and the indices of those that are not missing."""
    trimmed = pc.utf8_trim_whitespace(distinct)
    missing = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(sorted(MISSING)))
    return trimmed, np.flatnonzero(~missing.to_numpy(zero_copy_only=False))


def _dictionary(texts: pa.ChunkedArray) -> tuple[NDArray[np.int32], pa.Array]:
    """Codes [rows] and the distinct strings that they index."""
    encoded = pc.dictionary_encode(texts).combine_chunks()
    return np.asarray(encoded.indices), encoded.dictionary


def _first_row(codes: NDArray[np.int32], refused: NDArray[np.bool_]) -> int:
    return int(np.argmax(refused[codes]))


def _numbers(texts: pa.Array) -> NDArray[np.float64] | None:
    """The texts as float64, or none if one of them is not a number."""
    try:
        parsed = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        return None
    return np.asarray(parsed.to_numpy(zero_copy_only=False))


def _categorical(
    name: str, codes: NDArray[np.int32], trimmed: pa.Array, present: NDArray[np.int64]
) -> tuple[Column, NDArray[np.int32]]:
    """Cells that differ in surrounding spaces only are one category: number them anew."""
    merged = trimmed.take(pa.array(present)).dictionary_encode()
    renumbered = np.full(len(trimmed), -1, dtype=np.int64)
    renumbered[present] = merged.indices.to_numpy()
    return categorical(name, merged.dictionary.to_pylist(), renumbered[codes])
