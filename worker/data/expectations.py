"""Expectations: what training prepared a model for, and what a prediction's records hold beside it.

Decisions:

* One warning a kind and column, with the number of instances and the first of them.
* A number is far outside if it is further from the range of the training rows than that range is
  wide. A column that had one value there has a range of width 0: any other number is far outside.
* Pixels from 0 to 1 are legal bytes, but of an all but black image. They look scaled if one is a
  fraction, or if there are enough of them, and the training rows' were greater.
* Nothing here changes an answer. The work is linear: numbers and codes are compared as whole
  blocks, and cells are looked at one by one only where something was met.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.category_index import Guesses
from worker.data.encoder import Encoder
from worker.data.inputs import width
from worker.data.records import Records, Unmatched
from worker.data.scaling import ranged
from worker.data.table import MISSING_CODE, Column
from worker.results import PredictionWarning
from worker.text import shortened

NAMED = 3
"""Categories that a message names."""
ENOUGH_PIXELS = 16
"""An image of so many pixels that are all 0 or 1 is no dark image of bytes."""
DARK = {True: 1.0, False: 8.0}
"""Of bytes, of floats: training rows whose greatest pixel was greater had no dark images alone."""
_LONGEST_EXAMPLE = 200
_BLOCK = 64
"""Columns compared at once, as many as the encoder scales at once."""

Positions = NDArray[np.int64]
"""The numbers of some instances, ascending; never empty."""


@dataclass(frozen=True)
class _Range:
    """What the training rows had in one numeric or date column, or in all pixels."""

    low: float
    high: float
    fill: float | None
    """What is put in for a missing cell."""


@dataclass(frozen=True, eq=False)
class Expectations:
    """What an encoder knows of its training rows, ready to be compared with records."""

    encoder: Encoder
    ranges: dict[str, _Range]
    """Of each numeric or date column, or of the image column."""
    bounds: NDArray[np.float64] | None
    """[2, R, 1]: below and above these a number is far outside; none in models of earlier
    releases."""
    offsets: NDArray[np.int64]
    """[Q, 1]: where the categories of each categorical column begin in `encoder.seen`."""
    seen: NDArray[np.float32]
    """`encoder.seen`, but 1 in columns of which no category acts, and for a missing cell behind."""

    @classmethod
    def of(cls, encoder: Encoder) -> Self:
        """The expectations of one encoder."""
        columns = ranged(encoder.columns)
        absent = np.full(len(columns), np.nan)
        low = absent if encoder.low is None else encoder.low
        high = absent if encoder.high is None else encoder.high
        ranges = {}
        place = 0
        for column, least, greatest in zip(columns, low.tolist(), high.tolist(), strict=True):
            fill = float(encoder.fill[place]) if column.kind == "numeric" else None
            ranges[column.name] = _Range(least, greatest, fill)
            place += width([column])
        wide = high - low
        sizes = [len(c.categories) for c in encoder.columns if c.kind == "categorical"]
        ends = np.cumsum([0, *sizes])
        seen = np.append(encoder.seen, np.float32(1.0))
        for first, end in pairwise(ends.tolist()):
            if not seen[first:end].any():
                seen[first:end] = 1.0
        return cls(
            encoder,
            ranges,
            None if encoder.low is None else np.stack([low - wide, high + wide])[:, :, None],
            ends[:-1, None],
            seen,
        )

    def are_met(self, matrix: NDArray[Any]) -> bool:
        """Whether rows of numbers [N, P], one of each column, hold nothing that is worth a
        warning. Quick, so that it can be asked of every row.
        """
        if self.bounds is None:
            return not np.isnan(matrix).any()
        low, high = self.bounds[:, :, 0]
        return bool(((matrix >= low) & (matrix <= high)).all())  # NaN is neither

    def surprises(self, records: Records) -> list[PredictionWarning]:
        """What `records`, which were read as the encoder's columns, hold that training did not."""
        if self.encoder.pixels is not None:
            return list(_pixels(self, records))
        columns = self.encoder.columns
        missing, far = self._numbers([c for c in columns if c.kind != "categorical"], records)
        absent, unseen = self._categories([c for c in columns if c.kind == "categorical"], records)
        missing |= absent
        if not (missing or far or unseen or records.unmatched):
            return []
        guesses = Guesses()
        found: list[PredictionWarning] = []
        for column in columns:
            name = column.name
            if name in records.unmatched or name in unseen:
                found += _category_warnings(column, records, unseen.get(name), guesses)
            if name in far:
                value = float(records.table.values[name][far[name][0]])
                found.append(_far_outside(column, self.ranges[name], far[name], value))
            if name in missing:
                found.append(_missing_filled(column, self.ranges.get(name), missing[name]))
        return found

    def _numbers(
        self, columns: Sequence[Column], records: Records
    ) -> tuple[dict[str, Positions], dict[str, Positions]]:
        """Numeric and date columns: cells that are missing, and those far outside."""
        missing: dict[str, Positions] = {}
        far: dict[str, Positions] = {}
        for first in range(0, len(columns), _BLOCK):
            part = slice(first, first + _BLOCK)
            values = np.stack([records.table.values[column.name] for column in columns[part]])
            missing |= _positions(columns[part], np.isnan(values))
            if self.bounds is not None:
                low, high = self.bounds[:, part]
                far |= _positions(columns[part], (values < low) | (values > high))
        return missing, far

    def _categories(
        self, columns: Sequence[Column], records: Records
    ) -> tuple[dict[str, Positions], dict[str, Positions]]:
        """Categorical columns: cells that are missing, and those whose category stands in no
        training row, but in others of the data set.
        """
        missing: dict[str, Positions] = {}
        unseen: dict[str, Positions] = {}
        for first in range(0, len(columns), _BLOCK):
            part = slice(first, first + _BLOCK)
            codes = np.stack([records.table.values[column.name] for column in columns[part]])
            absent = codes == MISSING_CODE
            places = np.where(absent, len(self.seen) - 1, codes + self.offsets[part])
            unseen |= _positions(columns[part], self.seen[places] == 0.0)
            for place, column in enumerate(columns[part]):
                if column.name in records.unmatched:
                    strays = [stray.position for stray in records.unmatched[column.name]]
                    absent[place, strays] = False
            missing |= _positions(columns[part], absent)
        return missing, unseen


