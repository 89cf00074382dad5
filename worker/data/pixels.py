"""Pixels: from an image column's values to inputs around 0, channel by channel.

Decisions:

* First to [0, 1]: uint8 by 255; floats as they are if those of the training rows lie within
  [0, 1], else from their range. Then, per channel, centre and scale, which are in units of [0, 1],
  so that an augmentation can go back to them: pixel = input * scale + center.
* The method is that of numeric columns: `standardize` (mean, standard deviation), `robust` (median,
  interquartile range, or the deviation where that is 0), `none` (0 and 1: only the step to [0, 1]).
* A constant channel has scale 1.
* Computed in float64 and rounded once, to float32. uint8 has 256 values: a histogram gives exact
  statistics, and a table of 256 entries encodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.table import LARGEST

_BLOCK = 2**22
"""Numbers encoded at once: bounds the float64 copies."""


@dataclass(frozen=True, eq=False)
class PixelScaling:
    """Fitted constants: `range` is float64 [2], lowest and highest; the others float64 [C].

    An input is ((v - range[0]) / (range[1] - range[0]) - center) / scale.
    """

    range: NDArray[np.float64]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def of_bytes(self) -> bool:
        """Whether the training rows had pixels from 0 to 255, be they stored as bytes or floats."""
        return bool((self.range == (0.0, 255.0)).all())

    @classmethod
    def fit(cls, values: NDArray[Any], rows: NDArray[np.int64], method: str) -> Self:
        """Fit on `rows` of values [N, C, …]; `method` is `Preprocessing.numeric`."""
        limits = _limits(values, rows)
        channels = values.shape[1]
        center, scale = np.zeros(channels), np.ones(channels)
        if method == "none":
            return cls(limits, center, scale)
        low, width = limits[0], limits[1] - limits[0]
        summarize = _of_bytes if values.dtype == np.uint8 else _of_floats
        for channel in range(channels):
            mean, deviation, (first, median, third) = summarize(values[:, channel], rows, method)
            middle, spread = mean, deviation
            if method == "robust":
                middle, spread = median, third - first if third > first else deviation
            center[channel] = (middle - low) / width
            scale[channel] = spread / width if spread > 0 else 1.0
        return cls(limits, center, scale)

    def transform(self, values: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Encode values [N, C, …] into `out`, of the same shape."""
        if values.dtype == np.uint8:
            table = self._encode(np.arange(256.0).reshape(256, 1)).T  # [C, 256]
            for block in _blocks(len(values), values.shape[1:]):
                for channel, entries in enumerate(table):
                    out[block, channel] = entries[values[block, channel]]
            return
        for block in _blocks(len(values), values.shape[1:]):
            flat = values[block].reshape(*values[block].shape[:2], -1)
            encoded = self._encode(np.moveaxis(flat, 1, 2))
            out[block] = np.moveaxis(encoded, 2, 1).reshape(out[block].shape)

    def _encode(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Values [..., C], or [..., 1] for all channels, → [..., C]."""
        low, high = self.range
        with np.errstate(over="ignore"):
            encoded = ((values.astype(np.float64) - low) / (high - low) - self.center) / self.scale
        return np.asarray(np.clip(encoded, -LARGEST, LARGEST), dtype=np.float32)


Summary = tuple[float, float, tuple[float, float, float]]
"""Mean, standard deviation (0 if constant), quartiles."""


def _limits(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """What becomes 0 and what becomes 1."""
    if values.dtype == np.uint8:
        return np.array([0.0, 255.0])
    ends = [(part.min(), part.max()) for part in row_parts(values, rows)]
    low, high = float(min(end[0] for end in ends)), float(max(end[1] for end in ends))
    if low >= 0.0 and high <= 1.0:
        return np.array([0.0, 1.0])
    return np.array([low, high if high > low else low + max(1.0, abs(low))])


def _of_bytes(values: NDArray[Any], rows: NDArray[np.int64], method: str) -> Summary:
    """Summary of one channel [N, …] of bytes, exact: from its histogram, whatever the method."""
    counts = np.zeros(256, dtype=np.int64)
    for part in row_parts(values, rows):
        counts += np.bincount(part.reshape(-1), minlength=256)
    total, levels = int(counts.sum()), np.arange(256)
    mean = float((counts * levels).sum() / total)
    constant = np.count_nonzero(counts) == 1
    deviation = 0.0 if constant else float(np.sqrt((counts * (levels - mean) ** 2).sum() / total))
    below = np.cumsum(counts)

    def quantile(share: float) -> float:
        """Between the two values around place (total - 1)·share, as NumPy's."""
        place = (total - 1) * share
        lower, upper = np.searchsorted(below, [np.floor(place), np.ceil(place)], side="right")
        return float(lower + (upper - lower) * (place - np.floor(place)))

    return mean, deviation, (quantile(0.25), quantile(0.5), quantile(0.75))


def _of_floats(values: NDArray[Any], rows: NDArray[np.int64], method: str) -> Summary:
    """Summary of one channel [N, …] of floats; quartiles for `robust` alone, they cost a sort."""
    first = float(values[rows[0]].flat[0])
    total = len(rows) * prod(values.shape[1:])
    mean = sum(float(part.sum(dtype=np.float64)) for part in row_parts(values, rows)) / total
    squares = sum(
        float(np.square(part - mean).sum()) for part in row_parts(values, rows, np.float64)
    )
    # The mean of equal numbers may differ from them in the last bit, and their sd from 0.
    constant = all((part == first).all() for part in row_parts(values, rows))
    mean, deviation = (first, 0.0) if constant else (mean, float(np.sqrt(squares / total)))
    if method != "robust":
        return mean, deviation, (mean, mean, mean)
    low, median, high = np.quantile(values[rows].astype(np.float64), (0.25, 0.5, 0.75))
    return mean, deviation, (float(low), float(median), float(high))


def row_parts(
    values: NDArray[Any], rows: NDArray[np.int64], dtype: type | None = None
) -> Iterator[NDArray[Any]]:
    """These rows of values [N, …], a block at a time."""
    for block in _blocks(len(rows), values.shape[1:]):
        part = values[rows[block]]
        yield part if dtype is None else part.astype(dtype)


def _blocks(rows: int, shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices over rows, each of about `_BLOCK` numbers."""
    step = max(1, _BLOCK // max(1, prod(shape)))
    for first in range(0, rows, step):
        yield slice(first, first + step)
