"""Records: from the instances of a prediction request to a table.

Decisions:

* An instance is an object by column name, or an array in the order of the columns. All columns
  are given; null means missing, and so does a text that stands for a missing cell in a CSV.
* A numeric column takes numbers only: a text that looks like one is refused, not guessed at.
* A categorical column takes text, and numbers and booleans by their text. A category that the
  model does not know is allowed; it encodes to zeros.
* A model of images or series takes each as nested arrays of its shape, with or without an object
  around it. Numbers are in the unit of the uploaded data: pixels from 0 to 255 if they were uint8.
* The shape is that of the table, channels first. An image may have its channels last where that
  cannot be mistaken, and leave the axis out if there is one channel. It has no missing pixels: text
  and null are refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.table import LARGEST, MISSING_CODE, Column, Table, is_missing, suggest
from worker.errors import DataError

_NUMBER_TYPES = {int, float, type(None)}


def table_from_records(columns: Sequence[Column], instances: Sequence[object]) -> Table:
    """A table of these columns and instances, which are values as JSON has them.

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
            _cells(names, position, instance)[0] if isinstance(instance, Mapping) else instance
            for position, instance in enumerate(instances)
        ]
        pixels = _images(column, nested)
        return Table(columns=(column,), values={column.name: pixels}, rows=len(pixels))
    rows = [_cells(names, position, instance) for position, instance in enumerate(instances)]
    cells = dict(zip(names, zip(*rows, strict=True), strict=True))
    numbers = _numbers([column for column in columns if column.kind == "numeric"], cells)
    values: dict[str, NDArray[Any]] = {
        column.name: numbers[column.name]
        if column.kind == "numeric"
        else _codes(column, cells[column.name])
        for column in columns
    }
    return Table(columns=tuple(columns), values=values, rows=len(rows))


def _cells(names: tuple[str, ...], position: int, instance: object) -> Sequence[object]:
    """The instance's cells in the order of the columns."""
    param = f"instances.{position}"
    if isinstance(instance, Mapping):
        if len(instance) == len(names):
            try:
                return [instance[name] for name in names]
            except KeyError:
                pass  # Named below.
        known = set(names)
        for name in instance:
            if name not in known:
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
            f"Instance {position} is {_as_json(instance)}; give an object by column name, or an "
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


def _cell_error(
    message: str, code: str, column: Column, position: int, **extra: object
) -> DataError:
    """The error of one cell: of `column` in the instance at `position`."""
    return DataError(message, code=code, param=f"instances.{position}.{column.name}", **extra)


def _numbers(
    columns: Sequence[Column], cells: Mapping[str, tuple[Any, ...]]
) -> dict[str, NDArray[np.float64]]:
    """The numeric columns: all in one array if nothing is wrong with them, else cell by cell."""
    cells_by_column = [cells[column.name] for column in columns]
    if {type(cell) for row in cells_by_column for cell in row} <= _NUMBER_TYPES:
        try:
            block = np.array(cells_by_column, dtype=np.float64)  # None becomes NaN
        except OverflowError:
            block = np.full(1, np.inf)
        absent = sum(row.count(None) for row in cells_by_column)
        if not (np.abs(block) > LARGEST).any() and np.isnan(block).sum() == absent:
            return dict(zip((column.name for column in columns), block, strict=True))
    return {
        column.name: np.array(
            [_number(column, position, cell) for position, cell in enumerate(row)], dtype=np.float64
        )
        for column, row in zip(columns, cells_by_column, strict=True)
    }


def _number(column: Column, position: int, cell: object) -> float:
    """One cell of a numeric column; slower than all at once, but knows which cell is wrong."""
    if cell is None or (isinstance(cell, str) and is_missing(cell)):
        return np.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise _cell_error(
            f"Column {column.name!r} is numeric, but instance {position} has {_as_json(cell)}. "
            "Give a number, or null if it is not known.",
            "invalid_value",
            column,
            position,
        )
    if not abs(cell) <= LARGEST:
        raise _cell_error(
            f"Column {column.name!r} of instance {position} must be a finite number of magnitude "
            f"up to {LARGEST:.3g}. Give null if it is not known.",
            "not_finite",
            column,
            position,
        )
    return float(cell)


