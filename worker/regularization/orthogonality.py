"""Orthogonality: units that look at different things."""

from collections.abc import Iterator, Sequence
from typing import final

import torch
from torch import Tensor

from worker.regularization.families.penalty import InitialWeights, Penalty, PenaltyTerms, Scope
from worker.regularization.technique import Layers, Memory


@final
class Orthogonality(Penalty):
    """Weights of units orthogonal to each other and of length 1: R(W) = λ Σ ‖WᵀW − I‖²_F.

    Over the weight matrices, ∂R/∂W = 4λ·W(WᵀW − I). A matrix with orthonormal columns keeps the
    length of what passes, so that signals neither fade nor grow through the layers, and its units
    do not repeat each other. Where a layer has more units than inputs, WWᵀ takes the place of WᵀW:
    the gradient is the same, and it can become I. A convolution is the matrix of its flattened
    kernels, one column a filter. Not convex: there is no proximal step.

    When: deep networks without normalization, or wide ones whose units repeat each other.
    Start: 1e-4 (1e-6 to 1e-2), or a `schedule` that falls to 0.
    Badly with: `l2`, `weight_decay` and `max_norm` below 1, which pull against the length of 1;
    `batch_norm` and `layer_norm`, under which a length of 1 means nothing.
    Cost: two matrix products a layer and step, as much as a forward pass of min(in, out) rows;
    nothing at prediction.
    Units: λ in units of the mean data loss, per matrix: it grows with the number of units.
    Shapes: W ``[K, in, out]``; λ ``[K, P]``; R ``[K]``.
    Source: Brock et al. 2017, arXiv:1609.07093; Bansal et al. 2018, arXiv:1810.09102, "SO".
    """

    layers: Layers | None = None
    """Act on these layers only, numbered from 0 at the input; all layers unless given."""

    def scope(self) -> Scope:
        """Weight matrices alone."""
        return Scope(biases=False, layers=self.layers)

    def memory(self) -> Memory:
        """WᵀW − I and its product with W, beside the gradient."""
        return Memory(step=4)

    def starting_value(self, blocks: Sequence[InitialWeights]) -> float:
        """Σ E‖WᵀW − I‖² of n rows and m ≤ n columns of independent entries.

        Off the diagonal E(wᵢ·wⱼ)² = n·σ⁴, on it E(‖wᵢ‖² − 1)² = n·(E w⁴ − σ⁴) + (n·σ² − 1)².
        """
        total = 0.0
        for block in blocks:
            m, n = sorted((block.units, block.count // block.units))
            square = block.square**2
            diagonal = n * (block.fourth - square) + (n * block.square - 1) ** 2
            total += m * (m - 1) * n * square + m * diagonal
        return total

    @staticmethod
    def value(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λ Σ ‖WᵀW − I‖²."""
        total = w.new_zeros(len(w))
        for _, weights, strength in _matrices(w, w, terms):
            total += strength * _excess(weights).square().sum((1, 2))
        return total

    @staticmethod
    def gradient(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """4λ·W(WᵀW − I)."""
        gradient = torch.zeros_like(w)
        for target, weights, strength in _matrices(gradient, w, terms):
            excess = _excess(weights)
            wide = weights.shape[1] < weights.shape[2]
            product = torch.bmm(excess, weights) if wide else torch.bmm(weights, excess)
            target.copy_((4 * strength.view(-1, 1, 1) * product).view(target.shape))
        return gradient


def _excess(weights: Tensor) -> Tensor:
    """WᵀW − I ``[K, out, out]``, or WWᵀ − I ``[K, in, in]`` where that is smaller."""
    wide = weights.shape[1] < weights.shape[2]
    gram = torch.bmm(weights, weights.mT) if wide else torch.bmm(weights.mT, weights)
    return gram - torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)


def _matrices(
    target: Tensor, w: Tensor, terms: PenaltyTerms
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Each layer's view of ``target`` ``[K, P]``, its W ``[K, in, out]`` and its λ ``[K]``."""
    for matrix in terms.index.matrices:
        strength = matrix.of(terms.strength).flatten(1)[:, 0]  # the same throughout a layer
        yield matrix.of(target), matrix.of(w).flatten(1, -2), strength