def _positions(columns: Sequence[Column], met: NDArray[np.bool_]) -> dict[str, Positions]:
    """Of the columns, rows of met [P, N], those in which something was met, and where."""
    if not met.any():
        return {}
    places = np.flatnonzero(met.any(axis=1)).tolist()
    return {columns[place].name: np.flatnonzero(met[place]) for place in places}


def _category_warnings(
    column: Column, records: Records, unseen: Positions | None, guesses: Guesses
) -> Iterator[PredictionWarning]:
    strays = records.unmatched.get(column.name, ())
    ambiguous = [stray for stray in strays if stray.ambiguous]
    unknown = [stray for stray in strays if not stray.ambiguous]
    if unseen is not None:
        codes = records.table.values[column.name]
        unknown += [
            Unmatched(position, column.categories[codes[position]], ambiguous=False)
            for position in unseen.tolist()
        ]
        unknown.sort(key=lambda stray: stray.position)
    if unknown:
        named = ", ".join(_with_nearest(column, stray, guesses) for stray in _distinct(unknown))
        yield _of_cells(
            "unknown_category",
            column,
            unknown,
            f"has categories that no training row had, in {_instances(len(unknown))}; they count "
            f"as none of the known ones: {named}.",
        )
    if ambiguous:
        named = ", ".join(_shown(stray.cell) for stray in _distinct(ambiguous))
        yield _of_cells(
            "ambiguous_category",
            column,
            ambiguous,
            f"has numbers that several of its categories are, in {_instances(len(ambiguous))}; "
            f"they count as none of them: {named}. Give the category as a text, as it is written.",
        )


def _of_cells(
    code: str, column: Column, cells: Sequence[Unmatched], message: str
) -> PredictionWarning:
    first = cells[0]
    text = isinstance(first.cell, str)
    return PredictionWarning(
        code=code,
        column=column.name,
        message=f"Column {shortened(column.name)!r} {message}",
        count=len(cells),
        first=first.position,
        example=shortened(str(first.cell), _LONGEST_EXAMPLE) if text else first.cell,
    )


