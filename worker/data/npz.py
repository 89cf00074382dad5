"""NPZ: from a file of named NumPy arrays to a table.

Layouts::

    x, y                                features or images, and labels
    series, y                           series: the name tells them from images
    x_train, y_train, x_test, y_test    the same in two parts (or series_train, series_test)

`arrays.py` says which shapes there are.

Decisions:

* Arrays are read one by one with `numpy.lib.format`, whose default refuses pickles. An array of
  objects is refused by its header, before its content is read.
* Sizes come from the headers and are checked before anything is read.
* Parts are put one after the other, training rows first; `Table.parts` has their sizes.
* An array that no layout has is refused, not ignored.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.archive import DAMAGED
from worker.data.arrays import feature_cells, label_cells, series_cells, unfit
from worker.data.table import Table
from worker.errors import DataError

_ENDINGS = (("",), ("_train", "_test"))
_ACCEPTED = (
    "Give the arrays x and y, or x_train, y_train, x_test and y_test; for series, name them series "
    "in the place of x"
)
_DAMAGED = (*DAMAGED, SyntaxError, TokenError)
"""Of an archive, and of an array's header."""


@dataclass(frozen=True)
class NpzLimits:
    """How large the arrays may be."""

    rows: int = 10_000_000
    columns: int = 10_000
    bytes: int = 2 * 2**30
    """Of all arrays together, unpacked; features count as float64."""


def read_npz(path: Path, limits: NpzLimits | None = None) -> Table:
    """Read and type the file at `path`.

    Raises:
        DataError: it is damaged, has other arrays than a layout says, holds objects, is larger than
            `limits` allow, or its arrays do not fit each other. The message names the array.
    """
    limits = limits or NpzLimits()
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            what, endings = _layout([_name(entry) for entry in entries])
            _check(archive, entries, limits)
            arrays = {_name(entry): _read(archive, entry) for entry in entries}
    except _DAMAGED as error:
        raise _error(
            f"The file cannot be read as NPZ: {error}. Write it anew with numpy.savez_compressed.",
            "not_npz",
        ) from error
    sizes = _sizes(arrays, what, endings, limits)
    x, y = _joined(arrays, what, endings), _joined(arrays, "y", endings)
    features = [series_cells(x)] if what == "series" else feature_cells(x, columns=limits.columns)
    cells = [*features, label_cells(y)]
    return Table.of(cells, target="y", parts=sizes if len(endings) > 1 else None)


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy")


def _layout(names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """What the features are called, and the endings of the parts' names."""
    for what, endings in product(("x", "series"), _ENDINGS):
        wanted = [name + ending for name in (what, "y") for ending in endings]
        if sorted(names) == sorted(wanted):
            return what, endings
    shown = ", ".join(repr(name[:40]) for name in names[:10]) or "none"
    raise _error(
        f"The file's arrays are {shown}{', …' if len(names) > 10 else ''}. {_ACCEPTED}.",
        "unknown_layout",
    )


def _check(archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], limits: NpzLimits) -> None:
    """Refuse by the headers what cannot become a table."""
    size = 0
    for entry in entries:
        shape, dtype = _header(archive, entry)
        if dtype.hasobject:
            raise unfit(
                _name(entry),
                "holds Python objects, which are pickled; pickles are never opened",
                "Convert it to numbers, or labels to text, as in y.astype(str)",
                "pickled_array",
            )
        if min(shape, default=0) < 0:
            raise ValueError(f"the array {_name(entry)!r} has the shape {shape}")
        size += prod(shape) * max(8 if len(shape) == 2 else 1, dtype.itemsize)
    if size > limits.bytes:
        raise _error(
            f"Unpacked, the arrays take {size / 2**30:.1f} GiB; at most "
            f"{limits.bytes / 2**30:.1f} are read. Upload fewer rows, or images as uint8.",
            "too_large",
        )


def _header(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type, as the array's header says."""
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(entry) as file:
        return np.asarray(np.lib.format.read_array(file))


def _sizes(
    arrays: Mapping[str, NDArray[Any]], what: str, endings: Sequence[str], limits: NpzLimits
) -> dict[str, int]:
    """The rows of each part, by its name."""
    sizes = {}
    for ending in endings:
        x, y = arrays[what + ending], arrays["y" + ending]
        if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
            raise _error(
                f"The array {what + ending!r} has shape {x.shape}, 'y{ending}' has {y.shape}; they "
                "must have the same number of rows.",
                "shape_mismatch",
            )
        if len(x) == 0:
            raise unfit(what + ending, "has no rows", "Give at least one", "no_rows")
        sizes[ending.removeprefix("_")] = len(x)
    if sum(sizes.values()) > limits.rows:
        raise _error(
            f"The file has {sum(sizes.values()):,} rows; at most {limits.rows:,} are read. Upload "
            "a sample of them.",
            "too_many_rows",
        )
    return sizes


def _joined(arrays: Mapping[str, NDArray[Any]], name: str, endings: Sequence[str]) -> NDArray[Any]:
    parts = [arrays[name + ending] for ending in endings]
    if len({part.shape[1:] for part in parts}) > 1 or len({part.dtype.kind for part in parts}) > 1:
        shown = " and ".join(f"{part.dtype} {part.shape}" for part in parts)
        raise unfit(
            name + endings[-1],
            f"does not continue {name + endings[0]!r}: they are {shown}",
            "Give both the same type and shape, but for the rows",
            "shape_mismatch",
        )
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _error(message: str, code: str) -> DataError:
    return DataError(message, code=code, param="file")
