"""Techniques of residual networks: they shake or drop what a branch adds to its shortcut."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from worker.regularization.families.dropout import WEAK_P
from worker.regularization.families.random_layer import RandomLayer
from worker.regularization.per_trial import PerTrial
from worker.regularization.ramp import Ramp
from worker.regularization.random_streams import Stream
from worker.regularization.technique import (
    DataFacts,
    DropProbability,
    Misfit,
    NetworkFacts,
    Technique,
)


class BranchDropout(Technique):
    """Acts on the branch F of a residual block, h ← h + F(h).

    By the linear decay rule, block l of L has p·l/L: early blocks, on which all others build,
    stay more often.
    """

    family: ClassVar[str] = "dropout"
    per_row: ClassVar[bool] = True

    p: DropProbability = 0.5
    """Probability of acting on the last block; earlier blocks have less, linearly."""
    schedule: Ramp | None = None
    """What share of p applies in each epoch; all of it unless given."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Residual networks."""
        return needs_branches(self.key(), network)

    def restrains(self) -> bool:
        """From p = .1 on."""
        return max(self.rates(1)) >= WEAK_P

    def rates(self, blocks: int) -> tuple[float, ...]:
        """p of each block: p·l/L for l = 1 … L."""
        return tuple(self.p * (block + 1) / blocks for block in range(blocks))

    @classmethod
    @abstractmethod
    def layer(
        cls, p: Tensor, schedules: Sequence[Ramp | None], dimensions: int, random: Stream
    ) -> RandomLayer:
        """The module for one block, p ``[K]``: F → what is added to the shortcut."""


class BranchMerge(Technique):
    """Gives each residual block two branches, and says how they become one."""

    family: ClassVar[str] = "dropout"

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Residual networks."""
        return needs_branches(self.key(), network)

    def restrains(self) -> bool:
        """Always: no row sees the same network twice."""
        return True

    def structure(self) -> bool:
        """Second branches are weights that others do not have."""
        return True

    @classmethod
    @abstractmethod
    def layer(cls, stack: PerTrial[Any], dimensions: int, random: Stream) -> nn.Module:
        """The module for one block: (F₁, F₂) → F; F₁ alone in the trials without it."""


def needs_branches(technique: str, network: NetworkFacts) -> Misfit | None:
    """The misfit of what acts on residual branches, where a network has none."""
    if network.residual_blocks:
        return None
    return Misfit(
        f"{technique} acts on residual branches, and a {network.kind} has none; choose the network "
        "residual_mlp, or dropout."
    )


class ShakeFunction(torch.autograd.Function):
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
    scaled: Tensor = ShakeFunction.apply(h, forward, backward)  # type: ignore[no-untyped-call]
    return scaled
