"""Techniques of residual networks: they shake or drop what a branch adds to its shortcut."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from worker.regularization.families.random_layer import RandomLayer
from worker.regularization.per_trial import PerTrial
from worker.regularization.ramp import Ramp
from worker.regularization.technique import DropProbability, Technique


class BranchDropout(Technique):
    """Acts on the branch F of a residual block, h ← h + F(h).

    By the linear decay rule, block l of L has p·l/L: early blocks, on which all others build,
    stay more often.
    """

    family: ClassVar[str] = "dropout"

    p: DropProbability = 0.5
    """Probability of acting on the last block; earlier blocks have less, linearly."""
    schedule: Ramp | None = None
    """What share of p applies in each epoch; all of it unless given."""

    def rates(self, blocks: int) -> tuple[float, ...]:
        """p of each block: p·l/L for l = 1 … L."""
        return tuple(self.p * (block + 1) / blocks for block in range(blocks))

    @classmethod
    @abstractmethod
    def layer(
        cls, p: Tensor, schedules: Sequence[Ramp | None], dimensions: int, generator: Generator
    ) -> RandomLayer:
        """The module for one block, p ``[K]``: F → what is added to the shortcut."""


class BranchMerge(Technique):
    """Gives each residual block two branches, and says how they become one."""

    family: ClassVar[str] = "dropout"

    @classmethod
    @abstractmethod
    def layer(cls, stack: PerTrial[Any], dimensions: int, generator: Generator) -> nn.Module:
        """The module for one block: (F₁, F₂) → F; F₁ alone in the trials without it."""


class Scale(torch.autograd.Function):
    """h·a forward and g·b backward: a gradient on purpose not that of the forward pass."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
        """h·a."""
        ctx.save_for_backward(backward)
        return h * forward

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """g·b."""
        (backward,) = ctx.saved_tensors
        return gradients[0] * backward, None, None


def scale(h: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
    """``h·forward``, whose gradient is ``g·backward``."""
    scaled: Tensor = Scale.apply(h, forward, backward)  # type: ignore[no-untyped-call]
    return scaled
