"""Shake-Shake."""

from typing import Literal, final

import torch
from torch import Tensor

from worker.regularization.families.branch import BranchMerge, scale
from worker.regularization.families.random_layer import RandomLayer
from worker.regularization.per_trial import PerTrial
from worker.regularization.random_streams import Stream


@final
class ShakeShake(BranchMerge):
    """Two branches a residual block, mixed at random: h ← h + α·F₁(h) + (1 − α)·F₂(h).

    α is uniform on [0, 1] in the forward pass of training, β in the backward pass, drawn a row;
    in eval mode both are ½. `forward: even` and `backward: even` fix them at ½ in training too;
    `backward: keep` uses α again. The second branch doubles the weights of the blocks. Only in
    residual networks.

    When: residual networks with data enough for two branches, and long training.
    Start: `forward: shake`, `backward: shake`; `backward: even` where that is too strong.
    Badly with: `stochastic_depth` and `shake_drop`, which disturb the same branches; few epochs.
    Cost: twice the weights and the time of the blocks, at prediction too.
    Units: none; α and β are shares.
    Shapes: F₁, F₂ ``[K, B, F]``; α, β ``[K, B, 1]``.
    Source: Gastaldi 2017, arXiv:1705.07485
    """

    forward: Literal["shake", "even"] = "shake"
    """How the branches are mixed in the forward pass."""
    backward: Literal["shake", "even", "keep"] = "shake"
    """How the gradient is divided between them."""

    @classmethod
    def layer(
        cls, stack: PerTrial["ShakeShake"], dimensions: int, random: Stream
    ) -> "ShakeShakeLayer":
        """Mixes F₁ and F₂."""
        return ShakeShakeLayer(stack, dimensions, random)

    @staticmethod
    def mix(first: Tensor, second: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """α·F₁ + (1 − α)·F₂, with β in the backward pass."""
        return scale(first, alpha, beta) + scale(second, 1 - alpha, 1 - beta)


class ShakeShakeLayer(RandomLayer):
    """Shake-Shake of one block; F₁ alone in the trials without it."""

    even: Tensor
    shaken: Tensor
    repeated: Tensor

    def __init__(self, stack: PerTrial[ShakeShake], dimensions: int, random: Stream) -> None:
        shakes = stack.numbers(lambda s: s.forward == "shake")
        super().__init__(shakes, (None,) * len(stack.members), dimensions, random)
        numbers = {
            "even": stack.numbers(lambda s: 0.5, off=1.0),  # α in eval mode
            "shaken": stack.numbers(lambda s: s.backward == "shake"),
            "repeated": stack.numbers(lambda s: s.backward == "keep"),
        }
        for name, number in numbers.items():
            self.register_buffer(name, number.view_as(self.full), persistent=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Mix F₁ and F₂."""
        if not self.training:
            return torch.lerp(second, first, self.even)
        rows = (first.shape[1], *[1] * (first.dim() - 2))
        alpha = self.even + self.amount * (self.random.at("forward").uniform(*rows) - 0.5)
        beta = self.even + self.shaken * (self.random.at("backward").uniform(*rows) - 0.5)
        beta = beta + self.repeated * (alpha - beta)
        return ShakeShake.mix(first, second, alpha, beta)
