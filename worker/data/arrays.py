"""Arrays: from NumPy arrays, as an NPZ brings them, to columns.

Layouts::

    x        [N, F]                                 features: numeric columns x1 … xF
             [N, H, W], [N, C, H, W], [N, H, W, C]  images: one column, `image`
    series   [N, C, L]                              series: one column, `series`
    y        [N] or [N, 1]                          labels: column `y`

Decisions:

* Images have one to four channels, on the axis that is that short; if both could be, we do not
  guess. Channels come first in a table.
* uint8 stays as it is, pixels from 0 to 255; all other numbers of images become float32.
* Labels are typed as a CSV's: numbers are numeric, text and booleans categorical.
* NaN is a missing cell of a feature or a label; images have no missing pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.cells import LARGEST, MISSING
from worker.data.table import Column, categorical, images, numeric
from worker.errors import DataError

Cells = tuple[Column, NDArray[Any]]

MOST_CHANNELS = 4
"""An axis longer than this is no axis of channels."""
_SHAPES = (
    "Give features as [N, F], images as [N, H, W], [N, C, H, W] or [N, H, W, C]; name the array "
    "series for series [N, C, L]"
)


def feature_cells(x: NDArray[Any], *, columns: int) -> list[Cells]:
    """Numeric columns, at most `columns` of them, or one column of images.

    Raises:
        DataError: the shape is none of the layouts, the type is no number, or one is not finite.
    """
    _check_numbers("x", x)
    if x.ndim == 2:
        if not 1 <= x.shape[1] <= columns:
            raise unfit(
                "x", f"has {x.shape[1]:,} features", f"Give 1 to {columns:,}", "too_many_columns"
            )
        _check_finite("x", x, missing=True)
        return [numeric(f"x{place + 1}", x[:, place]) for place in range(x.shape[1])]
    if x.ndim == 3:
        return [_pixels("image", x[:, None])]
    if x.ndim != 4:
        raise unfit("x", f"has shape {x.shape}", _SHAPES, "unknown_layout")
    first, last = x.shape[1] <= MOST_CHANNELS, x.shape[3] <= MOST_CHANNELS
    if first is last:
        raise unfit(
            "x",
            f"has shape {x.shape}, in which {'both' if first else 'neither'} of the second and the "
            f"last axis can be 1 to {MOST_CHANNELS} channels",
            "Give images as [N, C, H, W] or [N, H, W, C]",
            "unknown_layout",
        )
    return [_pixels("image", x if first else np.moveaxis(x, 3, 1))]


def series_cells(x: NDArray[Any]) -> Cells:
    """One column of series.

    Raises:
        DataError: the shape is not [N, C, L], the type is no number, or one is not finite.
    """
    _check_numbers("series", x)
    if x.ndim != 3:
        raise unfit(
            "series",
            f"has shape {x.shape}",
            "Give [N, C, L]: rows, channels, length",
            "unknown_layout",
        )
    return _pixels("series", x)


def label_cells(y: NDArray[Any]) -> Cells:
    """The column of labels.

    Raises:
        DataError: there is not one label a row, or it is no number, boolean or text.
    """
    flat = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if flat.ndim != 1:
        raise unfit(
            "y",
            f"has shape {y.shape}",
            "Give one label a row, [N]: class numbers instead of one-hot rows (y.argmax(1))",
            "unknown_layout",
        )
    if flat.dtype.kind in "uif":
        _check_finite("y", flat, missing=True)
        return numeric("y", flat)
    if flat.dtype.kind == "b":
        return categorical("y", ("false", "true"), flat)
    if flat.dtype.kind != "U":
        raise unfit(
            "y",
            f"is of type {flat.dtype}",
            "Give numbers, booleans or text (y.astype(str))",
            "unsupported_column",
        )
    distinct, codes = np.unique(np.strings.strip(flat), return_inverse=True)
    names = distinct.tolist()
    missing = np.array([name.lower() in MISSING for name in names], dtype=bool)
    return categorical("y", names, np.where(missing[codes], -1, codes))


def unfit(name: str, fact: str, remedy: str, code: str) -> DataError:
    """The error of one array."""
    return DataError(f"The array {name!r} {fact}. {remedy}.", code=code, param="file", array=name)


def _pixels(name: str, x: NDArray[Any]) -> Cells:
    array = "x" if name == "image" else name
    if 0 in x.shape:
        raise unfit(array, f"has shape {x.shape}, of nothing", "Give values", "unknown_layout")
    _check_finite(array, x, missing=False)
    return images(name, x)


def _check_numbers(name: str, x: NDArray[Any]) -> None:
    if x.dtype.kind not in "buif":
        raise unfit(name, f"is of type {x.dtype}", "Give numbers", "unsupported_column")


def _check_finite(name: str, values: NDArray[Any], *, missing: bool) -> None:
    """Refuse what float32 cannot hold; NaN passes where a cell may be missing."""
    if values.dtype.kind != "f":
        return
    fine = np.isfinite(values)
    if values.dtype.itemsize > 4:
        fine &= np.abs(values) <= LARGEST
    if missing:
        fine |= np.isnan(values)
    if not fine.all():
        row = int(np.argmin(fine.reshape(len(values), -1).all(axis=1)))
        raise unfit(
            name,
            f"holds, in row {row:,} (counted from 0), what is not a finite number of magnitude up "
            f"to {LARGEST:.3g}",
            "Correct it, or leave the row out",
            "not_finite",
        )
