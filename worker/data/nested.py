"""Nested arrays: the images and series of a prediction request, as JSON has them.

Decisions:

* Numbers are in the unit of the uploaded data: pixels from 0 to 255 if they were uint8, and no
  others.
* The shape is that of the table, channels first. An image may have its channels last where that
  cannot be mistaken, and leave the axis out if there is one channel.
* Nothing is missing: text and null are refused.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.table import LARGEST, Column
from worker.errors import DataError

LARGEST_BYTE = 255.0


def cell_error(
    message: str, code: str, column: Column, position: int, **extra: object
) -> DataError:
    """The error of one cell: of `column` in the instance at `position`."""
    return DataError(message, code=code, param=f"instances.{position}.{column.name}", **extra)


def nested_images(column: Column, cells: Sequence[object]) -> NDArray[np.float32]:
    """Nested arrays, one an instance → float32 [N, *shape].

    Raises:
        DataError: one is not made of finite numbers, or has another shape; `param` names it.
    """
    stacked = _array(cells)
    if stacked is not None and stacked.shape[1:] == column.shape and _is_finite(stacked):
        return stacked.astype(np.float32)
    # Shapes may differ from one instance to the next, and one of them may be wrong.
    return np.stack([_image(column, position, cell) for position, cell in enumerate(cells)])


def check_bytes(column: Column, pixels: NDArray[np.float32]) -> None:
    """Refuse pixels that no byte holds.

    Raises:
        DataError: with code `pixels_out_of_range`, naming the first instance that has one.
    """
    flat = pixels.reshape(len(pixels), -1)
    beyond = (flat.min(axis=1) < 0.0) | (flat.max(axis=1) > LARGEST_BYTE)
    if not beyond.any():
        return
    position = int(beyond.argmax())
    pixel = flat[position].max() if flat[position].max() > LARGEST_BYTE else flat[position].min()
    raise cell_error(
        f"Column {column.name!r} of instance {position} has a pixel of {pixel:g}; the model was "
        "trained on pixels from 0 to 255, and takes no others. Send them as they were uploaded, "
        "not centred or scaled.",
        "pixels_out_of_range",
        column,
        position,
    )


def _image(column: Column, position: int, cell: object) -> NDArray[np.float32]:
    subject = f"Column {column.name!r} of instance {position}"
    shape = _by(column.shape)
    if not isinstance(cell, list | tuple):
        raise cell_error(
            f"{subject} is no array; give nested arrays of shape {shape}.",
            "invalid_value",
            column,
            position,
        )
    array = _array(cell)
    if array is None:
        raise cell_error(
            f"{subject} must be numbers in nested arrays of shape {shape}; it holds something "
            "else, or arrays of unequal length.",
            "invalid_value",
            column,
            position,
        )
    pixels = channels_first(array[None], column.shape)
    if pixels is None:
        raise cell_error(
            f"{subject} has shape {_by(array.shape)}; the model takes {shape} "
            f"({'channels, height, width' if len(column.shape) == 3 else 'channels, length'}).",
            "shape_mismatch",
            column,
            position,
            shape=list(column.shape),
        )
    if not _is_finite(pixels):
        raise cell_error(
            f"{subject} must hold finite numbers of magnitude up to {LARGEST:.3g}.",
            "not_finite",
            column,
            position,
        )
    return np.asarray(pixels[0], dtype=np.float32)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _array(cells: Sequence[object]) -> NDArray[Any] | None:
    """The nested arrays as one, if they are numbers and regular; text is not parsed."""
    try:
        # Not without a type: one long text would make all cells as long.
        array = np.array(cells, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    flat: Iterable[Any] = [cells]
    for _ in range(array.ndim):
        flat = chain.from_iterable(flat)
    return array if set(map(type, flat)) <= {int, float} else None


def channels_first(arrays: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Arrays [N, …] with their axes in the order of `shape`, if each can be one of that shape."""
    given = arrays.shape[1:]
    if given == shape:
        return arrays
    if given == shape[1:] and shape[0] == 1:
        return arrays[:, None]
    if len(shape) == 3 and given == (*shape[1:], shape[0]):
        return np.moveaxis(arrays, 3, 1)
    return None


def _is_finite(array: NDArray[Any]) -> bool:
    return bool((np.abs(array.astype(np.float64)) <= LARGEST).all())