def _distinct(cells: Sequence[Unmatched]) -> list[Unmatched]:
    """The first few cells that differ."""
    by_text: dict[str, Unmatched] = {}
    for cell in cells:
        by_text.setdefault(str(cell.cell), cell)
        if len(by_text) == NAMED:
            break
    return list(by_text.values())


def _with_nearest(column: Column, stray: Unmatched, guesses: Guesses) -> str:
    near = guesses.nearest(column.categories, str(stray.cell))
    if near is None or near == stray.cell:
        return _shown(stray.cell)
    return f"{_shown(stray.cell)} (nearest: {near!r})"


def _shown(cell: str | float | bool) -> str:
    return repr(shortened(cell)) if isinstance(cell, str) else str(cell).lower()


def _instances(count: int) -> str:
    return f"{count:,} instance{'' if count == 1 else 's'}"


def _far_outside(
    column: Column, trained: _Range, positions: Positions, value: float
) -> PredictionWarning:
    written = _written(column, value)
    return PredictionWarning(
        code="far_outside",
        column=column.name,
        message=f"Column {shortened(column.name)!r} lies far outside the training rows, which had "
        f"{_written(column, trained.low)} to {_written(column, trained.high)}, in "
        f"{_instances(len(positions))}; instance {positions[0]} has {written}. No answer was ever "
        "tested there.",
        count=len(positions),
        first=int(positions[0]),
        example=written if column.kind == "date" else value,
    )


def _written(column: Column, value: float) -> str:
    """A number, or the day that it is."""
    return str(np.datetime64(int(value), "D")) if column.kind == "date" else f"{value:.6g}"


def _missing_filled(
    column: Column, trained: _Range | None, positions: Positions
) -> PredictionWarning:
    if column.optional:
        filled = "nothing was added to their scores"
    elif trained is None:
        filled = "they count as none of its categories"
    elif trained.fill is None:
        filled = "the median date of the training rows was put in"
    else:
        filled = f"the median of the training rows was put in, {trained.fill:.6g}"
    return PredictionWarning(
        code="missing_filled",
        column=column.name,
        message=f"Column {shortened(column.name)!r} has no value in {_instances(len(positions))}; "
        f"{filled}.",
        count=len(positions),
        first=int(positions[0]),
        example=None,
    )


def _pixels(expected: Expectations, records: Records) -> Iterator[PredictionWarning]:
    """The pixels of images that are on another scale than the training rows'."""
    encoder, bounds = expected.encoder, expected.bounds
    if bounds is None or encoder.pixels is None:
        return
    (column,) = encoder.columns
    trained = expected.ranges[column.name]
    values = records.table.values[column.name]
    flat = values.reshape(len(values), -1)
    least, greatest = flat.min(axis=1), flat.max(axis=1)
    of_bytes = encoder.pixels.of_bytes
    if trained.low >= 0.0 and trained.high > DARK[of_bytes]:
        scaled = np.flatnonzero((least >= -1.0) & (greatest > 0.0) & (greatest <= 1.0))
        if flat.shape[1] < ENOUGH_PIXELS:
            fractions = (flat[scaled] % 1.0 != 0.0).any(axis=1)
            scaled = scaled[fractions]
        if len(scaled):
            from_ = 0 if least[scaled[0]] >= 0.0 else -1
            was = "0 to 255" if of_bytes else f"{trained.low:.6g} to {trained.high:.6g}"
            yield PredictionWarning(
                code="pixels_look_scaled",
                column=column.name,
                message=f"Column {shortened(column.name)!r} has pixels from {from_} to 1 only, in "
                f"{_instances(len(scaled))}; the model was trained on pixels from {was}, and takes "
                "these for all but black. Send pixels as they were uploaded; the model scales "
                "them itself.",
                count=len(scaled),
                first=int(scaled[0]),
                example=float(
                    str(greatest[scaled[0]])
                ),  # As float32 writes it: 0.1, not 0.10000000149.
            )
    low, high = bounds[:, 0, 0].tolist()
    far = np.flatnonzero((least < low) | (greatest > high))
    if len(far):
        ends = (greatest[far[0]], least[far[0]])
        yield _far_outside(column, trained, far, float(ends[0] if ends[0] > high else ends[1]))
