"""The training rows that are measured after an epoch, where there are more than a job measures."""

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from worker.data import Prepared
from worker.regularization import derive_seed

Places = NDArray[np.int64]

_DRAWN: WeakKeyDictionary[Prepared, dict[tuple[int, int], Places]] = WeakKeyDictionary()
"""By data, then split and size: a fleet has several engines, and the order of a million targets
takes longer than measuring them."""


def measured_places(prepared: Prepared, split: int, most: int) -> Places | None:
    """Which of a split's training rows are measured, ``[most]``, ascending; none where all are.

    The rows are put into the order of their targets, at random where these are equal, and taken at
    equal distances: each class has its share, to within a row, and the target of a regression its
    distribution. The sample is the same for all trials on a split, whatever their seeds and fleets.
    """
    rows = prepared.splits[split].train
    if len(rows) <= most:
        return None
    drawn = _DRAWN.setdefault(prepared, {})
    if (split, most) not in drawn:
        shuffled = np.random.default_rng(derive_seed(0, "measured rows")).permutation(len(rows))
        order = np.argsort(prepared.y[split][rows][shuffled], kind="stable")
        places = (np.arange(most) * 2 + 1) * len(rows) // (2 * most)
        drawn[split, most] = np.sort(shuffled[order[places]])
    return drawn[split, most]
