"""What a fleet's embeddings begin with: the scale of frequencies, and the edges of bins."""

from collections.abc import Sequence

import torch

from worker.data import Prepared, bin_edges
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
