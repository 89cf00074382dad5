"""Arrays: from typed columns, as tensors and data frames hold them, to records.

Decisions:

* The rules are those of a request's instances (`records.py`), so that a row has one meaning however
  it comes. NaN is a missing cell, and so are the texts that stand for one.
* A numeric column takes any numbers but booleans, and texts as `records.py` does; a date column
  takes texts; a categorical one takes texts, numbers and booleans.
* Images come as one array of all rows, in the shape of the table or with the channels last where
  that cannot be mistaken.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.nested import cell_error, channels_first, check_bytes
from worker.data.records import Records
from worker.data.table import LARGEST, Column, Table, suggest
from worker.errors import DataError


def read_arrays(
    columns: Sequence[Column],
    arrays: Mapping[str, NDArray[Any]],
    *,
    beside: Collection[str] = (),
    extra: bool = False,
    as_bytes: bool = False,
) -> Records:
    """Read columns: [N] each, of an image column [N, *shape].

    Args:
        columns: the columns that there must be.
        arrays: by name; an array of texts is one of objects, `str` each.
        beside: further columns that there may be; they are not read.
        extra: whether there may be any others as well.
        as_bytes: whether pixels are numbers from 0 to 255.

    Raises:
        DataError: a column is absent, unknown, of another length or type, or there are no rows.
    """
    names = [column.name for column in columns]
    unknown = [name for name in arrays if name not in {*names, *beside}]
    if unknown and not extra:
        raise DataError(
            f"There is a column {unknown[0]!r}, which the model does not know. "
            f'{suggest(unknown[0], names)} To send columns that are not read, say "extra": '
            '"ignore".',
            code="unknown_column",
            param=unknown[0],
        )
    lacking = [column.name for column in columns if column.optional and column.name not in arrays]
    if lacking and arrays:
        rows = len(next(iter(arrays.values())))
        arrays = {**arrays, **dict.fromkeys(lacking, np.full(rows, np.nan))}
    for name in names:
        if name not in arrays:
            raise DataError(
                f"The column {name!r} is not there. Add it, with missing cells if its values are "
                "not known.",
                code="missing_column",
                param=name,
            )
    rows = len(arrays[names[0]])
    for name in names:
        if len(arrays[name]) != rows:
            raise DataError(
                f"Column {name!r} has {len(arrays[name]):,} rows, and {names[0]!r} has {rows:,}; "
                "give each as many.",
                code="shape_mismatch",
                param=name,
            )
    if not rows:
        raise DataError("There are no rows; give at least one.", code="no_instances")
    if columns[0].kind == "image":
        return _images(columns[0], arrays[names[0]], as_bytes=as_bytes)
    numbers = {
        column.name: _numbers(column, arrays[column.name])
        for column in columns
        if column.kind == "numeric" and is_numeric(arrays[column.name])
    }
    cells = {name: _cells(arrays[name]) for name in names if name not in numbers}
    return Records.of_cells(columns, cells, numbers)


def is_numeric(array: NDArray[Any]) -> bool:
    """Whether an array holds numbers; booleans are none."""
    return array.dtype.kind in "iuf"


def check_numbers(columns: Sequence[Column], matrix: NDArray[Any]) -> None:
    """Refuse numbers [N, P], one of each column, that no cell may hold; NaN is a missing cell.

    Raises:
        DataError: naming the column and the instance.
    """
    if matrix.dtype.kind != "f" or not matrix.size:
        return
    if float(np.abs(matrix).max()) <= LARGEST:
        return
    beyond = np.abs(matrix) > np.float64(LARGEST)  # in float16 it would be infinite
    if beyond.any():
        position, place = (int(index) for index in np.argwhere(beyond)[0])
        raise cell_error(
            f"Column {columns[place].name!r} of instance {position} must be a finite number of "
            f"magnitude up to {LARGEST:.3g}. Give NaN if it is not known.",
            "not_finite",
            columns[place],
            position,
        )


def _numbers(column: Column, array: NDArray[Any]) -> NDArray[np.float64]:
    check_numbers([column], array[:, None])
    return array.astype(np.float64)


def _cells(array: NDArray[Any]) -> Sequence[object]:
    """Cells as JSON has them."""
    cells: list[object] = array.tolist()
    if array.dtype.kind == "f":
        for position in np.flatnonzero(np.isnan(array)).tolist():
            cells[position] = None
    return cells


def _images(column: Column, array: NDArray[Any], *, as_bytes: bool) -> Records:
    pixels = channels_first(array, column.shape)
    if pixels is None or not is_numeric(array):
        raise DataError(
            f"Column {column.name!r} holds {array.dtype.name} of shape {list(array.shape)}; the "
            f"model takes numbers of shape {[len(array), *column.shape]}.",
            code="shape_mismatch",
            param=column.name,
            shape=list(column.shape),
        )
    images = pixels.astype(np.float32)
    beyond = ~np.isfinite(images.reshape(len(images), -1)).all(axis=1)
    if beyond.any():
        raise cell_error(
            f"Column {column.name!r} of instance {int(beyond.argmax())} must hold finite numbers "
            f"of magnitude up to {LARGEST:.3g}.",
            "not_finite",
            column,
            int(beyond.argmax()),
        )
    if as_bytes:
        check_bytes(column, images)
    return Records(Table(columns=(column,), values={column.name: images}, rows=len(images)))
