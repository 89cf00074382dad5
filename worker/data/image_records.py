"""Images and series of a prediction request: nested arrays to one array.

Decisions:

* Numbers are in the unit of the uploaded data: pixels from 0 to 255 if they were uint8.
* Shapes are those of the table, channels first. Images may have their channels last where that
  cannot be mistaken, and leave the axis out if there is one channel.
* Text and null are refused: an image has no missing pixels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.cells import LARGEST
from worker.data.table import Column
from worker.errors import DataError


def image_values(column: Column, cells: Sequence[Any]) -> NDArray[np.float32]:
    """float32 [N, *shape] of one nested array an instance.

    Raises:
        DataError: one is no array of finite numbers of the column's shape; `param` names it, as in
            `instances.3.image`.
    """
    whole = _array(cells)
    if whole is not None and whole.shape[1:] == column.shape and _is_finite(whole):
        return whole.astype(np.float32)
    # Shapes may differ from one instance to the next, and one of them may be wrong.
    return np.stack([_value(column, position, cell) for position, cell in enumerate(cells)])


def _value(column: Column, position: int, cell: Any) -> NDArray[np.float32]:
    where = f"Column {column.name!r} of instance {position}"
    param = f"instances.{position}.{column.name}"
    shape = " x ".join(map(str, column.shape))
    if not isinstance(cell, list | tuple):
        raise DataError(
            f"{where} is no array; give nested arrays of shape {shape}.",
            code="invalid_value",
            param=param,
        )
    array = _array(cell)
    if array is None:
        raise DataError(
            f"{where} must be numbers in nested arrays of shape {shape}; it holds something else, "
            "or arrays of unequal length.",
            code="invalid_value",
            param=param,
        )
    placed = _placed(array, column.shape)
    if placed is None:
        found = " x ".join(map(str, array.shape))
        raise DataError(
            f"{where} has shape {found}; the model takes {shape} "
            f"({'channels, height, width' if len(column.shape) == 3 else 'channels, length'}).",
            code="shape_mismatch",
            param=param,
            shape=list(column.shape),
        )
    if not _is_finite(placed):
        raise DataError(
            f"{where} must hold finite numbers of magnitude up to {LARGEST:.3g}.",
            code="not_finite",
            param=param,
        )
    return placed.astype(np.float32)


def _array(cells: Sequence[Any]) -> NDArray[Any] | None:
    """The nested arrays as one, if they are numbers and regular; text is not parsed."""
    try:
        array = np.array(cells)
    except (ValueError, OverflowError):
        return None
    return array if array.dtype.kind in "iuf" else None


def _placed(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """The array with its axes where they belong, if its shape is one that is taken."""
    if array.shape == shape:
        return array
    if array.shape == shape[1:] and shape[0] == 1:
        return array[None]
    if len(shape) == 3 and array.shape == (*shape[1:], shape[0]):
        return np.moveaxis(array, 2, 0)
    return None


def _is_finite(array: NDArray[Any]) -> bool:
    return bool((np.abs(array.astype(np.float64)) <= LARGEST).all())