def _codes(column: Column, cells: Sequence[object]) -> NDArray[np.int32]:
    codes = {category: code for code, category in enumerate(column.categories)}
    return np.array(
        [
            codes[cell]
            if type(cell) is str and cell in codes
            else _code(column, codes, position, cell)
            for position, cell in enumerate(cells)
        ],
        dtype=np.int32,
    )


def _code(column: Column, codes: Mapping[str, int], position: int, cell: object) -> int:
    """The code of a cell that is not, as it stands, the name of a category."""
    match cell:
        case None:
            return MISSING_CODE
        case str():
            spellings = [cell.strip()]
        case bool():
            spellings = [str(cell).lower(), str(cell), str(cell).upper()]
        case int():
            spellings = [str(cell), f"{cell}.0"]
        case float():
            spellings = [repr(cell), repr(cell).removesuffix(".0")]
        case _:
            raise _cell_error(
                f"Column {column.name!r} is categorical, but instance {position} has "
                f"{_as_json(cell)}. Give a text, or null if it is not known.",
                "invalid_value",
                column,
                position,
            )
    return next((codes[text] for text in spellings if text in codes), MISSING_CODE)


def _as_json(value: object) -> str:
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


def _images(column: Column, cells: Sequence[object]) -> NDArray[np.float32]:
    """Nested arrays, one an instance → float32 [N, *shape]."""
    stacked = _array(cells)
    if stacked is not None and stacked.shape[1:] == column.shape and _is_finite(stacked):
        return stacked.astype(np.float32)
    # Shapes may differ from one instance to the next, and one of them may be wrong.
    return np.stack([_image(column, position, cell) for position, cell in enumerate(cells)])


def _image(column: Column, position: int, cell: object) -> NDArray[np.float32]:
    subject = f"Column {column.name!r} of instance {position}"
    shape = _by(column.shape)
    if not isinstance(cell, list | tuple):
        raise _cell_error(
            f"{subject} is no array; give nested arrays of shape {shape}.",
            "invalid_value",
            column,
            position,
        )
    array = _array(cell)
    if array is None:
        raise _cell_error(
            f"{subject} must be numbers in nested arrays of shape {shape}; it holds something "
            "else, or arrays of unequal length.",
            "invalid_value",
            column,
            position,
        )
    pixels = _channels_first(array, column.shape)
    if pixels is None:
        raise _cell_error(
            f"{subject} has shape {_by(array.shape)}; the model takes {shape} "
            f"({'channels, height, width' if len(column.shape) == 3 else 'channels, length'}).",
            "shape_mismatch",
            column,
            position,
            shape=list(column.shape),
        )
    if not _is_finite(pixels):
        raise _cell_error(
            f"{subject} must hold finite numbers of magnitude up to {LARGEST:.3g}.",
            "not_finite",
            column,
            position,
        )
    return pixels.astype(np.float32)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _array(cells: Sequence[object]) -> NDArray[Any] | None:
    """The nested arrays as one, if they are numbers and regular; text is not parsed."""
    try:
        array = np.array(cells)
    except (ValueError, OverflowError):
        return None
    return array if array.dtype.kind in "iuf" else None


def _channels_first(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """The array with its axes in the order of `shape`, if it can be one of that shape."""
    if array.shape == shape:
        return array
    if array.shape == shape[1:] and shape[0] == 1:
        return array[None]
    if len(shape) == 3 and array.shape == (*shape[1:], shape[0]):
        return np.moveaxis(array, 2, 0)
    return None


def _is_finite(array: NDArray[Any]) -> bool:
    return bool((np.abs(array.astype(np.float64)) <= LARGEST).all())
