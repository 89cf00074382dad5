"""Normalizations: layers that fix the scale of activations."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from worker.regularization.per_trial import PerTrial
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts, Technique
from worker.shapes import shaped

EPSILON = 1e-5
"""The usual ε."""
Kept = tuple[Tensor, ...]
"""What a forward pass leaves for the way back."""


class Normalization(Technique):
    """A layer between a dense or convolutional layer and its activation; dropout comes after both.

    Its module carries per trial whether it is on, and passes other trials' activations unchanged.
    """

    family: ClassVar[str] = "normalization"
    needs_batch: ClassVar[bool] = False
    """Whether a batch of one row cannot be normalized."""

    @classmethod
    def main_field(cls) -> str | None:
        """None: by a number alone nobody means ε or a momentum."""
        return None

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Hidden layers; without any it does nothing."""
        if network.depth:
            return None
        return Misfit(
            f"{self.key()} normalizes hidden layers, and the network has none.", refused=False
        )

    @classmethod
    @abstractmethod
    def layer(cls, stack: PerTrial[Any], features: int, dimensions: int) -> nn.Module:
        """The module for activations ``[K, B, F, …]`` of so many dimensions."""


class NormalizationLayer(nn.Module, ABC):
    """A normalization of one layer for K trials, on in some of them; γ and β are learned."""

    on: Tensor
    columns: tuple[Tensor, Tensor]
    """γ and β ``[K, 1, F]``, once ``bind`` was called."""
    epsilon: float
    """ε, one for the fleet: trials with another are another fleet."""

    def __init__(self, stack: PerTrial[Any], features: int, dimensions: int) -> None:
        super().__init__()
        on, ones = stack.on(), (1,) * (dimensions - 1)
        self.everywhere = bool(on.all())
        self._positions = ones[2:]
        self.epsilon = stack.only_value(lambda s: s.epsilon, off=EPSILON)
        self.register_buffer("on", on.view(-1, *ones), persistent=False)
        # 0, not 1, where it is off: no penalty or norm may count weights that a trial lacks.
        self.weight = nn.Parameter(on[:, None].float().repeat(1, features))
        self.bias = nn.Parameter(torch.zeros(len(on), features))

    @shaped(h="K B F …", returns="K B F …")
    def forward(self, h: Tensor) -> Tensor:
        """Normalize ``[K, B, F, …]`` where the technique is on."""
        # Statistics of rounded products are not rounded again.
        h = h.to(torch.promote_types(h.dtype, self.weight.dtype))
        normed = self.normalize(h)
        return normed if self.everywhere else torch.where(self.on, normed, h)

    def bind(self) -> None:
        """Take γ and β from where they lie now: what is done by hand asks for them often."""
        self.columns = self.weight.data.unsqueeze(1), self.bias.data.unsqueeze(1)

    def remember(self, h: Tensor) -> tuple[Tensor, Kept]:
        """What ``forward`` gives for units ``[K, B, F]`` in training mode; h may be overwritten.

        And what the way back needs.
        """
        if self.everywhere:
            return self.normalize_units(h, h)
        normed, kept = self.normalize_units(h, None)
        return torch.where(self.on, normed, h), kept

    def backward(self, g: Tensor, kept: Kept) -> tuple[Tensor, Tensor, Tensor]:
        """From ∂L/∂h' ``[K, B, F]`` to ∂L/∂h, ∂L/∂γ and ∂L/∂β ``[K, 1, F]``."""
        by_h, by_weight, by_bias = self.derive_units(g, kept)
        if not self.everywhere:
            on, zero = self.on, torch.zeros_like(by_bias)
            by_h = torch.where(on, by_h, g)
            by_weight, by_bias = torch.where(on, by_weight, zero), torch.where(on, by_bias, zero)
        return by_h, by_weight, by_bias

    @abstractmethod
    def normalize(self, h: Tensor) -> Tensor:
        """Normalize every trial's activations."""

    @abstractmethod
    def normalize_units(self, h: Tensor, out: Tensor | None) -> tuple[Tensor, Kept]:
        """Units ``[K, B, F]`` of every trial, in training; ``out`` may be overwritten."""

    @abstractmethod
    def derive_units(self, g: Tensor, kept: Kept) -> tuple[Tensor, Tensor, Tensor]:
        """From ∂L/∂h' ``[K, B, F]`` to ∂L/∂h, ∂L/∂γ and ∂L/∂β ``[K, 1, F]``; g stays."""

    def widen(self, number: Tensor) -> Tensor:
        """``[K, F]`` → ``[K, 1, F, 1, …]``, to meet activations."""
        trials, features = number.shape
        return number.view(trials, 1, features, *self._positions)
