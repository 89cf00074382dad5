"""Dummies: what the input of a category is, where it is the row's and where it is not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.spec import Preprocessing


def dummies(
    counts: Sequence[NDArray[np.int64]], seen: NDArray[np.float32], preprocessing: Preprocessing
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """What each category's input is where it is the row's, and elsewhere, [C]; none where they are
    1 and 0.

    Standardized they are (1 − m)/√(m(1 − m)) and −m/√(m(1 − m)), m the share of the training rows
    with the category. The first category of a column that acts is 0 in both, where it is left out
    and no training row lacks one.

    Args:
        counts: of each categorical column the training rows without a category, then of each.
        seen: [C], the categories that act.
        preprocessing: the job's settings.
    """
    standardized = preprocessing.dummies == "standardize"
    if not (preprocessing.drop_first or standardized) or not seen.size:
        return None, None
    kept, share = seen.astype(np.float64), np.zeros(len(seen))
    first = 0
    for without, *of_each in (column.tolist() for column in counts):
        part = slice(first, first := first + len(of_each))
        share[part] = np.array(of_each) / (without + sum(of_each))
        acting = np.flatnonzero(kept[part])
        if preprocessing.drop_first and acting.size and without == 0:
            kept[part.start + acting[0]] = 0.0
    if not standardized:
        return kept.astype(np.float32), np.zeros_like(seen)
    spread = np.sqrt(share * (1 - share))
    spread[spread == 0] = 1.0
    hit, miss = kept * (1 - share) / spread, kept * -share / spread
    return hit.astype(np.float32), miss.astype(np.float32)
