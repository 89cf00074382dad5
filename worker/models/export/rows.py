"""Rows to compare answers on: raw cells as a model's columns may hold them, and stranger ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data import DAYS, LARGEST, Column, Encoder, Table

COUNT = 64
"""Rows that are compared."""
UNKNOWN = "\N{REPLACEMENT CHARACTER} no category \N{REPLACEMENT CHARACTER}"
FAR = 1e4
"""How many times its range a number may lie outside."""


@dataclass(frozen=True, eq=False)
class SampleRows:
    """Some rows: as a table, and the texts of its categorical columns."""

    table: Table
    texts: dict[str, NDArray[Any]]
    """By column, ``[N]``: the cells as they are written; empty where missing."""

    def part(self, rows: slice) -> "SampleRows":
        """Some of the rows."""
        chosen = np.arange(self.table.rows)[rows]
        texts = {name: cells[chosen] for name, cells in self.texts.items()}
        return SampleRows(self.table.select(chosen), texts)


def make_rows(encoder: Encoder, count: int = COUNT) -> SampleRows:
    """Rows that fit an encoder's columns, always the same for the same columns.

    The first has all cells missing, the second and third have the least and greatest numbers of
    the training rows. Of the others most lie within these, with a tenth of the cells missing or of
    an unknown category, and an eighth far outside.
    """
    random = np.random.default_rng(0)
    columns = encoder.columns
    ends = _ends(encoder)
    values: dict[str, NDArray[Any]] = {}
    texts: dict[str, NDArray[Any]] = {}
    for column in columns:
        if column.kind == "categorical":
            values[column.name], texts[column.name] = _categories(column, random, count)
        elif column.kind == "image":
            low, high = ends[column.name]
            pixels = random.uniform(low, high, (count, *column.shape))
            pixels[1], pixels[2] = low, high
            values[column.name] = pixels.astype(np.float32)
        else:
            values[column.name] = _numbers(*ends[column.name], random, count)
    return SampleRows(Table(columns=columns, values=values, rows=count), texts)


def _numbers(
    low: float, high: float, random: np.random.Generator, count: int
) -> NDArray[np.float64]:
    numbers = random.uniform(low, high, count)
    far = np.arange(count) % 8 == 7
    numbers[far] += (high - low or 1.0) * random.uniform(-FAR, FAR, int(far.sum()))
    numbers[1:3] = low, high
    numbers[random.random(count) < 0.1] = np.nan
    numbers[0] = np.nan
    return np.clip(numbers, -LARGEST, LARGEST)


def _categories(
    column: Column, random: np.random.Generator, count: int
) -> tuple[NDArray[np.int32], NDArray[Any]]:
    names = [*column.categories, "", UNKNOWN]
    known = len(column.categories)
    drawn = random.integers(0, max(known, 1), count)
    strange = random.random(count) < 0.2
    drawn[strange] = known + random.integers(0, 2, int(strange.sum()))
    drawn[0] = known
    codes = np.where(drawn < known, drawn, -1).astype(np.int32)
    return codes, np.array([names[min(number, known + 1)] for number in drawn], dtype=object)


def _ends(encoder: Encoder) -> dict[str, tuple[float, float]]:
    """Least and greatest number of each column that has them, within what random numbers take."""
    ranged = [column for column in encoder.columns if column.kind != "categorical"]
    if encoder.pixels is not None:
        low, high = encoder.pixels.range.tolist()
        return {column.name: (low, high) for column in ranged}
    if encoder.low is None or encoder.high is None:  # files of earlier releases
        return _by_scale(encoder)
    return {
        column.name: (float(low), float(high)) if high - low < LARGEST else (-1.0, 1.0)
        for column, low, high in zip(ranged, encoder.low, encoder.high, strict=True)
    }


def _by_scale(encoder: Encoder) -> dict[str, tuple[float, float]]:
    """The centre of each column, and its scale twice to both sides."""
    ends: dict[str, tuple[float, float]] = {}
    place = 0
    for column, width in zip(encoder.columns, encoder.widths, strict=True):
        if column.kind != "categorical":
            at = place + (DAYS if column.kind == "date" else 0)
            center, reach = float(encoder.center[at]), 2 * float(encoder.scale[at])
            ends[column.name] = (center - reach, center + reach)
            place += width
    return ends
