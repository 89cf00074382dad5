"""Batch normalization, 1d and 2d."""

from typing import Annotated, ClassVar, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.normalization import (
    EPSILON,
    Kept,
    Normalization,
    NormalizationLayer,
)
from worker.regularization.per_trial import PerTrial


@final
class BatchNorm(Normalization):
    """Normalizes each unit over the batch: h' = γ·(h − μ_B)/√(σ²_B + ε) + β, before the activation.

    Training uses the batch's mean and variance and keeps running averages, with
    `momentum` the weight of the newest batch; eval mode uses the running averages, so an answer
    does not depend on its batch mates. After a convolution a map is one unit: its mean is over
    the batch and all positions. A last batch of one row is left out: it has no variance.

    When: deep networks, large learning rates, batches of 16 rows and more.
    Start: momentum .1, ε 1e-5; with mild `dropout` after it, or with `l2`.
    Badly with: heavy `dropout`, `drop_connect` and `spatial_dropout`, which shift the variance
    that it learnt; `l2` and `weight_decay`, which no longer bound the function; `alpha_dropout`;
    batches of a few rows.
    Cost: two passes over the activations of each layer; at prediction one.
    Units: momentum is PyTorch's, the weight of the newest batch; Keras's is 1 minus it.
    Shapes: h ``[K, B, F]``, maps ``[K, B, C, …]``; γ, β, running mean and variance ``[K, F]``.
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167
    """

    needs_batch: ClassVar[bool] = True

    momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Weight of the newest batch in the running averages."""
    epsilon: Annotated[float, Field(gt=0.0, le=1.0)] = EPSILON
    """ε, added to the variance."""

    def structure(self) -> float | None:
        """ε, where it is not the usual one: kernels take one."""
        return None if self.epsilon == EPSILON else self.epsilon

    @classmethod
    def layer(
        cls, stack: PerTrial["BatchNorm"], features: int, dimensions: int
    ) -> "BatchNormLayer":
        """Normalizes over the batch."""
        return BatchNormLayer(stack, features, dimensions)


class BatchNormLayer(NormalizationLayer):
    """Batch normalization of one layer for K trials, on in some of them."""

    momentum: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, stack: PerTrial[BatchNorm], features: int, dimensions: int) -> None:
        super().__init__(stack, features, dimensions)
        trials = len(stack.members)
        momentum = stack.numbers(lambda s: s.momentum, off=0.1)[:, None]
        self.register_buffer("momentum", momentum, persistent=False)
        self.register_buffer("running_mean", torch.zeros(trials, features))
        self.register_buffer("running_var", torch.ones(trials, features))

    def normalize(self, h: Tensor) -> Tensor:
        """γ·(h − μ)/√(σ² + ε) + β."""
        if not self.training:
            return self._affine(h, self.running_mean, self.running_var)
        if h.dim() > 3:
            return self._maps(h)
        # Sums of products, since ``torch.var_mean`` takes many times as long across rows.
        rows = h.shape[1]
        mean = h.sum(1, keepdim=True) / rows
        centered = h - mean
        var = (centered * centered).sum(1, keepdim=True) / rows
        self._remember(mean.detach().squeeze(1), var.detach().squeeze(1), rows)
        scale = torch.rsqrt(var + self.epsilon) * self.weight.unsqueeze(1)
        return torch.addcmul(self.bias.unsqueeze(1), centered, scale)

    def bind(self) -> None:
        """Take the running averages from where they lie, too."""
        super().bind()
        self._averages = tuple(
            tensor.unsqueeze(1) for tensor in (self.running_mean, self.running_var, self.momentum)
        )
        self._of_rows: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def normalize_units(self, h: Tensor, out: Tensor | None) -> tuple[Tensor, Kept]:
        """γ·s·c + β with c = h − μ and s = (σ² + ε)^−½."""
        weight, bias = self.columns
        share, unbiased, epsilon = self._shares(h)
        mean = h.sum(1, keepdim=True).mul_(share)
        centered = torch.sub(h, mean, out=out)
        squares = (centered * centered).sum(1, keepdim=True)
        means, variances, momentum = self._averages
        means.lerp_(mean, momentum)
        variances.lerp_(squares * unbiased, momentum)
        inverse = torch.addcmul(epsilon, squares, share).rsqrt_()
        scale = inverse * weight
        return torch.addcmul(bias, centered, scale), (centered, inverse, scale)

    def derive_units(self, g: Tensor, kept: Kept) -> tuple[Tensor, Tensor, Tensor]:
        """∂L/∂β = Σ g, ∂L/∂γ = s·Σ g·c, ∂L/∂h = γs·(g − mean g − c·s²·mean g·c), over the rows."""
        centered, inverse, scale = kept
        share = 1 / g.shape[1]
        by_bias = g.sum(1, keepdim=True)
        by_weight = (g * centered).sum(1, keepdim=True).mul_(inverse)
        by_h = torch.addcmul(g, centered, by_weight * inverse, value=-share)
        by_h.sub_(by_bias, alpha=share).mul_(scale)
        return by_h, by_weight, by_bias

    def _shares(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1/B, 1/(B − 1) and ε, as tensors: a number would be made one at every use."""
        rows = h.shape[1]
        if rows not in self._of_rows:
            numbers = 1 / rows, 1 / max(rows - 1, 1), self.epsilon
            first, second, third = (torch.full_like(h[:1, :1, :1], number) for number in numbers)
            self._of_rows[rows] = first, second, third
        return self._of_rows[rows]

    def _affine(self, h: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        scale = self.weight * torch.rsqrt(var + self.epsilon)  # [K, F]
        return torch.addcmul(self.widen(self.bias - mean * scale), h, self.widen(scale))

    def _maps(self, h: Tensor) -> Tensor:
        """The same by PyTorch's kernel, as maps lie: on a processor each trial's, channels last."""
        if h.is_cuda:
            units = h.transpose(0, 1).flatten(1, 2)  # [B, K·C, …]
            normed, *moments = self._kernel(units, self.weight.flatten(), self.bias.flatten())
            maps = normed.view(len(normed), *self.weight.shape, *h.shape[3:]).transpose(0, 1)
        else:
            rows = h.movedim(2, -1)  # [K, B, …, C]
            trials = zip(rows.unbind(), self.weight.unbind(), self.bias.unbind(), strict=True)
            normed, *moments = (
                torch.stack(tensors) if len(tensors) > 1 else tensors[0].unsqueeze(0)
                for tensors in zip(*(self._channels_last(*trial) for trial in trials), strict=True)
            )
            maps = normed.movedim(-1, 2)
        mean, inverse = (moment.detach().view_as(self.weight) for moment in moments)
        self._remember(mean, inverse.pow(-2) - self.epsilon, h[0, :, 0].numel())
        return maps

    def _channels_last(
        self, rows: Tensor, weight: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows ``[B, …, C]`` of one trial normalized; mean and inverse deviation ``[C]``."""
        normed, mean, inverse = self._kernel(rows.movedim(-1, 1), weight, bias)
        return normed.movedim(1, -1), mean, inverse

    def _kernel(self, units: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``[B, C, …]`` normalized; mean and inverse deviation ``[C]``."""
        normed, mean, inverse = torch.native_batch_norm(
            units, weight, bias, None, None, True, 0.0, self.epsilon
        )
        return normed, mean, inverse

    def _remember(self, mean: Tensor, var: Tensor, numbers: int) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (numbers / max(numbers - 1, 1)), self.momentum)
