"""Parquet: from an uploaded file to a typed table.

Decisions:

* The footer says how many rows and columns there are; both, and their product, are checked before
  any page is read. Strings are read as dictionaries: repeated ones are held once.
* Columns are flat. The file's types decide: integers, floats, decimals are numeric; booleans and
  strings are categorical (`true` and `false`, as in a CSV), even where a string looks like a
  number; dates and timestamps are dates. Dictionaries take the kind of their values. A column of
  nulls is numeric, all missing. What the sender declares goes before the file's type.
* Times of day, durations, nested and binary columns are refused by name, unless they are ignored.
* Missing are nulls, NaN and empty strings; other strings, and numbers, only where the sender names
  them.
* Whole numbers that a float64 would round are categories.
* The index that pandas stores (`__index_level_0__`) names a row and is no feature: left out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from worker.data.cells import TextColumns
from worker.data.declared import declare
from worker.data.drafts import Draft, bounded_findings
from worker.data.findings import draft_findings
from worker.data.markers import with_markers
from worker.data.patterns import numbers_among
from worker.data.reading import (
    LIMITS,
    FileLimits,
    Source,
    check_declared,
    check_names,
    file_error,
    too_large_unpacked,
    too_many_rows,
)
from worker.data.table import LARGEST, Cells, Column, Table, categorical, dates, numeric
from worker.data.text_findings import fits_float64, large_numbers
from worker.errors import DataError
from worker.spec import Reading

_INDEX = re.compile(r"__index_level_\d+__")
AT_ONCE = 2**28
"""Bytes of the columns that are read at once, as float64."""
_UNREADABLE = (pa.ArrowException, OSError, ValueError)


def read_parquet(
    source: Source, limits: FileLimits = LIMITS, reading: Reading | None = None
) -> Table:
    """Read and type a file; of `reading`, `columns` and `missing` matter.

    Raises:
        DataError: it is not a whole Parquet file, is larger than `limits` allow, or has a column
            that is no feature, or not what it is declared to be. The message says which, and what
            to do.
    """
    reading = reading or Reading(columns={})
    schema = _schema(source)
    strings = [field.name for field in schema if is_text(field.type)]
    drafts = [_index_left_out(name) for name in schema.names if _INDEX.fullmatch(name)]
    with ExitStack() as stack:
        with _readable():
            file = stack.enter_context(pq.ParquetFile(source, read_dictionary=strings))
            names = [name for name in schema.names if not _INDEX.fullmatch(name)]
            _check_size(file.metadata, len(names), limits)
            check_names(names, limits)
            check_declared(names, reading.columns)
            wanted = [name for name in names if reading.columns.get(name) != "ignore"]
            for name in wanted:
                _check_type(name, schema.field(name).type)
        table = _typed(_columns(file, wanted), limits, reading, drafts)
    ignored = tuple(name for name in names if name not in table.names)
    found = draft_findings(table, reading.columns, drafts)
    drafts += with_markers(found, reading.missing or ())
    return replace(table, ignored=ignored, findings=bounded_findings(drafts))


@contextmanager
def _readable() -> Iterator[None]:
    """What Arrow says of a file in a block is that it cannot be read."""
    try:
        yield
    except _UNREADABLE as error:
        raise _unreadable() from error


def _columns(file: pq.ParquetFile, names: Sequence[str]) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """The columns of a file, some read at a time; they are let go before the next are."""
    at_once = max(1, AT_ONCE // (8 * file.metadata.num_rows))
    for first in range(0, len(names), at_once):
        some = list(names[first : first + at_once])
        with _readable():
            frame = file.read(columns=some)
            _check_places(frame)
        for name in some:
            yield name, frame.column(name)
        del frame


def _typed(
    columns: Iterable[tuple[str, pa.ChunkedArray]],
    limits: FileLimits,
    reading: Reading,
    drafts: list[Draft],
) -> Table:
    """The table; what is found of single columns is added to `drafts`."""
    texts = TextColumns(reading, limits, _row, typed=True)
    others: dict[str, Cells] = {}
    names = []
    for name, cells in columns:
        names.append(name)
        kind = cells.type.value_type if pt.is_dictionary(cells.type) else cells.type
        if is_text(kind):
            texts.look(name, *_strings(name, cells))
        else:
            others[name], found = _read_column(name, cells, reading)
            drafts += found
    typed = {column.name: (column, values) for column, values in texts.cells()} | others
    drafts += texts.drafts()
    table = Table.of(typed[name] for name in names)
    # The columns of text are what they are declared to be by now.
    kinds = {name: kind for name, kind in reading.columns.items() if name in others}
    return declare(table, kinds)


def _row(row: int) -> tuple[str, None]:
    return f" (row {row:,}, counted from 0)", None


def _index_left_out(name: str) -> Draft:
    return Draft(
        "identifier",
        f"Column {name!r}, the index that pandas stores, was left out.",
        "Write the file with the index as a column of another name, if it measures something.",
        "info",
        name,
    )


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


def _check_size(about: pq.FileMetaData, columns: int, limits: FileLimits) -> None:
    rows = about.num_rows
    if rows == 0:
        raise file_error("The file has no rows.", "no_rows")
    if rows > limits.rows:
        raise too_many_rows(rows, limits)
    groups = range(about.num_row_groups)
    unpacked = sum(about.row_group(group).total_byte_size for group in groups)
    size = max(8 * rows * columns, unpacked)
    if size > min(8 * limits.cells, limits.bytes):
        raise too_large_unpacked(
            f"The file's {rows:,} rows of {columns:,} columns take",
            size,
            min(8 * limits.cells, limits.bytes),
            "Upload a sample of the rows, or fewer columns.",
        )


def is_text(kind: pa.DataType) -> bool:
    """Whether cells of this type are texts."""
    return any(test(kind) for test in (pt.is_string, pt.is_large_string, pt.is_string_view))


def is_numeric_type(kind: pa.DataType) -> bool:
    """Whether cells of this type are numbers, or all of them missing."""
    return any(test(kind) for test in (pt.is_integer, pt.is_floating, pt.is_decimal, pt.is_null))


def is_date(kind: pa.DataType) -> bool:
    """Whether cells of this type are dates, with or without a time of day."""
    return bool(pt.is_date(kind) or pt.is_timestamp(kind))


def _check_type(name: str, kind: pa.DataType) -> None:
    """Refuse a column that is neither a number nor one of a list of texts."""
    inner = kind.value_type if pt.is_dictionary(kind) else kind
    if is_text(inner) or is_numeric_type(inner) or pt.is_boolean(inner) or is_date(inner):
        return
    if pt.is_temporal(inner):
        remedy = (
            "Times of day and durations are not features as they stand: store them as numbers "
            "(hours, seconds), or leave the column out"
        )
    elif pt.is_nested(inner):
        remedy = "Give each of its values a column of its own; upload images and series as NPZ"
    else:
        remedy = "Store it as numbers or strings, or ignore the column"
    _refuse(name, f"is of type {kind}, which is not read", remedy, "unsupported_column")


def _read_column(name: str, cells: pa.ChunkedArray, reading: Reading) -> tuple[Cells, list[Draft]]:
    """A column of anything but text, and what is worth knowing of it."""
    kind = cells.type
    declared = reading.columns.get(name)
    if pt.is_dictionary(kind):
        kind = kind.value_type
        cells = pc.cast(cells, kind)
    if pt.is_boolean(kind):
        codes = pc.fill_null(pc.cast(cells, pa.int8()), -1).to_numpy()
        return categorical(name, ("false", "true"), codes), []
    if is_date(kind):
        found = [] if declared else [_read_as_dates(name)]
        return dates(name, days_of(cells)), found
    if pt.is_integer(kind) and declared == "categorical":
        return _labels(name, cells), []
    if pt.is_integer(kind) and declared is None and not _is_exact(cells):
        return _labels(name, cells), [large_numbers(name)]
    return _numbers(name, cells, numbers_among(reading.missing or ())), []


def days_of(cells: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """Dates and timestamps as days since 1970-01-01, NaN for null."""
    if pt.is_null(cells.type):
        return np.full(len(cells), np.nan)
    if pt.is_timestamp(cells.type):
        unit = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[cells.type.unit] * 86_400
        ticks = pc.cast(cells, pa.int64())
    else:
        unit, ticks = 1, pc.cast(pc.cast(cells, pa.date32()), pa.int32())
    days = pc.cast(ticks, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(days / unit)


def _is_exact(cells: pa.ChunkedArray) -> bool:
    """Whether float64 holds all of the whole numbers."""
    ends = pc.min_max(cells).as_py()
    if max(abs(ends["min"] or 0), abs(ends["max"] or 0)) <= 2**53:
        return True
    return fits_float64(pc.fill_null(cells, 0).to_numpy())


def _labels(name: str, cells: pa.ChunkedArray) -> Cells:
    """Whole numbers as categories."""
    encoded = pc.dictionary_encode(pc.cast(cells, pa.string())).combine_chunks()
    codes = pc.fill_null(encoded.indices, -1).to_numpy()
    return categorical(name, encoded.dictionary.to_pylist(), codes)


def _read_as_dates(name: str) -> Draft:
    return Draft(
        "dates",
        f"Column {name!r} holds dates, and is read as such: it becomes numbers (year, month, "
        "weekday and others).",
        "Ignore the column, if a date tells nothing of other times.",
        "info",
        name,
        change={"columns": {name: "ignore"}},
    )


def _numbers(
    name: str, cells: pa.ChunkedArray, markers: Sequence[float]
) -> tuple[Column, NDArray[np.float64]]:
    # Not safe: decimals are rounded, and large integers where they are declared numeric.
    values = np.array(pc.cast(cells, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if markers:
        values[np.isin(values, markers)] = np.nan
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


def _check_places(frame: pa.Table) -> None:
    """Refuse places in a dictionary that has no such place, as a damaged file may have them: nobody
    looks again before memory is read there. Text is looked at by column, to name the column.

    Raises:
        pa.ArrowInvalid: there are some.
    """
    frame.validate()
    for cells in frame.columns:
        if not pt.is_dictionary(cells.type):
            continue
        for chunk in cells.chunks:
            least, most = pc.min_max(chunk.indices).values()
            if least.is_valid and not 0 <= least.as_py() <= most.as_py() < len(chunk.dictionary):
                raise pa.ArrowInvalid("a place beyond its dictionary")


def _strings(name: str, cells: pa.ChunkedArray) -> tuple[NDArray[np.int32], pa.Array]:
    """Codes, -1 for null, and the distinct strings that they index."""
    # A view or a large string is cast; one dictionary for all row groups.
    kind = pa.dictionary(pa.int32(), pa.string())
    encoded = (
        cells if pt.is_dictionary(cells.type) else pc.dictionary_encode(pc.cast(cells, pa.string()))
    )
    array = pc.cast(encoded, kind).unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    distinct = array.dictionary
    try:
        distinct.validate(full=True)
    except pa.ArrowInvalid:
        _refuse(name, "holds text that is not UTF-8", "Write the file anew", "not_utf8")
    return pc.fill_null(array.indices, -1).to_numpy(), distinct


def _refuse(name: str, fact: str, remedy: str, code: str) -> NoReturn:
    raise file_error(f"Column {name!r} {fact}. {remedy}.", code, column=name)
