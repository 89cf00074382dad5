"""A training batch on its way to the network, and what is known of its classes."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Classes:
    """The classes of the target. A regression has none."""

    names: tuple[str, ...]
    counts: Tensor
    """``[K, C]``: training rows of each class, for each trial."""


@dataclass(frozen=True)
class Batch:
    """B rows for each of K trials. Its tensors may be views of shared data: never write to them."""

    x: Tensor
    """``[K, B, F]``, ``[K, B, C, L]`` or ``[K, B, C, H, W]``."""
    y: Tensor
    """``[K, B]``: class numbers, for two classes the probability of class 1, or the value of a
    regression. ``[K, B, C]``: class probabilities."""
    classes: int
    """C; 0 for a regression."""
    weights: Tensor | None = None
    """``[K, B]``: what each row's loss counts; 1 unless given."""

    def soft(self) -> Tensor:
        """The target as numbers that can be averaged: class numbers become probabilities."""
        if self.y.is_floating_point():
            return self.y
        return torch.eq(self.y[..., None], torch.arange(self.classes, device=self.y.device)).float()

    def mixed(self, x: Tensor, share: Tensor) -> "Batch":
        """The batch with features ``x``, each row's target mixed with its partner's.

        The loss of a row becomes (1 − s)·w·L(y) + s·w'·L(y'), with s the trial's ``share``
        ``[K]`` and ' the partner: cross-entropy is linear in the target. For a squared error that
        holds up to a term without the scores, so the gradient is the same.
        """
        y, part = self.soft(), share[:, None]  # [K, 1]
        weights = self.weights
        if weights is not None:
            theirs = partners(weights)
            weights = torch.lerp(weights, theirs, part)
            least = torch.finfo(weights.dtype).tiny  # rows may count 0, both of them
            part = part * theirs / weights.clamp(min=least)  # [K, B]
        part = part if y.dim() == 2 else part[..., None]
        return replace(self, x=x, y=torch.lerp(y, partners(y), part), weights=weights)


def partners(rows: Tensor) -> Tensor:
    """For each row of ``[K, B, …]`` another one of its batch: the one before it.

    An epoch's order is random, so this is a random partner, at the price of a copy.
    """
    return rows.roll(1, 1)


def widened(numbers: Tensor, like: Tensor) -> Tensor:
    """Numbers ``[K]`` or ``[K, B]`` with as many axes as a tensor that they scale."""
    return numbers.view(*numbers.shape, *[1] * (like.dim() - numbers.dim()))
