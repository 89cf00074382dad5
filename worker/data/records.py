"""Records: from the instances of a prediction request to a table.

Decisions:

* An instance is an object by column name, or an array in the order of the columns. All columns
  are given; null means missing, and so does a text that stands for a missing cell in a CSV.
* A numeric column takes numbers only: a text that looks like one is refused, not guessed at.
* A categorical column takes text, and numbers and booleans by their text. A category that the
  model does not know is allowed; it encodes to zeros.
* A model of images or series takes each as nested arrays of its shape, with or without an object
  around it: see `image_records.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.cells import LARGEST, is_missing
from worker.data.image_records import image_values
from worker.data.table import MISSING_CODE, Column, Table, suggest
from worker.errors import DataError

_NUMBERS = {int, float, type(None)}


def table_from_records(columns: Sequence[Column], instances: Sequence[Any]) -> Table:
    """A table of these columns and instances.

    Raises:
        DataError: there are no instances; one lacks a column, has an unknown one, or holds a
            value of the wrong type. `param` names it, as in `instances.3.age`.
    """
    if not instances:
        raise DataError(
            "There are no instances; give at least one.", code="no_instances", param="instances"
        )
    names = tuple(column.name for column in columns)
    if any(column.kind == "image" for column in columns):
        (column,) = columns
        nested = [
            _row(names, position, instance)[0] if isinstance(instance, Mapping) else instance
            for position, instance in enumerate(instances)
        ]
        pixels = image_values(column, nested)
        return Table(columns=(column,), values={column.name: pixels}, rows=len(pixels))
    rows = [_row(names, position, instance) for position, instance in enumerate(instances)]
    cells = dict(zip(names, zip(*rows, strict=True), strict=True))
    numbers = _numbers([column for column in columns if column.kind == "numeric"], cells)
    values: dict[str, NDArray[Any]] = {
        column.name: numbers[column.name]
        if column.kind == "numeric"
        else _codes(column, cells[column.name])
        for column in columns
    }
    return Table(columns=tuple(columns), values=values, rows=len(rows))


def _row(names: tuple[str, ...], position: int, instance: Any) -> Sequence[Any]:
    """The instance's cells in the order of the columns."""
    param = f"instances.{position}"
    if isinstance(instance, Mapping):
        if len(instance) == len(names):
            try:
                return [instance[name] for name in names]
            except KeyError:
                pass  # Found and named below.
        for name in instance:
            if name not in names:
                raise DataError(
                    f"Instance {position} has a column {name!r}, which the model does not know. "
                    f"{suggest(str(name), names)}",
                    code="unknown_column",
                    param=f"{param}.{name}",
                )
        absent = next(name for name in names if name not in instance)
        raise DataError(
            f"Instance {position} lacks the column {absent!r}. Add it, with null if its value is "
            "not known.",
            code="missing_column",
            param=f"{param}.{absent}",
        )
    if not isinstance(instance, list | tuple):
        raise DataError(
            f"Instance {position} is {_shown(instance)}; give an object by column name, or an "
            f"array of {len(names)} values.",
            code="invalid_instance",
            param=param,
        )
    if len(instance) != len(names):
        raise DataError(
            f"Instance {position} has {len(instance)} values; the model takes {len(names)}, in "
            f"this order: {', '.join(names[:20])}{', …' if len(names) > 20 else ''}.",
            code="invalid_instance",
            param=param,
        )
    return instance


def _numbers(
    columns: Sequence[Column], cells: Mapping[str, tuple[Any, ...]]
) -> dict[str, NDArray[np.float64]]:
    """The numeric columns: all in one array if nothing is wrong with them, else cell by cell."""
    rows = [cells[column.name] for column in columns]
    if {type(cell) for row in rows for cell in row} <= _NUMBERS:
        try:
            block = np.array(rows, dtype=np.float64)  # None becomes NaN
        except OverflowError:
            block = np.full(1, np.inf)
        absent = sum(row.count(None) for row in rows)
        if not (np.abs(block) > LARGEST).any() and np.isnan(block).sum() == absent:
            return dict(zip((column.name for column in columns), block, strict=True))
    return {
        column.name: np.array(
            [_number(column, position, cell) for position, cell in enumerate(row)], dtype=np.float64
        )
        for column, row in zip(columns, rows, strict=True)
    }


def _number(column: Column, position: int, cell: Any) -> float:
    """One cell of a numeric column; the slow road, which knows which cell is wrong."""
    if cell is None or (isinstance(cell, str) and is_missing(cell)):
        return np.nan
    param = f"instances.{position}.{column.name}"
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise DataError(
            f"Column {column.name!r} is numeric, but instance {position} has {_shown(cell)}. Give "
            "a number, or null if it is not known.",
            code="invalid_value",
            param=param,
        )
    if not abs(cell) <= LARGEST:
        raise DataError(
            f"Column {column.name!r} of instance {position} must be a finite number of magnitude "
            f"up to {LARGEST:.3g}. Give null if it is not known.",
            code="not_finite",
            param=param,
        )
    return float(cell)


def _codes(column: Column, cells: tuple[Any, ...]) -> NDArray[np.int32]:
    codes = {label: code for code, label in enumerate(column.categories)}
    return np.array(
        [
            codes[cell]
            if type(cell) is str and cell in codes
            else _code(column, codes, position, cell)
            for position, cell in enumerate(cells)
        ],
        dtype=np.int32,
    )


def _code(column: Column, codes: Mapping[str, int], position: int, cell: Any) -> int:
    """One cell that is not, as it stands, the name of a category."""
    if cell is None:
        return MISSING_CODE
    match cell:
        case str():
            spellings = [cell.strip()]
        case bool():
            spellings = [str(cell).lower(), str(cell), str(cell).upper()]
        case int():
            spellings = [str(cell), f"{cell}.0"]
        case float():
            spellings = [repr(cell), repr(cell).removesuffix(".0")]
        case _:
            raise DataError(
                f"Column {column.name!r} is categorical, but instance {position} has "
                f"{_shown(cell)}. Give a text, or null if it is not known.",
                code="invalid_value",
                param=f"instances.{position}.{column.name}",
            )
    return next((codes[text] for text in spellings if text in codes), MISSING_CODE)


def _shown(value: Any) -> str:
    """A value as JSON calls it."""
    match value:
        case None:
            return "null"
        case bool():
            return f"the boolean {str(value).lower()}"
        case str():
            return f"the text {value[:40]!r}"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "an array"
        case _:
            return "an object"
