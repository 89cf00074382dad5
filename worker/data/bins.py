"""Bins: where the edges of a piecewise linear encoding lie, as the training rows have it."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def bin_edges(
    numbers: NDArray[np.float32],
    target: NDArray[Any],
    bins: int,
    by: Literal["quantile", "tree"],
    *,
    classes: bool,
) -> NDArray[np.float32]:
    """The edges of each number's bins, ascending, [N, P] → [P, bins + 1]; NaN behind the last one
    of a number that has fewer different ones.

    `quantile`: the quantiles 0, 1/T … 1. `tree`: the least number, the thresholds of a decision
    tree of at most T leaves that predicts the target from this number alone (a leaf has a quarter
    of N/T rows at least), and the greatest number.

    Source: Gorishniy, Rubachev & Babenko 2022, arXiv:2203.05556, section 3.2
    """
    edges = np.full((numbers.shape[1], bins + 1), np.nan, dtype=np.float32)
    for place, column in enumerate(numbers.T):
        if by == "quantile":
            found = np.quantile(column.astype(np.float64), np.linspace(0, 1, bins + 1))
        else:
            ends = column.min(), column.max()
            found = np.array([*ends, *_thresholds(column, target, bins, classes=classes)])
        different = np.unique(found.astype(np.float32))
        edges[place, : len(different)] = different
    return edges


def _thresholds(
    column: NDArray[np.float32], target: NDArray[Any], bins: int, *, classes: bool
) -> NDArray[np.float64]:
    # Here alone, since it takes a second to import.
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    fewest = max(1, len(column) // (4 * bins))
    tree = kind(max_leaf_nodes=bins, min_samples_leaf=fewest, random_state=0)
    grown = tree.fit(column[:, None], target).tree_
    return np.asarray(grown.threshold[grown.feature >= 0], dtype=np.float64)
