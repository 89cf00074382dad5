"""The encoder: from a table's columns to the network's inputs. Part of every model.

Decisions:

* The width depends on the columns alone, never on the rows it is fitted on: folds encode alike.
* Numeric, fitted on the training rows: a missing cell becomes the median of the observed ones (0
  if there are none), then `standardize` or `robust` take centre and scale of the filled column.
  `robust` scales by the standard deviation where the interquartile range is 0, as in a column that
  is mostly zeros, which scale 1 would leave at its raw size. `robust_smooth_clip` scales by half
  the range there, as RealMLP does, and bends what is far out to within ±3.
* A date becomes numbers (`calendar.py`), which are scaled like others; a missing one becomes the
  median date, the earlier of two in the middle. `days` count from the earliest training row.
* Categorical: one input for each category of the column.
* What the training rows do not tell apart has an untrained weight, and so never acts: a number
  that is the same in all of them, or is in none, encodes to 0 whatever it is later; so do a
  category that they do not hold, the only one that all of them hold, unknown and missing ones.
* An image column is the only feature of its table; `pixels.py` says how it is scaled.
* Everything is computed in float64 and rounded once, to float32; what would overflow is clipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.calendar import date_columns
from worker.data.fitting import fit_columns
from worker.data.inputs import input_names, number_inputs, sample_shape, width
from worker.data.pixels import PixelScaling
from worker.data.roles import Offset
from worker.data.scaling import acting_numbers, ranged, smooth_clip
from worker.data.table import LARGEST, MISSING_CODE, Column, Table
from worker.errors import DataError, ModelError
from worker.schema import Record
from worker.spec import Preprocessing


class EncoderSchema(Record):
    """All of an encoder but its constants, as a model's file holds it."""

    columns: tuple[Column, ...]
    """The columns with kinds and categories, in the order in which they are encoded."""
    preprocessing: Preprocessing
    """The job's settings."""
    left_out: tuple[str, ...] = ()
    """The other columns of the training data beside the target, which are not read: constant, empty
    or ignored ones, and that of weights. Rows to be predicted may have them."""
    offset: bool = False
    """Whether the last column is added to the score as it is, and is no feature."""

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that a network sees: all but the offset."""
        return self.columns[:-1] if self.offset else self.columns


@dataclass(frozen=True, eq=False)
class Encoder:
    """Fitted preprocessing.

    With P numbers (of numeric columns and of dates) and C categories over all categorical columns:
    `fill`, `center`, `scale` are float64 [P], `acts` is float32 [P], 0 for a number that the
    training rows do not tell apart; `seen` is float32 [C], 1 for a category of the training rows
    and 0 otherwise. An input is (x - center) / scale where it acts, or of a category `hit` where it
    is the row's and `miss` elsewhere, float32 [C]: `seen` and 0, unless categories are standardized
    or the first is left out. An image column has constants of its own, `pixels`. Where there is an
    `offset`, the last column is one: a number divided by the target's unit, 0 where it is missing.
    `low` and `high` are the least and
    the greatest number of the training rows, float64: one of each numeric or date column, or one of
    all pixels. A column without a number has the least and the greatest that there are. They change
    no input, and models of earlier releases lack them.
    """

    columns: tuple[Column, ...]
    preprocessing: Preprocessing
    fill: NDArray[np.float64]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    acts: NDArray[np.float32]
    seen: NDArray[np.float32]
    pixels: PixelScaling | None = None
    left_out: tuple[str, ...] = ()
    """As in the schema."""
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    offset: bool = False
    """As in the schema."""
    hit: NDArray[np.float32] | None = None
    """As indicators unless given, with `miss`."""
    miss: NDArray[np.float32] | None = None

    @classmethod
    def fit(
        cls,
        table: Table,
        features: Sequence[str],
        rows: NDArray[np.int64],
        preprocessing: Preprocessing,
        left_out: Sequence[str] = (),
        offset: Offset | None = None,
    ) -> Self:
        """Fit on `rows` of `table`: the training rows, and no others.

        Raises:
            DataError: `features` names a column that the table does not have.
        """
        offsets = None if offset is None else [offset]
        return cls.fit_each(table, features, [rows], preprocessing, left_out, offsets)[0]

    @classmethod
    def fit_each(
        cls,
        table: Table,
        features: Sequence[str],
        splits: Sequence[NDArray[np.int64]],
        preprocessing: Preprocessing,
        left_out: Sequence[str] = (),
        offsets: Sequence[Offset] | None = None,
    ) -> tuple[Self, ...]:
        """One for the training rows of each split, each column being looked at once for all."""
        columns = tuple(table.column(name) for name in features)
        if offsets is not None:
            columns = (*columns, offsets[0].column)
        encoders: list[Self] = []
        for number, found in enumerate(fit_columns(table, columns, splits, preprocessing)):
            fill, center, scale, acts = found.fill, found.center, found.scale, found.acts
            if offsets is not None:
                fill[-1], center[-1], scale[-1], acts[-1] = 0.0, 0.0, offsets[number].unit, 1.0
            hit, miss = found.indicators
            encoders.append(
                cls(
                    columns,
                    preprocessing,
                    fill=fill,
                    center=center,
                    scale=scale,
                    acts=acts,
                    seen=found.seen,
                    offset=offsets is not None,
                    hit=hit,
                    miss=miss,
                    pixels=found.pixels,
                    left_out=tuple(left_out),
                    low=found.low,
                    high=found.high,
                )
            )
        return tuple(encoders)

    @property
    def inputs(self) -> int:
        """F, the width of an encoded row: the product of its shape."""
        return width(self.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one encoded row: (F,), or that of the image column."""
        return sample_shape(self.columns)

    @property
    def network_shape(self) -> tuple[int, ...]:
        """The shape of what a network sees of a row: without the offset."""
        return (self.inputs - 1,) if self.offset else self.shape

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that a network sees: all but the offset."""
        return self.columns[:-1] if self.offset else self.columns

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name an input of the network: the column's, "column=category", "column.month" of a
        date, or "column[channel,row,column]".
        """
        return tuple(name for column in self.features for name in input_names(column))

    @property
    def widths(self) -> tuple[int, ...]:
        """How many inputs each column becomes."""
        return tuple(width([column]) for column in self.columns)

    @property
    def number_inputs(self) -> tuple[int, ...]:
        """Which inputs are numbers: of numeric columns, and the parts of dates."""
        return number_inputs(self.features)

    def transform(
        self, table: Table, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Encode every row: float32 [N, *shape], every entry finite. Written to `out` if present.

        Raises:
            DataError: the table lacks a column, or has it in another kind.
        """
        x = np.empty((table.rows, *self.shape), dtype=np.float32) if out is None else out
        if self.pixels is not None:
            self.pixels.transform(self._values(table, self.columns[0]), x)
            return x
        values = [self._values(table, column) for column in self.columns]
        for first in range(0, table.rows, _ROWS):
            rows = slice(first, first + _ROWS)
            self._encode([column[rows] for column in values], x[rows])
        return x

    def _encode(self, values: Sequence[NDArray[Any]], x: NDArray[np.float32]) -> None:
        """Encode some rows, the values of each column, into `x`, [rows, F]."""
        numbers: list[NDArray[np.float64]] = []
        places: list[int] = []
        hit, miss = self.indicators
        place = category = 0
        for column, cells, size in zip(self.columns, values, self.widths, strict=True):
            if column.kind == "numeric":
                numbers.append(cells)
                places.append(place)
            elif column.kind == "date":
                numbers += date_columns(cells, time_of_day=column.time_of_day)
                places += range(place, place + size)
            else:
                own = slice(category, category + size)
                category += size
                inputs = x[:, place : place + size]
                inputs[...] = miss[own]
                known = np.flatnonzero(cells >= 0)
                codes = cells[known]
                inputs[known, codes] = hit[own][codes]
            place += size
        for first in range(0, len(numbers), _BLOCK):
            block = slice(first, first + _BLOCK)
            scaled = self._scaled(np.stack(numbers[block], axis=1), block)
            begin, end = places[block][0], places[block][-1] + 1
            # A slice is several times as fast.
            together = end - begin == scaled.shape[1]
            x[:, slice(begin, end) if together else places[block]] = scaled

    @property
    def indicators(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What each category's input is where it is the row's, and elsewhere, [C] each."""
        hit = self.seen if self.hit is None else self.hit
        return hit, np.zeros_like(self.seen) if self.miss is None else self.miss

    @cached_property
    def takes_numbers(self) -> bool:
        """Whether every column is numeric, so that a matrix of numbers can be encoded."""
        return all(column.kind == "numeric" for column in self.columns)

    def transform_numbers(self, matrix: NDArray[Any]) -> NDArray[np.float32]:
        """Encode rows that are numbers alone: [N, P] of any numeric type, NaN for a missing cell →
        float32 [N, P], the same bits as `transform` of a table of these columns.

        Raises:
            DataError: a column is not numeric, or there are more or fewer of them.
        """
        if not self.takes_numbers or matrix.shape[1:] != (len(self.columns),):
            raise DataError(
                f"A matrix of shape {list(matrix.shape)} is no rows of {len(self.columns)} numeric "
                "columns.",
                code="shape_mismatch",
            )
        x = np.empty(matrix.shape, dtype=np.float32)
        for row in range(0, len(matrix), _ROWS):
            part = matrix[row : row + _ROWS]
            for first in range(0, matrix.shape[1], _BLOCK):
                block = slice(first, first + _BLOCK)
                scaled = self._scaled(part[:, block].astype(np.float64), block)
                x[row : row + _ROWS, block] = scaled
        return x

    def _scaled(self, values: NDArray[np.float64], block: slice) -> NDArray[np.float64]:
        """Impute, centre and scale numbers [N, columns of the block], in their place."""
        np.copyto(values, self.fill[block], where=np.isnan(values))
        with np.errstate(over="ignore"):
            values -= self.center[block]
            values /= self.scale[block]
        values[:, self.acts[block] == 0] = 0.0
        np.clip(values, -LARGEST, LARGEST, out=values)
        return smooth_clip(values) if self.clips_smoothly else values

    @property
    def clips_smoothly(self) -> bool:
        """Whether numbers end between ±3."""
        return self.preprocessing.numeric == "robust_smooth_clip"

    def schema(self) -> EncoderSchema:
        """All but the constants."""
        return EncoderSchema(
            columns=self.columns,
            preprocessing=self.preprocessing,
            left_out=self.left_out,
            offset=self.offset,
        )

    def constants(self) -> dict[str, NDArray[Any]]:
        """The fitted arrays by name: fill, center, scale, low, high (float64); acts and
        seen (float32).

        Of an image column also pixel_range, pixel_center, pixel_scale (float64).
        """
        constants: dict[str, NDArray[Any]] = {
            "fill": self.fill,
            "center": self.center,
            "scale": self.scale,
            "acts": self.acts,
            "seen": self.seen,
        }
        if self.hit is not None and self.miss is not None:
            constants |= {"hit": self.hit, "miss": self.miss}
        if self.low is not None and self.high is not None:
            constants |= {"low": self.low, "high": self.high}
        if self.pixels is None:
            return constants
        return constants | {
            "pixel_range": self.pixels.range,
            "pixel_center": self.pixels.center,
            "pixel_scale": self.pixels.scale,
        }

    @classmethod
    def load(cls, schema: EncoderSchema, constants: Mapping[str, NDArray[Any]]) -> Self:
        """The encoder that `schema` and `constants` came from.

        Files of earlier releases have no `acts`. There all numbers act but those whose column had
        one value in the training rows, as far as the file says.

        Raises:
            ModelError: an array is missing, or does not fit the columns.
        """
        columns = schema.columns
        numbers = width([column for column in columns if column.kind in ("numeric", "date")])
        constants = {"acts": acting_numbers(columns, constants), **constants}
        shapes = dict.fromkeys(("fill", "center", "scale", "acts"), (numbers,))
        shapes["seen"] = (sum(len(column.categories) for column in columns),)
        if "hit" in constants:
            shapes |= dict.fromkeys(("hit", "miss"), shapes["seen"])
        image = next((column for column in columns if column.kind == "image"), None)
        if image is not None:
            channels = image.shape[0]
            shapes |= {"pixel_range": (2,), "pixel_center": (channels,), "pixel_scale": (channels,)}
        if "low" in constants:
            shapes |= dict.fromkeys(("low", "high"), (len(ranged(columns)),))
        for name, shape in shapes.items():
            stored = constants[name].shape if name in constants else None
            if stored != shape:
                raise ModelError(
                    f"The preprocessing constant {name!r} has shape {stored}, but its columns need "
                    f"{shape}: the model's file is damaged or of another version.",
                    code="invalid_preprocessing",
                )
        arrays = {name: np.asarray(constants[name], dtype=np.float64) for name in shapes}
        return cls(
            columns,
            schema.preprocessing,
            fill=arrays["fill"],
            center=arrays["center"],
            scale=arrays["scale"],
            acts=arrays["acts"].astype(np.float32),
            seen=arrays["seen"].astype(np.float32),
            pixels=None
            if image is None
            else PixelScaling(arrays["pixel_range"], arrays["pixel_center"], arrays["pixel_scale"]),
            left_out=schema.left_out,
            low=arrays.get("low"),
            high=arrays.get("high"),
            offset=schema.offset,
            hit=arrays["hit"].astype(np.float32) if "hit" in arrays else None,
            miss=arrays["miss"].astype(np.float32) if "hit" in arrays else None,
        )

    def _values(self, table: Table, column: Column) -> NDArray[Any]:
        """The column's values in `table`, categories numbered as this encoder numbers them."""
        present = table.column(column.name)
        values = table.values[column.name]
        if present.kind != column.kind:
            raise DataError(
                f"Column {column.name!r} is {present.kind} here, but {column.kind} in the data "
                "that the model was trained on; give it as it was there.",
                code="kind_mismatch",
                column=column.name,
            )
        if present.shape != column.shape:
            raise DataError(
                f"Column {column.name!r} has images of shape {present.shape} here, but of shape "
                f"{column.shape} in the data that the model was trained on; bring them to it.",
                code="shape_mismatch",
                column=column.name,
            )
        if present.categories == column.categories:
            return values
        code_of = {category: code for code, category in enumerate(column.categories)}
        codes = [code_of.get(category, MISSING_CODE) for category in present.categories]
        return np.asarray(np.array([*codes, MISSING_CODE], dtype=np.int32)[values])


_BLOCK = 64
"""Numeric columns scaled at once,"""
_ROWS = 8_192
"""and rows: enough to be fast, and few enough for the float64 copies to stay near the processor."""
