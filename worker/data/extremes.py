"""The cell that lies furthest from what was trained on: why a metric of some rows is not finite."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worker.data.dataset import Prepared
from worker.data.table import Table

EXTREME = 1e6
"""Standard deviations from which a cell can make a network's answers overflow."""


@dataclass(frozen=True)
class ExtremeCell:
    """A number, its place in the table, and how far from the training rows' mean it lies."""

    column: str
    row: int
    """Counted from 0."""
    value: float
    deviations: float
    """In standard deviations of the training rows."""


def extreme_cell(
    table: Table, prepared: Prepared, part: Literal["train", "validation", "test"], split: int = 0
) -> ExtremeCell | None:
    """Of the numbers of a part's rows, the target's too, that which lies furthest from the training
    rows' mean; none where it lies within 10⁶ of their standard deviations.

    Args:
        table: that the data were prepared from.
        prepared: with the same rows.
        part: the rows that are looked at.
        split: the number of the fold, where there are some.
    """
    rows = prepared.splits[split]
    train = prepared.row_numbers[rows.train]
    places = prepared.row_numbers[getattr(rows, part)]
    furthest: ExtremeCell | None = None
    for name in (*prepared.features, prepared.target.column):
        if table.column(name).kind != "numeric" or not len(places):
            continue
        values = table.values[name]
        away = np.nan_to_num(_deviations(values[places], values[train]), nan=0.0)
        worst = int(np.argmax(away))
        if away[worst] > (EXTREME if furthest is None else furthest.deviations):
            row = int(places[worst])
            furthest = ExtremeCell(name, row, float(values[row]), float(away[worst]))
    return furthest


def _deviations(values: NDArray[Any], train: NDArray[Any]) -> NDArray[np.float64]:
    """|v − mean| / sd of each value; sd 1 where the training values are all alike."""
    known = train[~np.isnan(train)].astype(np.float64)
    if not len(known):
        return np.zeros(len(values))
    largest = float(np.finfo(np.float64).max)
    with np.errstate(over="ignore"):
        deviation = float(known.std())
        scale = deviation if 0 < deviation < np.inf else 1.0
        away = np.abs(values.astype(np.float64) - known.mean()) / scale
    return np.asarray(np.minimum(away, largest), dtype=np.float64)
