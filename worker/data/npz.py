"""NPZ: from a file of named NumPy arrays to a table.

Arrays, [N, …] of N rows::

    x, y                                features or images, and labels
    series, y                           series: the name tells them from images
    x_train, y_train, x_test, y_test    the same in two parts (or series_train, series_test)

Shapes::

    x        [N, F]                                 features: numeric columns x1 … xF
             [N, H, W], [N, C, H, W], [N, H, W, C]  images: one column, `image`
    series   [N, C, L]                              series: one column, `series`
    y        [N] or [N, 1]                          labels: column `y`

Decisions:

* Arrays are read one by one with `numpy.lib.format`, whose default refuses pickles. An array of
  objects is refused by its header, before its content is read. `numpy.load` would not spare that:
  it reads an array's header and content at once, and sizes must be known before.
* Sizes come from the headers and are checked before anything is read.
* Parts are put one after the other, training rows first; `Table.parts` has their sizes.
* An array of another name is refused, not ignored.
* Images have one to four channels, on the axis that is that short; if both could be, we do not
  guess. Channels come first in a table.
* uint8 stays as it is, pixels from 0 to 255; all other numbers of images become float32.
* Labels are typed as a CSV's: numbers are numeric, text and booleans categorical.
* NaN is a missing cell of a feature or a label; images have no missing pixels.
"""

import sys
import zipfile
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from tokenize import TokenError
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from worker.data.archive import DAMAGED
from worker.data.cells import TextColumns
from worker.data.drafts import Draft, bounded_findings
from worker.data.markers import Markers, marker_findings
from worker.data.mixture import is_measurement, numbers_of
from worker.data.patterns import numbers_among
from worker.data.reading import (
    LIMITS,
    FileLimits,
    Source,
    file_error,
    too_large_unpacked,
    too_many_rows,
)
from worker.data.table import LARGEST, Cells, Table, categorical, images, is_missing, numeric
from worker.data.text_findings import fits_float64, large_numbers
from worker.errors import DataError
from worker.spec import Reading

MOST_CHANNELS = 4
"""An axis longer than this is no axis of channels."""
_PARTS = (("",), ("_train", "_test"))
"""The endings of the arrays' names: of a file in one part, and in two."""
_ACCEPTED_NAMES = (
    "Give the arrays x and y, or x_train, y_train, x_test and y_test; for series, name them series "
    "in the place of x"
)
_ACCEPTED_SHAPES = (
    "Give features as [N, F], images as [N, H, W], [N, C, H, W] or [N, H, W, C]; name the array "
    "series for series [N, C, L]"
)
_DAMAGED = (*DAMAGED, SyntaxError, TokenError)
"""Of an archive, and of an array's header."""


def read_npz(source: Source, limits: FileLimits = LIMITS, reading: Reading | None = None) -> Table:
    """Read and type a file; of `reading`, `missing` matters: which labels are none, and which
    numbers of features.

    Raises:
        DataError: it is damaged, has arrays of other names, holds objects, is larger than `limits`
            allow, or its arrays do not fit each other. The message names the array.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            features, endings = _layout([_name(entry) for entry in entries])
            _check_headers(archive, entries, limits)
            arrays = {_name(entry): _read(archive, entry) for entry in entries}
    except _DAMAGED as error:
        raise file_error(
            "The file cannot be read as NPZ: it is damaged, or holds something else than plain "
            "arrays. Write it anew with numpy.savez_compressed.",
            "not_npz",
        ) from error
    sizes = _part_sizes(arrays, features, endings, limits)
    x, y = _joined(arrays, features, endings), _joined(arrays, "y", endings)
    markers = None if reading is None else reading.missing
    numbers = numbers_among(markers or ())
    cells = [_series_cells(x)] if features == "series" else _feature_cells(x, limits, numbers)
    parts = sizes if len(endings) > 1 else None
    labels, drafts = _label_cells(y, markers)
    return Table.of([*cells, labels], target="y", parts=parts, findings=bounded_findings(drafts))


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy")


def _layout(names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """What the features are called, and the endings of the parts' names."""
    for features, endings in product(("x", "series"), _PARTS):
        expected = [name + ending for name in (features, "y") for ending in endings]
        if sorted(names) == sorted(expected):
            return features, endings
    shown = ", ".join(repr(name[:40]) for name in names[:10]) or "none"
    raise file_error(
        f"The file's arrays are {shown}{', …' if len(names) > 10 else ''}. {_ACCEPTED_NAMES}.",
        "unknown_layout",
    )


