"""Dummies: what the input of a category is, where it is the row's and where it is not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.data.table import MISSING_CODE, Column, Table
from worker.spec import Preprocessing


def dummies(
    table: Table,
    columns: Sequence[Column],
    rows: NDArray[np.int64],
    seen: NDArray[np.float32],
    preprocessing: Preprocessing,
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """What each category's input is where it is the row's, and elsewhere, [C]; none where they are
    1 and 0.

    Standardized they are (1 − m)/√(m(1 − m)) and −m/√(m(1 − m)), m the share of the training rows
    with the category. The first category of a column that acts is 0 in both, where it is left out
    and no training row lacks one.

    Args:
        table: the labelled rows.
        columns: all columns that are encoded.
        rows: the training rows.
        seen: [C], the categories that act.
        preprocessing: the job's settings.
    """
    standardized = preprocessing.dummies == "standardize"
    if not (preprocessing.drop_first or standardized) or not seen.size:
        return None, None
    kept, share = seen.astype(np.float64), np.zeros(len(seen))
    first = 0
    for column in columns:
        if column.kind != "categorical":
            continue
        part = slice(first, first := first + len(column.categories))
        codes = table.values[column.name][rows]
        share[part] = np.bincount(codes[codes >= 0], minlength=len(column.categories)) / len(codes)
        acting = np.flatnonzero(kept[part])
        if preprocessing.drop_first and acting.size and (codes != MISSING_CODE).all():
            kept[part.start + acting[0]] = 0.0
    if not standardized:
        return kept.astype(np.float32), np.zeros_like(seen)
    spread = np.sqrt(share * (1 - share))
    spread[spread == 0] = 1.0
    hit, miss = kept * (1 - share) / spread, kept * -share / spread
    return hit.astype(np.float32), miss.astype(np.float32)
