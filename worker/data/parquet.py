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
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from worker.data.reading import (
    LIMITS,
    Limits,
    Source,
    check_names,
    file_error,
    read_categories,
    too_many_rows,
)
from worker.data.table import LARGEST, Cells, Column, Table, categorical, numeric
from worker.errors import DataError

_INDEX = re.compile(r"__index_level_\d+__")
_UNREADABLE = (pa.ArrowException, OSError, ValueError)


def read_parquet(source: Source, limits: Limits = LIMITS) -> Table:
    """Read and type a file.

    Raises:
        DataError: it is not a whole Parquet file, is larger than `limits` allow, or has a column
            that is no feature. The message says which, and what to do.
    """
    schema = _schema(source)
    strings = [field.name for field in schema if _is_text(field.type)]
    try:
        with pq.ParquetFile(source, read_dictionary=strings) as file:
            names = [name for name in schema.names if not _INDEX.fullmatch(name)]
            _check_size(file.metadata.num_rows, len(names), limits)
            check_names(names, limits)
            for name in names:
                _check_type(name, schema.field(name).type)
            frame = file.read(columns=names)
    except _UNREADABLE as error:
        raise _unreadable() from error
    return Table.of(_read_column(name, frame.column(name), limits) for name in names)


def _schema(source: Source) -> pa.Schema:
    try:
        with pq.ParquetFile(source) as file:
            return file.schema_arrow
    except _UNREADABLE as error:
        raise _unreadable() from error


def _unreadable() -> DataError:
    return file_error(
        "The file cannot be read as Parquet: it is damaged, or written in a way that is not read. "
        "Write it anew.",
        "not_parquet",
    )


def _check_size(rows: int, columns: int, limits: Limits) -> None:
    if rows == 0:
        raise file_error("The file has no rows.", "no_rows")
    if rows > limits.rows:
        raise too_many_rows(rows, limits)
    if rows * columns > limits.cells:
        raise file_error(
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


def _read_column(name: str, cells: pa.ChunkedArray, limits: Limits) -> Cells:
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
    too_large = np.abs(values) > LARGEST
    if too_large.any():
        row = int(np.argmax(too_large))
        _refuse(
            name,
            f"holds {values[row]} (row {row:,}, counted from 0), which is not a finite number of "
            f"magnitude up to {LARGEST:.3g}",
            "Correct the cell, or make it null if it is missing",
            "not_finite",
        )
    return numeric(name, values)


def _texts(name: str, cells: pa.ChunkedArray, limits: Limits) -> tuple[Column, NDArray[np.int32]]:
    # A view or a large string is cast; one dictionary for all row groups.
    kind = pa.dictionary(pa.int32(), pa.string())
    encoded = (
        cells if pt.is_dictionary(cells.type) else pc.dictionary_encode(pc.cast(cells, pa.string()))
    )
    array = pc.cast(encoded, kind).unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    codes = pc.fill_null(array.indices, -1).to_numpy()
    distinct = array.dictionary
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
    raise file_error(f"Column {name!r} {fact}. {remedy}.", code, column=name)
