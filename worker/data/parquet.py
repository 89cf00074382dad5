"""Parquet: from an uploaded file to a typed table.

Decisions:

* The footer says how many rows and columns there are; both, and their product, are checked before
  any page is read. Strings are read as dictionaries: repeated ones are held once.
* Columns are flat. The file's types decide: integers, floats, decimals are numeric; booleans and
  strings are categorical (`true` and `false`, as in a CSV), even where a string looks like a
  number. Dictionaries take the kind of their values. A column of nulls is numeric, all missing.
* Dates and times are refused by name: whether a date means its year, its weekday or its distance
  from today is not ours to guess. So are nested and binary columns.
* Missing are nulls and NaN, and of strings those that stand for a missing cell in a CSV.
* The index that pandas stores (`__index_level_0__`) names a row and is no feature: left out.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from worker.data.cells import LARGEST, read_categories
from worker.data.names import check_names
from worker.data.table import Column, Table, categorical, numeric
from worker.errors import DataError

_INDEX = re.compile(r"__index_level_\d+__")
_UNREADABLE = (pa.ArrowException, OSError, ValueError)


@dataclass(frozen=True)
class ParquetLimits:
    """How large a table may be."""

    rows: int = 10_000_000
    columns: int = 10_000
    cells: int = 200_000_000
    """Rows times columns; as float64, 1.6 GB."""
    cell: int = 65_536
    """Characters of one string."""


def read_parquet(path: Path, limits: ParquetLimits | None = None) -> Table:
    """Read and type the file at `path`.

    Raises:
        DataError: it is not a whole Parquet file, is larger than `limits` allow, or has a column
            that is no feature. The message says which, and what to do.
    """
    limits = limits or ParquetLimits()
    schema = _open(path).schema_arrow
    strings = [field.name for field in schema if _is_text(field.type)]
    try:
        with pq.ParquetFile(path, read_dictionary=strings) as file:
            names = [name for name in schema.names if not _INDEX.fullmatch(name)]
            _check_size(file.metadata.num_rows, len(names), limits)
            check_names(names, columns=limits.columns)
            for name in names:
                _check_type(name, schema.field(name).type)
            frame = file.read(columns=names)
    except _UNREADABLE as error:
        raise _unreadable(error) from error
    return Table.of(_read_column(name, frame.column(name), limits) for name in names)


def _open(path: Path) -> pq.ParquetFile:
    try:
        with pq.ParquetFile(path) as file:
            return file
    except _UNREADABLE as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> DataError:
    reason = str(error).split("\n", 1)[0][:200]
    return _error(f"The file cannot be read as Parquet: {reason}. Write it anew.", "not_parquet")


def _check_size(rows: int, columns: int, limits: ParquetLimits) -> None:
    if rows == 0:
        raise _error("The file has no rows.", "no_rows")
    if rows > limits.rows:
        raise _error(
            f"The file has {rows:,} rows; at most {limits.rows:,} are read. Upload a sample of "
            "them.",
            "too_many_rows",
        )
    if rows * columns > limits.cells:
        raise _error(
            f"The file has {rows:,} rows of {columns:,} columns; at most {limits.cells:,} cells "
            "are read. Upload a sample of the rows, or fewer columns.",
            "too_large",
        )


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pt.is_string, pt.is_large_string, pt.is_string_view))


def _is_number(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pt.is_integer, pt.is_floating, pt.is_decimal, pt.is_null))


def _check_type(name: str, kind: pa.DataType) -> None:
    """Refuse a column that is neither a number nor one of a list of texts."""
    inner = kind.value_type if pt.is_dictionary(kind) else kind
    if _is_text(inner) or _is_number(inner) or pt.is_boolean(inner):
        return
    if pt.is_temporal(inner):
        remedy = (
            "Dates and times are not features as they stand: store what matters of them as numbers "
            "(the year, the month, days since an event), or leave the column out"
        )
    elif pt.is_nested(inner):
        remedy = "Give each of its values a column of its own; upload images and series as NPZ"
    else:
        remedy = "Store it as numbers or strings, or leave the column out"
    _refuse(name, f"is of type {kind}, which is not read", remedy, "unsupported_column")


def _read_column(
    name: str, cells: pa.ChunkedArray, limits: ParquetLimits
) -> tuple[Column, NDArray[Any]]:
    kind = cells.type
    inner = kind.value_type if pt.is_dictionary(kind) else kind
    if _is_text(inner):
        return _texts(name, cells, limits)
    if pt.is_dictionary(kind):
        cells = pc.cast(cells, inner)
    if pt.is_boolean(inner):
        codes = pc.fill_null(pc.cast(cells, pa.int8()), -1).to_numpy()
        return categorical(name, ("false", "true"), codes)
    return _numbers(name, cells)


def _numbers(name: str, cells: pa.ChunkedArray) -> tuple[Column, NDArray[np.float64]]:
    # Not safe: an integer above 2**53 is rounded, as it would be from a CSV.
    values = np.array(pc.cast(cells, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        row = int(np.argmax(beyond))
        _refuse(
            name,
            f"holds {values[row]} (row {row:,}, counted from 0), which is not a finite number of "
            f"magnitude up to {LARGEST:.3g}",
            "Correct the cell, or make it null if it is missing",
            "not_finite",
        )
    return numeric(name, values)


def _texts(
    name: str, cells: pa.ChunkedArray, limits: ParquetLimits
) -> tuple[Column, NDArray[np.int32]]:
    # A view or a large string is cast; one dictionary for all row groups.
    kind = pa.dictionary(pa.int32(), pa.string())
    plain = (
        cells if pt.is_dictionary(cells.type) else pc.dictionary_encode(pc.cast(cells, pa.string()))
    )
    whole = pc.cast(plain, kind).unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    codes = pc.fill_null(whole.indices, -1).to_numpy()
    distinct = whole.dictionary
    lengths = pc.utf8_length(distinct).to_numpy(zero_copy_only=False)
    if lengths.size and lengths.max() > limits.cell:
        _refuse(
            name,
            f"holds a text of {int(lengths.max()):,} characters; at most {limits.cell:,} are read",
            "Free text is not a feature: leave the column out",
            "cell_too_long",
        )
    return read_categories(name, codes, distinct)


def _refuse(name: str, fact: str, remedy: str, code: str) -> NoReturn:
    raise _error(f"Column {name!r} {fact}. {remedy}.", code, column=name)


def _error(message: str, code: str, **extra: object) -> DataError:
    return DataError(message, code=code, param="file", **extra)
