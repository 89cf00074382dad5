"""Layer normalization."""

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from worker.regularization.families.normalization import (
    EPSILON,
    Kept,
    Normalization,
    NormalizationLayer,
)
from worker.regularization.per_trial import PerTrial

_layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default


@final
class LayerNorm(Normalization):
    """Normalizes each row over its units: h' = γ·(h − μ)/√(σ² + ε) + β, before the activation.

    μ and σ² are of one row in one layer, so training and eval mode are alike, and no batch is too
    small. After a convolution they are over all maps and positions, with one γ and β a map.

    When: small batches, deep or residual networks.
    Start: ε 1e-5.
    Badly with: `batch_norm`, which normalizes the same again; `l2` and `weight_decay`, which no
    longer bound the function; `alpha_dropout`; layers of a few units, whose size is the message.
    Cost: two passes over the activations of each layer, at prediction too.
    Units: ε in the unit of the variance, as PyTorch's `LayerNorm(eps)`.
    Shapes: h ``[K, B, F]``, maps ``[K, B, C, …]``; γ, β ``[K, F]``.
    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450
    """

    epsilon: Annotated[float, Field(gt=0.0, le=1.0)] = EPSILON
    """ε, added to the variance."""

    def structure(self) -> float | None:
        """ε, where it is not the usual one: kernels take one."""
        return None if self.epsilon == EPSILON else self.epsilon

    @classmethod
    def layer(
        cls, stack: PerTrial["LayerNorm"], features: int, dimensions: int
    ) -> "LayerNormLayer":
        """Normalizes over the units of a row."""
        return LayerNormLayer(stack, features, dimensions)


class LayerNormLayer(NormalizationLayer):
    """Layer normalization of one layer for K trials, on in some of them."""

    def normalize(self, h: Tensor) -> Tensor:
        """γ·(h − μ)/√(σ² + ε) + β."""
        # PyTorch's kernel wants the memory's own order; maps lie channels last.
        rows = h.movedim(2, -1) if h.dim() > 3 else h
        normed = functional.layer_norm(rows, rows.shape[2:], eps=self.epsilon)
        normed = normed.movedim(-1, 2) if h.dim() > 3 else normed
        return normed.mul(self.widen(self.weight)).add(self.widen(self.bias))

    def bind(self) -> None:
        """And get ready γ = 1 and β = 0."""
        super().bind()
        one = torch.ones_like(self.weight.data[0])
        self._plain = one, torch.zeros_like(one)

    def normalize_units(self, h: Tensor, out: Tensor | None) -> tuple[Tensor, Kept]:
        """γ·n + β with n = (h − μ)/√(σ² + ε)."""
        weight, bias = self.columns
        # Given γ and β the kernel takes two thirds of its time; those of trials differ.
        one, zero = self._plain
        normed, mean, inverse = torch.native_layer_norm(h, one.shape, one, zero, self.epsilon)
        return torch.addcmul(bias, normed, weight), (h, normed, mean, inverse)

    def derive_units(self, g: Tensor, kept: Kept) -> tuple[Tensor, Tensor, Tensor]:
        """∂L/∂β = Σ g, ∂L/∂γ = Σ g·n over the rows, and with a = γ·g and means over the units

        ∂L/∂h = (a − mean a − n·mean a·n)/√(σ² + ε), by PyTorch's kernel.
        """
        h, normed, mean, inverse = kept
        by_h, _, _ = _layer_norm_backward(
            g * self.columns[0], h, h.shape[2:], mean, inverse, None, None, [True, False, False]
        )
        return by_h, (g * normed).sum(1, keepdim=True), g.sum(1, keepdim=True)
