"""Arrow records: from columns of a file, a block of rows at a time, to a table.

Decisions:

* The rules are those of a request's instances (`records.py`), so that a row has one meaning at
  every door: a text is a number in its column's notation, a category as it is written; a number
  finds the category that is written like it. Where `records.py` looks at cells, this looks at whole
  columns.
* Texts of a CSV and typed columns of Parquet are read by the same rules: a text for a number is
  parsed, a number for a date is refused.
* Markers that the sender names replace those that are usual.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from worker.data.category_index import AMBIGUOUS, UNKNOWN, CategoryIndex
from worker.data.cell_texts import parse_dates, parse_numbers
from worker.data.notation import Notation
from worker.data.parquet import days_of, is_date, is_numeric_type, is_text
from worker.data.patterns import among, stand_for_missing
from worker.data.reading import Place, file_error
from worker.data.records import Records, Unmatched
from worker.data.table import LARGEST, MISSING, MISSING_CODE, Column, Table
from worker.data.text_column import WEAK
from worker.data.tidy import tidied, tidy
from worker.text import shortened

_COMMA = Notation(decimal=",")
_WORDS = {"numeric": "a number", "date": "a date", "categorical": "a text"}


class ArrowRecords:
    """Reads the columns of one model. Its indexes are made once, and serve all blocks."""

    def __init__(self, columns: Sequence[Column], missing: Collection[str] | None = None) -> None:
        self._columns = tuple(columns)
        self._markers = None if missing is None else tuple(missing)
        self._indexes = {
            column.name: _Categories(column) for column in columns if column.kind == "categorical"
        }

    def read(self, cells: Mapping[str, pa.Array], rows: int, place: Place) -> Records:
        """Read a block.

        Args:
            cells: each column's cells, ``[rows]``, by its name; others are not looked at.
            rows: how many there are.
            place: where a row of the block is, for errors.

        Raises:
            DataError: a cell is not what its column holds; it names row and column.
        """
        values: dict[str, NDArray[Any]] = {}
        unmatched: dict[str, list[Unmatched]] = {}
        for column in self._columns:
            array = _plain(cells[column.name])
            name = column.name
            if column.kind == "categorical":
                values[name], strange = self._codes(column, array)
                if strange:
                    unmatched[name] = strange
            elif column.kind == "numeric":
                values[name] = self._numbers(column, array, place)
            else:
                values[name] = self._dates(column, array, place)
        return Records(Table(columns=self._columns, values=values, rows=rows), unmatched)

    def _numbers(self, column: Column, array: pa.Array, place: Place) -> NDArray[np.float64]:
        if is_text(array.type):
            return self._parsed(column, array, place, parse_numbers)
        if not is_numeric_type(array.type):
            _refuse_type(column, array.type)
        # Not safe: decimals are rounded, and whole numbers beyond 2**53, as those of JSON are.
        values = np.array(
            pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False),
            dtype=np.float64,
        )
        beyond = np.abs(values) > LARGEST
        if beyond.any():
            _refuse(column, int(np.argmax(beyond)), values[beyond][0], place)
        return values

    def _dates(self, column: Column, array: pa.Array, place: Place) -> NDArray[np.float64]:
        if is_date(array.type) or pt.is_null(array.type):
            return days_of(array)
        if not is_text(array.type):
            _refuse_type(column, array.type)
        return self._parsed(column, array, place, parse_dates)

    def _parsed(
        self,
        column: Column,
        array: pa.Array,
        place: Place,
        parse: Callable[[Sequence[str], Column], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """Texts as numbers or dates, NaN where one is missing."""
        texts = pc.utf8_trim_whitespace(pc.cast(array, pa.string()))
        if column.kind == "numeric":
            quick = _quick(texts, column.notation, missing=None)
            if quick is None:
                texts = pc.if_else(pa.array(self._missing(texts, weak=True)), None, texts)
                quick = _quick(texts, column.notation, missing=texts.null_count)
            if quick is not None:
                return quick
        # Each distinct text once; a column that comes here may have few of them.
        encoded = pc.dictionary_encode(texts)
        distinct = tidied(encoded.dictionary)
        held = distinct.to_pylist()
        numbers = parse(held, column) if held else np.zeros(0)
        absent = self._missing(distinct, weak=True)
        wrong = np.isnan(numbers) & ~absent
        numbers[absent] = np.nan
        codes = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False))
        if wrong.any():
            row = int(np.argmax(np.append(wrong, False)[codes]))
            _refuse(column, row, array[row].as_py(), place)
        if column.kind == "numeric":
            beyond = np.abs(numbers) > LARGEST
            if beyond.any():
                row = int(np.argmax(np.append(beyond, False)[codes]))
                _refuse(column, row, array[row].as_py(), place)
        return np.asarray(np.append(numbers, np.nan)[codes])

    def _missing(self, texts: pa.Array, *, weak: bool) -> NDArray[np.bool_]:
        """Which trimmed texts stand for a missing cell."""
        filled = pc.fill_null(texts, "")
        if self._markers is not None:
            return stand_for_missing(filled, self._markers)
        return among(filled, MISSING | WEAK if weak else MISSING, lower=True)

    def _codes(self, column: Column, array: pa.Array) -> tuple[NDArray[np.int32], list[Unmatched]]:
        """Codes, and the cells that have none although they are not missing."""
        known = self._indexes[column.name]
        if pt.is_decimal(array.type):
            array = pc.cast(array, pa.float64(), safe=False)
        if is_text(array.type):
            found = known.exact(array)
        elif pt.is_boolean(array.type) or is_numeric_type(array.type):
            found = np.full(len(array), UNKNOWN, dtype=np.int64)
        else:
            _refuse_type(column, array.type)
        found[np.asarray(pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False))] = (
            MISSING_CODE
        )
        left = np.flatnonzero(found == UNKNOWN)
        if not len(left):
            return found.astype(np.int32), []
        cells = array.take(pa.array(left)).to_pylist()
        codes = {cell: self._code(known, cell) for cell in dict.fromkeys(cells)}
        found[left] = [codes[cell] for cell in cells]
        strange = [
            Unmatched(int(position), cell, ambiguous=codes[cell] == AMBIGUOUS)
            for position, cell in zip(left.tolist(), cells, strict=True)
            if codes[cell] in (UNKNOWN, AMBIGUOUS)
        ]
        return np.maximum(found, MISSING_CODE).astype(np.int32), strange

    def _code(self, known: "_Categories", cell: str | float | bool) -> int:
        code = known.index.find(cell)
        if self._markers is not None and isinstance(cell, str) and code < 0:
            held = stand_for_missing(pa.array([tidy(cell)], pa.string()), self._markers)
            return MISSING_CODE if held[0] else UNKNOWN
        return code


class _Categories:
    """The categories of one column, for lookups of whole columns and of single cells."""

    def __init__(self, column: Column) -> None:
        self.index = CategoryIndex(column)
        self._categories = pa.array(column.categories, pa.string())

    def exact(self, texts: pa.Array) -> NDArray[np.int64]:
        """The code of each text that is a category as it is written, `UNKNOWN` for the others."""
        found = pc.index_in(pc.cast(texts, pa.string()), value_set=self._categories)
        return np.array(pc.fill_null(found, UNKNOWN).to_numpy(zero_copy_only=False), dtype=np.int64)


def _plain(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array, without a dictionary."""
    if isinstance(array, pa.ChunkedArray):
        array = (
            array.chunk(0)
            if array.num_chunks == 1
            else pa.concat_arrays([_plain(chunk) for chunk in array.chunks])
            if array.num_chunks
            else pa.array([], array.type)
        )
    if pt.is_dictionary(array.type):
        array = pc.cast(array, array.type.value_type)
    return array


