"""Cells: from the strings of one column to its kind and values.

Decisions:

* Spaces around a cell do not count. A missing cell is empty, or NA, NaN, null or ? in any case.
* A column is numeric if every cell that is not missing is a number (a column without any value
  too); it is categorical otherwise. `true`/`false` are therefore categories, `0`/`1` numbers.
* A number has a decimal point, not a decimal comma, and no thousands separator.
* A number that float32 cannot hold (inf included) is refused rather than clipped.
* Text is typed once per distinct cell, not once per row: the cells come dictionary-encoded.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.table import Column, categorical, numeric
from worker.errors import DataError

MISSING = frozenset({"", "na", "nan", "null", "?"})
"""What stands for a missing cell, in lower case."""
LARGEST = float(np.finfo(np.float32).max)
"""The largest number a cell may hold: networks compute in float32."""

Locate = Callable[[int], int]
"""From a row's number, counted from 0, to its line in the file, counted from 1."""


def is_missing(cell: str) -> bool:
    """Whether this text stands for a missing cell."""
    return cell.strip().lower() in MISSING


def read_column(
    name: str, cells: pa.ChunkedArray, *, longest: int, locate: Locate
) -> tuple[Column, NDArray[Any]]:
    """Type one column of strings.

    Raises:
        DataError: a cell is longer than `longest` characters, or is a number beyond float32.
    """
    codes, distinct = _dictionary(cells)
    lengths = pc.utf8_length(distinct).to_numpy(zero_copy_only=False)
    if lengths.size and lengths.max() > longest:
        line = locate(_first_row(codes, lengths > longest))
        raise DataError(
            f"Column {name!r} holds a cell of {lengths.max():,} characters (line {line}); at most "
            f"{longest:,} are read. Is a quotation mark left open? Free text is not a feature.",
            code="cell_too_long",
            param="file",
            column=name,
            line=line,
        )
    trimmed, present = _trimmed(distinct)
    numbers = _numbers(trimmed.take(pa.array(present)))
    if numbers is None:
        return _categorical(name, codes, trimmed, present)
    beyond = ~(np.abs(numbers) <= LARGEST)
    if beyond.any():
        wrong = np.zeros(len(distinct), dtype=bool)
        wrong[present[beyond]] = True
        row = _first_row(codes, wrong)
        line, text = locate(row), trimmed[int(codes[row])].as_py()
        raise DataError(
            f"Column {name!r} holds {text!r} (line {line}), which is not a finite number of "
            f"magnitude up to {LARGEST:.3g}. Correct the cell, or leave it empty if it is missing.",
            code="not_finite",
            param="file",
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
    # One more than there are strings, for the code -1 to point at.
    filled = pa.concat_arrays([distinct, pa.array([""], pa.string())])
    trimmed, present = _trimmed(filled)
    return _categorical(name, codes, trimmed, present)


def _trimmed(distinct: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """The strings without spaces around them, and the places of those that are not missing."""
    trimmed = pc.utf8_trim_whitespace(distinct)
    missing = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(sorted(MISSING)))
    return trimmed, np.flatnonzero(~missing.to_numpy(zero_copy_only=False))


def _dictionary(cells: pa.ChunkedArray) -> tuple[NDArray[np.int32], pa.Array]:
    """Codes [rows] and the distinct strings they point at."""
    encoded = pc.dictionary_encode(cells).combine_chunks()
    return np.asarray(encoded.indices), encoded.dictionary


def _first_row(codes: NDArray[np.int32], wanted: NDArray[np.bool_]) -> int:
    return int(np.argmax(wanted[codes]))


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
