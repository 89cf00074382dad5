"""Groups that stay together, dealt to parts or folds so that each has its share of every class.

The greedy of scikit-learn's `StratifiedGroupKFold`, for bins of any weights w_b (Σ w_b = 1; of F
folds 1/F each). With n_bc rows of class c in bin b, and T_c rows of it in all, a perfect division
has x_bc = n_bc / (w_b T_c) alike in all bins. Groups are placed one by one, those first whose
squared norm Σ_c u_c² is largest, u_c = (rows of class c) / T_c; each goes where it raises the
weighted sum of squares Σ_b w_b Σ_c x_bc² least, which is where 2 Σ_c u_c x_bc + Σ_c u_c² / w_b is
least. One further "class" of all rows keeps the sizes. Groups of equal class counts are exchanged
by the seed, and are placed together: a million groups of one row each take no longer than their
rows. The result depends on rows, classes and seed alone.

Source: scikit-learn, `sklearn.model_selection.StratifiedGroupKFold`
"""

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.splits import Rows
from worker.errors import DataError


def deal_groups(
    groups: Rows, classes: Rows, weights: Sequence[float], seed: int, *, param: str
) -> Rows:
    """The bin of each row, [N]; rows of one group are in one bin, and no bin is empty.

    Args:
        groups: [N], the number of each row's group, from 0 up without gaps.
        classes: [N], class numbers; all 0 where nothing is stratified.
        weights: [B], the bins' shares of the rows, all above 0.
        seed: of the order in which equal groups are placed.
        param: the field to blame.

    Raises:
        DataError: there are fewer groups than bins.
    """
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < len(weights):
        raise DataError(
            f"{count} groups cannot make {len(weights)} parts or folds, each of which needs a "
            "group of its own. Add groups, or ask for fewer folds or parts.",
            code="too_few_groups",
            param=param,
        )
    bins = _placed(_Groups(groups, classes, count), np.asarray(weights), seed)
    _fill_empty(bins, np.bincount(groups, minlength=count), len(weights))
    return bins[groups]


class _Groups:
    """The rows of each class in each group, sparse."""

    def __init__(self, groups: Rows, classes: Rows, count: int) -> None:
        width = int(classes.max()) + 1
        pairs, rows = np.unique(groups * width + classes, return_counts=True)
        self.classes = pairs % width
        self.starts = np.searchsorted(pairs // width, np.arange(count + 1))
        self.shares = rows / np.bincount(classes, minlength=width)[self.classes]
        """Of a class's rows, by group and class."""
        self.sizes = np.bincount(groups, minlength=count) / len(groups)
        owner = pairs // width
        self.norms = np.bincount(owner, weights=self.shares**2, minlength=count) + self.sizes**2
        self.width = width
        # Groups of equal counts have equal sums of random numbers: 2⁻⁶⁴ is the chance of others.
        drawn = np.random.PCG64(width).random_raw(width)
        self.kinds = np.add.reduceat(drawn[self.classes] * rows.astype(np.uint64), self.starts[:-1])


def _placed(groups: _Groups, weights: NDArray[np.float64], seed: int) -> Rows:
    """The bin of each group."""
    count = len(groups.sizes)
    shuffled = np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
    _, first, kind, members = np.unique(
        groups.kinds[shuffled], return_index=True, return_inverse=True, return_counts=True
    )
    by_kind = shuffled[np.argsort(kind, kind="stable")]
    ends = np.cumsum(members)
    bins = np.empty(count, dtype=np.int64)
    held = np.zeros((len(weights), groups.width))
    sizes = np.zeros(len(weights))
    # The largest first; of equally large ones, as they were shuffled.
    for one in np.lexsort((first, -groups.norms[shuffled[first]])).tolist():
        group = int(shuffled[first[one]])
        part = slice(groups.starts[group], groups.starts[group + 1])
        classes, share, size = groups.classes[part], groups.shares[part], groups.sizes[group]
        norm = groups.norms[group]
        costs = 2 * (held[:, classes] @ share + sizes * size) + norm / weights
        chosen = _cheapest(costs, 2 * norm / weights, int(members[one]))
        bins[by_kind[ends[one] - members[one] : ends[one]]] = chosen
        times = np.bincount(chosen, minlength=len(weights)) / weights
        held[:, classes] += times[:, None] * share
        sizes += times * size
    return bins


def _cheapest(costs: NDArray[Any], steps: NDArray[Any], count: int) -> list[int]:
    """The bins of so many equal groups: each goes where it costs least, and then it costs more."""
    if count == 1:
        return [int(np.argmin(costs))]
    queue = [(cost, number) for number, cost in enumerate(costs.tolist())]
    heapq.heapify(queue)
    chosen = []
    for _ in range(count):
        cost, number = queue[0]
        chosen.append(number)
        heapq.heapreplace(queue, (cost + float(steps[number]), number))
    return chosen


def _fill_empty(bins: Rows, sizes: Rows, count: int) -> None:
    """Give a bin without any group the smallest one of the bin that has most."""
    for empty in np.flatnonzero(np.bincount(bins, minlength=count) == 0).tolist():
        fullest = int(np.argmax(np.bincount(bins, minlength=count)))
        candidates = np.flatnonzero(bins == fullest)
        bins[candidates[np.argmin(sizes[candidates])]] = empty
