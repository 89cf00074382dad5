"""Monte Carlo dropout: how far answers spread when dropout is on.

A sample is one thinned network. Its masks follow from the seed, the sample's number and the place
in the network alone, and all rows meet the same ones: so a row has the same answer alone and in any
batch, and the same seed gives it again. Dropout alone is on, of activations and of weights;
normalization, noise and what drops whole branches stay as they are in eval mode.

For S samples with probabilities p_s: their mean p̄ answers, with the deviation of each class over
the samples (S − 1 in the denominator), the predictive entropy H(p̄) = −Σ p̄ log p̄ in nats, and the
mutual information H(p̄) − mean H(p_s), which is what the samples disagree in.

Source: Gal & Ghahramani 2016, arXiv:1506.02142; Houlsby et al. 2011, arXiv:1112.5745
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.errors import SpecError
from worker.models.forward import (
    BLOCK,
    Compute,
    Features,
    RowForward,
    RowNumbers,
    mean_scores,
)
from worker.models.probabilities import class_probabilities
from worker.networks import Network, build_network
from worker.regularization import RandomStreams, derive_seed
from worker.regularization.families import DropoutLayer
from worker.spec import TaskKind, Trial

GROUP_NUMBERS = 2**24
"""Weights of the samples that are computed together, about."""


class StochasticForward:
    """Encoded rows → the scores of S thinned networks.

    Args:
        network: M members that answer together, in eval mode.
        trial: what they were built from.
        shape: of a row.
        numbers: which inputs are numbers.
        task: what is predicted.
        samples: S.
        seed: of the masks.

    Raises:
        SpecError: the network has no dropout.
    """

    def __init__(
        self,
        network: Network,
        trial: Trial,
        shape: tuple[int, ...],
        numbers: Sequence[int],
        task: TaskKind,
        *,
        samples: int,
        seed: int,
    ) -> None:
        members, outputs = _members_and_outputs(network)
        weights = sum(parameter.numel() for parameter in network.parameters())
        size = max(1, GROUP_NUMBERS // max(weights, 1))
        self.samples = samples
        self._outputs, self._task, self._members = outputs, task, members
        seeds = [derive_seed(seed, "mc_samples", number) for number in range(samples)]
        groups = [seeds[first : first + size] for first in range(0, samples, size)]
        self._passes = [
            row_exact(self._compute(network, trial, shape, numbers, group), shape, weights)
            for group in groups
        ]

    def __call__(self, features: Features) -> Features:
        """``[N, …]`` → ``[S, N, O]``."""
        parts = [one(features).reshape(len(features), -1, self._outputs) for one in self._passes]
        return np.ascontiguousarray(np.concatenate(parts, axis=1).transpose(1, 0, 2))

    def _compute(
        self,
        network: Network,
        trial: Trial,
        shape: tuple[int, ...],
        numbers: Sequence[int],
        seeds: Sequence[int],
    ) -> Any:
        members = self._members
        streams = RandomStreams([seed for seed in seeds for _ in range(members)])
        thinned = build_network(
            trial.network,
            shape,
            self._outputs,
            [trial.regularization] * (len(seeds) * members),
            streams=streams,
            numbers=numbers,
        )
        share(network, thinned, len(seeds))
        switch_on(thinned)
        streams.start_epoch(0, steps=1, rows=1)
        count = torch.full((len(seeds),), members)

        @torch.inference_mode()
        def compute(x: Tensor) -> list[Tensor]:
            streams.rewind()
            scores = thinned(x.expand(len(seeds) * members, *x.shape))  # [G·M, B, O]
            scores = scores.view(len(seeds), members, *scores.shape[1:])
            mean = scores[:, 0] if members < 2 else mean_scores(self._task, scores, count)
            return [mean.transpose(0, 1).flatten(1).contiguous()]

        return compute


def row_exact(compute: Compute, shape: tuple[int, ...], weights: int) -> RowForward:
    """In blocks of one size if all of their places are alike, else row by row."""
    blocks = RowForward(compute, "regression", RowNumbers(BLOCK, BLOCK), weights)
    if blocks.treats_rows_alike(shape):
        return blocks
    return RowForward(compute, "regression", RowNumbers(1, 1), weights)


def _members_and_outputs(network: Network) -> tuple[int, int]:
    # The last of its parameters may be those of a normalization.
    bias = [p for name, p in network.get_submodule("layers").named_parameters() if "bias" in name][
        -1
    ]
    return bias.shape[0], bias.shape[1]


def share(network: Network, thinned: Network, copies: int) -> None:
    """Give all samples the members' weights, without a copy of them."""
    for name, tensor in network.state_dict().items():
        shared = tensor.expand(copies, *tensor.shape).flatten(0, 1)
        owner, _, last = name.rpartition(".")
        module = thinned.get_submodule(owner)
        if last in dict(module.named_parameters(recurse=False)):
            setattr(module, last, nn.Parameter(shared, requires_grad=False))
        else:
            setattr(module, last, shared)


