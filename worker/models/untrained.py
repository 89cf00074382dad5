"""Untrained inputs: those whose weights no training row ever moved, and which must not act.

Where all training rows hold the same number, or none holds a category, the weights behind that
input stay what they were drawn as. The encoder gives such an input 0, whatever a row holds. That is
tried here: with cells as far out as they come, and with the categories themselves.
"""

import numpy as np
from numpy.typing import NDArray

from worker.data import Column, Encoder, JointEncoder, Table

LARGEST = float(np.finfo(np.float32).max)
_NUMBERS = (LARGEST, -LARGEST, 1.0, np.nan)
_DAYS = (-700_000.3, 2_900_000.7, 20_000.0, np.nan)
"""Dates far in the past and in the future, and a missing one."""


def untrained_inputs(encoder: Encoder) -> tuple[int, list[str]]:
    """How many inputs are untrained, and the names of those among them that act all the same.

    Of an image column there are none: a channel is scaled as a whole.
    """
    if isinstance(encoder, JointEncoder):
        each = [untrained_inputs(part) for part in encoder.parts]
        return sum(count for count, _ in each), [name for _, names in each for name in names]
    if encoder.pixels is not None:
        return 0, []
    untrained = _untrained(encoder)
    encoded = encoder.transform(_strange_rows(encoder))
    acting = np.flatnonzero((encoded != 0).any(axis=0) & untrained)
    names = encoder.feature_names if len(acting) else ()
    return int(untrained.sum()), [names[place] for place in acting.tolist()]


def _untrained(encoder: Encoder) -> NDArray[np.bool_]:
    """[F]: what the encoder's constants say of the training rows, input by input."""
    parts = []
    number = category = ranged = 0
    for column, width in zip(encoder.columns, encoder.widths, strict=True):
        if column.kind == "categorical":
            own = slice(category, category + width)
            hit, miss = encoder.indicators
            parts.append((hit[own] == 0) & (miss[own] == 0))
            category += width
            continue
        silent = encoder.acts[number : number + width] == 0
        if encoder.low is not None and encoder.high is not None:
            silent = silent | (encoder.low[ranged] == encoder.high[ranged])
        parts.append(silent)
        number, ranged = number + width, ranged + 1
    if encoder.offset:  # it has no weight
        parts[-1] = np.zeros(1, dtype=bool)
    return np.concatenate(parts or [np.zeros(0, dtype=bool)])


def _strange_rows(encoder: Encoder) -> Table:
    """A few rows that hold what the training rows did not."""
    category = 0
    cells = []
    for column in encoder.columns:
        if column.kind == "categorical":
            end = category + len(column.categories)
            cells.append((column, _codes(column, encoder.seen[category:end])))
            category = end
        else:
            numbers = _DAYS if column.kind == "date" else _NUMBERS
            cells.append((column, np.array(numbers)))
    return Table.of(cells)


def _codes(column: Column, seen: NDArray[np.float32]) -> NDArray[np.int32]:
    """Categories of a column that no training row held: some of them, and a missing cell."""
    unseen = np.flatnonzero(seen == 0)
    if not len(unseen):
        unseen = np.arange(len(column.categories))
    picked = np.resize(unseen, 3) if len(unseen) < 3 else unseen[[0, len(unseen) // 2, -1]]
    return np.append(picked if len(unseen) else [-1] * 3, -1).astype(np.int32)
