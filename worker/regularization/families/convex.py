"""What a solver needs of all penalties together: kinks, squares and norms of groups, by column."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ConvexTerms:
    """R(w) = Σ a|w| + Σ b·w² + Σ_g c_g‖w_g‖, float64 ``[K, P]`` each.

    Its proximal step is the soft threshold, then the shrinkage of groups, then that of the squares:
    exact for all three at once (Simon et al. 2013, J. Comput. Graph. Stat. 22(2)).
    """

    absolute: Tensor
    """a."""
    square: Tensor
    """b."""
    group: Tensor
    """c of the group that a column is in; 0 of none."""
    number: Tensor
    """Number of that group, int64; P − 1 of none, which is no group's number."""

    @classmethod
    def none(cls, like: Tensor) -> "ConvexTerms":
        """No penalty on weights ``[K, P]``."""
        zero = torch.zeros_like(like, dtype=torch.float64)
        return cls(zero, zero, zero, zero.long() + (like.shape[1] - 1))

    def __add__(self, other: "ConvexTerms") -> "ConvexTerms":
        """Both; one of them at most has groups."""
        groups = other if bool((other.group > 0).any()) else self
        return ConvexTerms(
            self.absolute + other.absolute,
            self.square + other.square,
            groups.group,
            groups.number,
        )

    def __getitem__(self, trials: Tensor) -> "ConvexTerms":
        """Those of some trials."""
        return ConvexTerms(
            self.absolute[trials], self.square[trials], self.group[trials], self.number[trials]
        )

    def scaled(self, scale: Tensor) -> "ConvexTerms":
        """The same R by u = scale·w; the scale is one within a group."""
        return ConvexTerms(
            self.absolute / scale, self.square / scale.square(), self.group / scale, self.number
        )

    def smooth(self) -> Tensor:
        """``[K, P]`` bool: columns without a kink."""
        return (self.absolute == 0) & (self.group == 0)

    def norms(self, w: Tensor) -> Tensor:
        """``[K, P]``: ‖w_g‖ of each column's group, never quite 0, so that it divides."""
        squares = torch.zeros_like(w).scatter_add(1, self.number, w.square())
        return squares.sqrt().gather(1, self.number).clamp(min=torch.finfo(w.dtype).tiny)

    def value(self, w: Tensor) -> Tensor:
        """R(w), ``[K]``."""
        size = w.abs()
        entries = self.absolute * size + self.square * size * size
        total: Tensor = entries.sum(1)
        if self.has_groups():
            # Σ_g c‖w_g‖ = Σ c·w² / ‖w_g‖
            total = total + (self.group * w.square() / self.norms(w)).sum(1)
        return total

    def proximal(self, w: Tensor, step: Tensor) -> Tensor:
        """argmin over v of Σ (v − w)²/(2·step) + R(v); step ``[K, P]`` or ``[K, 1]``, one within a
        group.
        """
        w = w.sign() * (w.abs() - step * self.absolute).relu()
        if self.has_groups():
            w = w * (1 - step * self.group / self.norms(w)).relu()
        return w / (1 + 2 * step * self.square)

    def has_groups(self) -> bool:
        """Whether any trial has groups."""
        return bool((self.group > 0).any())