def switch_on(network: Network) -> None:
    """Dropout alone, with one mask of a row for all rows."""
    network.requires_grad_(False).eval()
    layers = [module for module in network.modules() if isinstance(module, DropoutLayer)]
    if not layers:
        raise SpecError(
            "This model was trained without dropout, so there is nothing to be sampled; leave "
            "mc_samples out.",
            code="no_dropout",
            param="mc_samples",
        )
    for layer in layers:
        layer.train()
        if layer.technique.per_row:
            layer.mask = _of_one_row(layer)  # type: ignore[method-assign]


def _of_one_row(layer: DropoutLayer) -> Any:
    draw = layer.mask
    return lambda h: draw(h[:, :1])


def spread_of_classes(
    task: TaskKind, scores: Features, weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
    """Scores ``[S, N, O]`` → the mean probabilities ``[N, C]``, and ``deviation`` ``[N, C]``,
    ``entropy`` and ``mutual_information`` ``[N]``.

    ``weights`` are the share of each, ``[S]``, which sum to 1; all the same unless given.
    """
    each = np.stack([class_probabilities(task, sample) for sample in scores]).astype(np.float64)
    mean = _mean(each, weights)
    deviation = _deviation(each, mean, weights)
    entropy = _entropy(mean)
    disagreement = entropy - _mean(_entropy(each), weights)
    return mean.astype(np.float32), {
        "deviation": deviation,
        "entropy": entropy,
        "mutual_information": np.maximum(disagreement, 0.0),
    }


def spread_of_values(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Values ``[S, N]`` → their mean ``[N]``, and their ``deviation`` ``[N]``.

    ``weights`` as of `spread_of_classes`.
    """
    mean = _mean(values, weights)
    return mean, {"deviation": _deviation(values, mean, weights)}


def _mean(
    each: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    if weights is None:
        return np.asarray(_total(each) / len(each))
    return _total(each * weights.reshape(-1, *[1] * (each.ndim - 1)))


def _deviation(
    each: NDArray[np.float64],
    mean: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """n − 1 in the denominator; with weights w that sum to 1, Σ w·(x − x̄)² / (1 − Σ w²), which is
    the same where all are 1/n. NaN of one alone.
    """
    if len(each) < 2:
        return np.full_like(mean, np.nan)
    squares = (each - mean) ** 2
    if weights is None:
        return np.asarray(np.sqrt(_total(squares) / (len(each) - 1)))
    free = 1.0 - float(np.square(weights).sum())
    return np.asarray(np.sqrt(_mean(squares, weights) / free)) if free > 0 else mean * np.nan


def _total(each: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over samples, one after another: the sums of one row alone would be taken in pairs."""
    return np.asarray(np.add.accumulate(each, axis=0)[-1])


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """−Σ p log p along the last axis, class by class, so that a row's follows from it alone."""
    terms = -p * np.log(np.where(p > 0, p, 1.0))
    total = terms[..., 0].copy()
    for number in range(1, terms.shape[-1]):
        total += terms[..., number]
    return np.asarray(total)
