"""What a fleet's embeddings begin with: the scale of frequencies, and the edges of bins."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from worker.data import Prepared
from worker.networks import Embedding, PiecewiseLinearEmbedding
from worker.spec import Periodic, PiecewiseLinear, Trial


def sigmas(trials: Sequence[Trial]) -> list[float] | None:
    """σ of each trial's frequencies; none of trials without them."""
    specs = [trial.network.embeds for trial in trials]
    found = [spec.sigma for spec in specs if isinstance(spec, Periodic)]
    return found or None


def fit_bins(embedding: Embedding | None, trials: Sequence[Trial], prepared: Prepared) -> None:
    """Fit each trial's bins on the training rows of its fold, where it has bins."""
    spec = trials[0].network.embeds
    if not isinstance(embedding, PiecewiseLinearEmbedding) or not isinstance(spec, PiecewiseLinear):
        return
    folds = [trial.fold or 0 for trial in trials]
    places = list(prepared.encoders[0].number_inputs)
    edges = {}
    for fold in sorted(set(folds)):
        rows = prepared.splits[fold].train
        edges[fold] = torch.from_numpy(
            bin_edges(
                prepared.x[fold][rows][:, places],
                prepared.y[fold][rows],
                spec.bins,
                spec.by,
                classes=bool(prepared.target.classes),
            )
        )
    embedding.set_edges(torch.stack([edges[fold] for fold in folds]))


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
