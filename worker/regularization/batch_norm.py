"""Batch normalization."""

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.regularization.families.normalization import Normalization
from worker.regularization.stack import Stack


@final
class BatchNorm(Normalization):
    """Normalizes each unit over the batch: γ·(h − μ_B)/√(σ²_B + ε) + β, before the activation.

    Training uses the batch's mean and variance and keeps running averages, with
    `momentum` the weight of the newest batch; eval mode uses the running averages, so an answer
    does not depend on its batch mates. A last batch of one row is left out: it has no variance.

    Shapes: h ``[K, B, F]``; γ, β, running mean and variance ``[K, F]``.
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167
    """

    momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Weight of the newest batch in the running averages."""
    epsilon: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-5
    """ε, added to the variance."""


class BatchNormLayer(nn.Module):
    """Batch normalization of one layer for K trials, on in some of them."""

    on: Tensor
    momentum: Tensor
    epsilon: Tensor
    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, stack: Stack[BatchNorm], features: int) -> None:
        super().__init__()
        trials = len(stack.members)
        on = stack.on()[:, None, None]
        momentum = stack.numbers(lambda s: s.momentum, off=0.1)[:, None]
        epsilon = stack.numbers(lambda s: s.epsilon, off=1e-5)[:, None]
        self.everywhere = bool(on.all())
        self.register_buffer("on", on, persistent=False)
        self.register_buffer("momentum", momentum, persistent=False)
        self.register_buffer("epsilon", epsilon, persistent=False)
        # 0, not 1, where it is off: no penalty or norm may count weights that a trial lacks.
        self.weight = nn.Parameter(stack.on()[:, None].float().repeat(1, features))
        self.bias = nn.Parameter(torch.zeros(trials, features))
        self.register_buffer("running_mean", torch.zeros(trials, features))
        self.register_buffer("running_var", torch.ones(trials, features))

    def forward(self, h: Tensor) -> Tensor:
        """Normalize ``[K, B, F]`` where the technique is on."""
        if self.training:
            var, mean = torch.var_mean(h, dim=1, correction=0)
            self._remember(mean.detach(), var.detach(), h.shape[1])
        else:
            var, mean = self.running_var, self.running_mean
        scale = self.weight * torch.rsqrt(var + self.epsilon)  # [K, F]
        normed = torch.addcmul((self.bias - mean * scale)[:, None], h, scale[:, None])
        return normed if self.everywhere else torch.where(self.on, normed, h)

    def _remember(self, mean: Tensor, var: Tensor, rows: int) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (rows / max(rows - 1, 1)), self.momentum)