def _quick(
    texts: pa.Array, notation: Notation | None, missing: int | None
) -> NDArray[np.float64] | None:
    """Trimmed texts as numbers, if all of them are such plainly, or with a decimal comma alone.

    `missing` is how many are null; none where nothing was looked for.
    """
    if notation == _COMMA:
        # "1," is no number with a decimal comma, and a point may separate thousands.
        doubtful = pc.match_substring_regex(texts, r"[.]|,$|,[eE]")
        if pc.any(doubtful, min_count=0).as_py():
            return None
        texts = pc.replace_substring(texts, ",", ".")
    elif notation not in (None, Notation()):
        return None
    try:
        cast = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        return None
    values = np.array(cast.to_numpy(zero_copy_only=False), dtype=np.float64)
    if int(np.isnan(values).sum()) != (missing or 0) or (np.abs(values) > LARGEST).any():
        return None
    return values


def _refuse(column: Column, row: int, cell: object, place: Place) -> NoReturn:
    words, line = place(row)
    shown = repr(shortened(cell)) if isinstance(cell, str) else str(cell)
    if column.kind == "date":
        fact = "which is no date as its others are written"
        remedy = "Write it so, or leave the cell empty if it is not known"
    else:
        fact = (
            f"which is no finite number of magnitude up to {LARGEST:.3g}, as its others are written"
        )
        remedy = (
            "Correct the cell, leave it empty if it is not known, or name its text in `missing`; "
            "of numbers in another notation, say `decimal` or `thousands`"
        )
    raise file_error(
        f"Column {column.name!r} holds {shown}{words}, {fact}. {remedy}.",
        "invalid_value",
        line=line,
        column=column.name,
    )


def _refuse_type(column: Column, kind: pa.DataType) -> NoReturn:
    raise file_error(
        f"Column {column.name!r} is of type {kind} here, and of kind {column.kind} in the data "
        f"that the model was trained on: each cell must be {_WORDS[column.kind]}.",
        "kind_mismatch",
        column=column.name,
    )