def _check_headers(
    archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], limits: FileLimits
) -> None:
    """Refuse by the headers what cannot become a table."""
    size = 0
    for entry in entries:
        shape, dtype = _header(archive, entry)
        if dtype.hasobject:
            raise _unfit(
                _name(entry),
                "holds Python objects, which are pickled; pickles are never opened",
                "Convert it to numbers, or labels to text, as in y.astype(str)",
                "pickled_array",
            )
        if dtype.kind == "U" and dtype.itemsize // 4 > limits.cell:
            raise _unfit(
                _name(entry),
                f"holds texts of up to {dtype.itemsize // 4:,} characters; at most "
                f"{limits.cell:,} are read",
                "Give short labels",
                "cell_too_long",
            )
        if min(shape, default=0) < 0:
            raise ValueError(f"the array {_name(entry)!r} has the shape {shape}")
        size += prod(shape) * max(8 if len(shape) == 2 else 1, dtype.itemsize)
    if size > limits.bytes:
        raise too_large_unpacked(
            "Unpacked, the arrays take",
            size,
            limits.bytes,
            "Upload fewer rows, or images as uint8.",
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


def _part_sizes(
    arrays: Mapping[str, NDArray[Any]], features: str, endings: Sequence[str], limits: FileLimits
) -> dict[str, int]:
    """The rows of each part, by its name."""
    sizes = {}
    for ending in endings:
        x, y = arrays[features + ending], arrays["y" + ending]
        if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
            raise file_error(
                f"The array {features + ending!r} has shape {x.shape}, 'y{ending}' has {y.shape}; "
                "they must have the same number of rows.",
                "shape_mismatch",
            )
        if len(x) == 0:
            raise _unfit(features + ending, "has no rows", "Give at least one", "no_rows")
        sizes[ending.removeprefix("_")] = len(x)
    if sum(sizes.values()) > limits.rows:
        raise too_many_rows(sum(sizes.values()), limits)
    return sizes


def _joined(arrays: Mapping[str, NDArray[Any]], name: str, endings: Sequence[str]) -> NDArray[Any]:
    parts = [arrays[name + ending] for ending in endings]
    if len({part.shape[1:] for part in parts}) > 1 or len({part.dtype.kind for part in parts}) > 1:
        shown = " and ".join(f"{part.dtype} {part.shape}" for part in parts)
        raise _unfit(
            name + endings[-1],
            f"does not continue {name + endings[0]!r}: they are {shown}",
            "Give both the same type and shape, but for the rows",
            "shape_mismatch",
        )
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _feature_cells(x: NDArray[Any], limits: FileLimits, markers: Sequence[float]) -> list[Cells]:
    """Numeric columns, or one column of images."""
    _check_numbers("x", x)
    if x.ndim == 2:
        if not 1 <= x.shape[1] <= limits.columns:
            raise _unfit(
                "x",
                f"has {x.shape[1]:,} features",
                f"Give 1 to {limits.columns:,}",
                "too_many_columns",
            )
        _check_finite("x", x, missing=True)
        if markers:
            x = np.where(np.isin(x, markers), np.nan, x)
        return [numeric(f"x{feature + 1}", x[:, feature]) for feature in range(x.shape[1])]
    if x.ndim == 3:
        return [_pixel_cells("image", x[:, None])]
    if x.ndim != 4:
        raise _unfit("x", f"has shape {x.shape}", _ACCEPTED_SHAPES, "unknown_layout")
    first, last = x.shape[1] <= MOST_CHANNELS, x.shape[3] <= MOST_CHANNELS
    if first is last:
        raise _unfit(
            "x",
            f"has shape {x.shape}, in which {'both' if first else 'neither'} of the second and the "
            f"last axis can be 1 to {MOST_CHANNELS} channels",
            "Give images as [N, C, H, W] or [N, H, W, C]",
            "unknown_layout",
        )
    return [_pixel_cells("image", x if first else np.moveaxis(x, 3, 1))]


def _series_cells(x: NDArray[Any]) -> Cells:
    _check_numbers("series", x)
    if x.ndim != 3:
        raise _unfit(
            "series",
            f"has shape {x.shape}",
            "Give [N, C, L]: rows, channels, length",
            "unknown_layout",
        )
    return _pixel_cells("series", x)


def _label_cells(y: NDArray[Any], markers: Sequence[str] | None) -> tuple[Cells, list[Draft]]:
    """The column of labels, and what is worth knowing of it; `markers` are texts for none."""
    labels = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if labels.ndim != 1:
        raise _unfit(
            "y",
            f"has shape {y.shape}",
            "Give one label a row, [N]: class numbers instead of one-hot rows (y.argmax(1))",
            "unknown_layout",
        )
    if labels.dtype.kind in "uif":
        _check_finite("y", labels, missing=True)
        if labels.dtype.kind != "f" and not fits_float64(labels):
            distinct, codes = np.unique(labels, return_inverse=True)
            texts = [str(label) for label in distinct.tolist()]
            return categorical("y", texts, codes.reshape(-1)), [large_numbers("y")]
        numbers = numbers_among(markers or ())
        if numbers:
            labels = np.where(np.isin(labels, numbers), np.nan, labels)
        return numeric("y", labels), []
    if labels.dtype.kind == "b":
        return categorical("y", ("false", "true"), labels), []
    if labels.dtype.kind != "U":
        raise _unfit(
            "y",
            f"is of type {labels.dtype}",
            "Give numbers, booleans or text (y.astype(str))",
            "unsupported_column",
        )
    # NumPy's own texts may hold any 32 bits; Python's fail here and there where they do.
    native = np.ascontiguousarray(labels, labels.dtype.newbyteorder("="))
    if native.nbytes and native.view(np.uint32).max() > sys.maxunicode:
        raise _unfit("y", "holds what is no character of Unicode", "Write it anew", "not_utf8")
    distinct, codes = np.unique(np.strings.strip(labels), return_inverse=True)
    names = distinct.tolist()
    known = None if markers is None else {"", *markers}
    missing = np.array(
        [is_missing(name) if known is None else name in known for name in names], dtype=bool
    )
    given = codes.reshape(-1)
    codes_of_rows = np.where(missing[given], -1, given).astype(np.int32)
    drafts = _doubts(names, codes_of_rows)
    found = missing & (distinct != "")
    if known is None and found.any():
        rows = np.bincount(given, minlength=len(names))
        counts = {names[place]: int(rows[place]) for place in np.flatnonzero(found).tolist()}
        first = int(np.argmax(found[given]))
        drafts += marker_findings([Markers("y", counts, first, categorical=True, kept=False)])
    return categorical("y", names, codes_of_rows), drafts


def _doubts(names: list[str], codes: NDArray[Any]) -> list[Draft]:
    """What is worth knowing of labels of text: measurements among them, marks for a missing one."""
    try:
        distinct = pa.array(names, pa.string())
    except UnicodeEncodeError:
        return []  # Half a character is no text: such labels are refused by name.
    numbers = numbers_of(tuple(names))
    texts = TextColumns(Reading(columns={}), LIMITS, _row, typed=True)
    texts.look("y", codes, distinct)
    for _ in texts.cells():
        pass
    # Whole numbers, few as they are, are names of classes where the file has them as texts.
    measured = is_measurement(np.unique(numbers[~np.isnan(numbers)]))
    return [d for d in texts.drafts() if measured or d.code != "nearly_numeric"]


def _row(row: int) -> tuple[str, None]:
    return f" (row {row:,}, counted from 0)", None


def _pixel_cells(name: str, x: NDArray[Any]) -> Cells:
    array = "x" if name == "image" else name
    if 0 in x.shape:
        raise _unfit(array, f"has shape {x.shape}, of nothing", "Give values", "unknown_layout")
    _check_finite(array, x, missing=False)
    return images(name, x)


def _check_numbers(name: str, x: NDArray[Any]) -> None:
    if x.dtype.kind not in "buif":
        raise _unfit(name, f"is of type {x.dtype}", "Give numbers", "unsupported_column")


def _check_finite(name: str, values: NDArray[Any], *, missing: bool) -> None:
    """Refuse what float32 cannot hold; NaN passes where a cell may be missing."""
    if values.dtype.kind != "f":
        return
    finite = np.isfinite(values)
    if values.dtype.itemsize > 4:
        finite &= np.abs(values) <= LARGEST
    if missing:
        finite |= np.isnan(values)
    if not finite.all():
        row = int(np.argmin(finite.reshape(len(values), -1).all(axis=1)))
        raise _unfit(
            name,
            f"holds, in row {row:,} (counted from 0), what is not a finite number of magnitude up "
            f"to {LARGEST:.3g}",
            "Correct it, or leave the row out",
            "not_finite",
        )


def _unfit(name: str, fact: str, remedy: str, code: str) -> DataError:
    """The error of one array."""
    return file_error(f"The array {name!r} {fact}. {remedy}.", code, array=name)
