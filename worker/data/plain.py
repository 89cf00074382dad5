"""Plain rows: instances in which everything is ordinary, read and encoded in one go.

Most requests are a few rows of numbers and known categories. For these nothing need be looked at
cell by cell, and nothing is worth a warning. Whatever is not as plain as that (a null, a text in a
numeric column, a number in a categorical one, a category that no training row had, a number far
outside, an unknown column, a date, an image) is left to `Records`, `Encoder` and `Expectations`,
which say what is wrong with it. What is read here has the same bits there, and no warnings.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import itemgetter, le
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.encoder import Encoder
from worker.data.expectations import Expectations
from worker.data.scaling import smooth_clip
from worker.data.table import LARGEST

_NUMBERS = frozenset({int, float})
_LIMIT = float(np.nextafter(2.0**63, 0.0))
"""Numbers beyond it are not plain: they may have come from integers that no other reader holds."""


@dataclass(frozen=True, eq=False)
class PlainReader:
    """Reads and encodes the plain rows of one encoder."""

    names: tuple[str, ...]
    pick: Callable[[Mapping[str, Any]], Sequence[Any]]
    """From an object to its cells, in the order of the columns."""
    known: frozenset[str]
    """All columns that an object may have."""
    numbers: tuple[int, ...]
    """Which of the columns are numeric."""
    categories: tuple[tuple[int, dict[str, int]], ...]
    """Of each categorical column its number, and the input of each category; -1 for a column of
    which none acts."""
    places: NDArray[np.int64]
    """[P]: the input of each numeric column."""
    silent: NDArray[np.int64]
    """The inputs of numbers that do not act."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    """[P]: the least and the greatest number that is no surprise."""
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    inputs: int
    hit: NDArray[np.float32]
    """[F]: what a category's input is where it is the row's."""
    resting: NDArray[np.float32]
    """[F]: what it is elsewhere; 0 of numbers."""
    clips_smoothly: bool = False

    @classmethod
    def of(cls, encoder: Encoder, beside: Collection[str] = ()) -> Self | None:
        """The reader of an encoder's plain rows, which may have columns beside that are not read.

        None where no row is plain: a column of dates or images, or of numbers that may have to be
        clipped after scaling.
        """
        columns = encoder.columns
        if not columns or any(column.kind in ("date", "image") for column in columns):
            return None
        numbers, categories, places = [], [], []
        hit, resting = np.zeros((2, encoder.inputs), dtype=np.float32)
        hits, misses = encoder.indicators
        place = category = 0
        for position, (column, width) in enumerate(zip(columns, encoder.widths, strict=True)):
            if column.kind == "numeric":
                numbers.append(position)
                places.append(place)
            else:
                seen = encoder.seen[category : category + width] != 0.0
                codes = np.flatnonzero(seen) if seen.any() else np.arange(width)
                inputs = (place + codes if seen.any() else np.full(width, -1)).tolist()
                texts = (column.categories[code] for code in codes.tolist())
                categories.append((position, dict(zip(texts, inputs, strict=True))))
                own = slice(category, category + width)
                hit[place : place + width], resting[place : place + width] = hits[own], misses[own]
                category += width
            place += width
        bounds = Expectations.of(encoder).bounds
        high = np.full(len(numbers), _LIMIT)
        low = -high
        if bounds is not None:
            low, high = np.maximum(bounds[0, :, 0], low), np.minimum(bounds[1, :, 0], high)
        with np.errstate(over="ignore"):
            ends = np.abs((np.stack([low, high]) - encoder.center) / encoder.scale)
        if not (ends <= LARGEST).all():
            return None
        of_numbers = np.array(places, dtype=np.int64)
        names = tuple(column.name for column in columns)
        return cls(
            names=names,
            pick=itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],),
            known=frozenset(names).union(beside),
            numbers=tuple(numbers),
            categories=tuple(categories),
            places=of_numbers,
            silent=of_numbers[encoder.acts == 0],
            low=low,
            high=high,
            center=encoder.center,
            scale=encoder.scale,
            inputs=encoder.inputs,
            hit=hit,
            resting=resting,
            clips_smoothly=encoder.clips_smoothly,
        )

    def features(self, instances: Sequence[Any]) -> NDArray[np.float32] | None:
        """Instances, values as JSON has them, → inputs ``[N, F]``; None if any of them is not
        plain, or if there are none.
        """
        rows = self._rows(instances)
        values = self._values(rows)
        if values is None or not self._scale(values):
            return None
        if not self.categories:
            x = values.astype(np.float32)
        else:
            x = np.tile(self.resting, (len(rows), 1))
            x[:, self.places] = values
            if not self._categories(rows, x):
                return None
        if len(self.silent):
            x[:, self.silent] = 0.0
        return x

    def cells(self, instances: Sequence[Any]) -> list[Sequence[float]] | None:
        """Instances, values as JSON has them, → the numbers of each, in the order of the columns,
        for ``encode``, which takes the rows of many requests at once; None if any of them is not
        plain, if there are none, or if the columns are not numbers alone.
        """
        if self.categories:
            return None
        rows = self._rows(instances)
        low, high = self._bounds
        for row in rows:
            ordinary = (
                _NUMBERS.issuperset(map(type, row))
                and all(map(le, low, row))
                and all(map(le, row, high))  # not of NaN, either
            )
            if not ordinary:
                return None
        return rows or None

    def encode(self, rows: Sequence[Sequence[float]] | NDArray[np.float64]) -> NDArray[np.float32]:
        """What ``cells`` gave → inputs ``[N, F]``."""
        values = np.array(rows, dtype=np.float64)
        x = self._scaled(values).astype(np.float32)
        if len(self.silent):
            x[:, self.silent] = 0.0
        return x

    def _values(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.float64] | None:
        """The numbers of rows, ``[N, P]``; None where one is no number, or without rows."""
        if not rows:
            return None
        if not self.categories:
            cells = rows[0] if len(rows) == 1 else list(chain.from_iterable(rows))
        else:
            cells = [row[position] for row in rows for position in self.numbers]
        if not _NUMBERS.issuperset(map(type, cells)):
            return None
        try:
            return np.fromiter(cells, np.float64, len(cells)).reshape(len(rows), -1)
        except OverflowError:
            return None

    @cached_property
    def _bounds(self) -> tuple[list[float], list[float]]:
        return self.low.tolist(), self.high.tolist()

    def matrix_features(self, matrix: NDArray[Any]) -> NDArray[np.float32] | None:
        """Rows of numbers [N, P], of any numeric type, → inputs ``[N, F]``; None if any of them is
        not plain, or if the columns are not numbers alone, as many.
        """
        if self.categories or matrix.shape[1] != len(self.names):
            return None
        values = matrix.astype(np.float64)
        if not self._scale(values):
            return None
        x = values.astype(np.float32)
        if len(self.silent):
            x[:, self.silent] = 0.0
        return x

    def _scale(self, values: NDArray[np.float64]) -> bool:
        """Centre and scale numbers in place, if all of them are ordinary."""
        if not self._is_ordinary(values):
            return False
        scaled = self._scaled(values)
        if scaled is not values:
            values[...] = scaled
        return True

    def _is_ordinary(self, values: NDArray[np.float64]) -> bool:
        ordinary = (self.low <= values) & (values <= self.high)  # not of NaN, either
        return 0 not in ordinary.tobytes()

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Centre and scale numbers, whose place is written over."""
        values -= self.center
        values /= self.scale
        return smooth_clip(values) if self.clips_smoothly else values

    def _rows(self, instances: Sequence[Any]) -> list[Sequence[Any]]:
        """The cells of each instance in the order of the columns; none if one is not plain."""
        width, pick = len(self.names), self.pick
        rows: list[Sequence[Any]] = []
        for instance in instances:
            kind = type(instance)
            if kind is dict:
                try:
                    rows.append(pick(instance))
                except KeyError:
                    return []
                if len(instance) != width and not instance.keys() <= self.known:
                    return []
            elif (kind is list or kind is tuple) and len(instance) == width:
                rows.append(instance)
            else:
                return []
        return rows

    def _categories(self, rows: Sequence[Sequence[Any]], x: NDArray[np.float32]) -> bool:
        """Set the inputs of the rows' categories; whether each was one."""
        flat, places = x.reshape(-1), []
        for first, row in zip(range(0, flat.size, self.inputs), rows, strict=True):
            for position, inputs in self.categories:
                cell = row[position]
                place = inputs.get(cell) if type(cell) is str else None
                if place is None:
                    return False
                if place >= 0:
                    places.append(first + place)
        flat[places] = self.hit[np.array(places, dtype=np.int64) % self.inputs]
        return True
