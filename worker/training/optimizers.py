"""Update rules over all weights of a fleet at once: matrices ``[K, P]``, one row a trial."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from worker.spec import AdamSpec, OptimizerSpec, SgdSpec, SolverSpec
from worker.training.numbers import PerTrialNumber, narrow, per_trial_number, set_to

GPU_PIECES = 32
"""Tensors of a whole fleet for the fused kernel on a GPU, which spreads over it by tensors."""


class Optimizer(ABC):
    """One update rule for K trials, each with its own numbers. Its memory is ``[K, P]``."""

    @abstractmethod
    def step(self, w: Tensor, gradient: Tensor, rate: PerTrialNumber, number: int | Tensor) -> None:
        """Update w in place, with rate η, at step ``number`` (from 1). May overwrite gradient."""

    @abstractmethod
    def memory(self) -> dict[str, Tensor]:
        """What it remembers between steps, by name; one row a trial."""


class Sgd(Optimizer):
    """Stochastic gradient descent: v ← μ·v + g; w ← w − η·v, or η·(g + μ·v) with Nesterov."""

    def __init__(self, specs: Sequence[SgdSpec], w: Tensor) -> None:
        self.momentum = per_trial_number([spec.momentum for spec in specs], w)
        self.nesterov = per_trial_number([spec.nesterov * spec.momentum for spec in specs], w)
        self.plain = per_trial_number([1.0 - spec.nesterov for spec in specs], w)
        self.remembers = any(spec.momentum for spec in specs)
        self.velocity = torch.zeros_like(w) if self.remembers else w

    def step(self, w: Tensor, gradient: Tensor, rate: PerTrialNumber, number: int | Tensor) -> None:
        """Update w in place. With Nesterov v is replaced by g + μ·v, as a step direction."""
        direction = gradient
        if self.remembers:
            v = self.velocity.mul_(narrow(self.momentum, w)).add_(gradient)
            direction = v * narrow(self.plain + self.nesterov, w)
            direction += gradient.mul_(narrow(1 - self.plain, w))
        w -= direction.mul_(narrow(rate, w))

    def memory(self) -> dict[str, Tensor]:
        """The velocity, where any trial has momentum."""
        return {"velocity": self.velocity} if self.remembers else {}


class Adam(Optimizer):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − η·m̂ / (√v̂ + ε), m̂ and v̂ unbiased.

    PyTorch's fused kernel makes the direction −m̂ / (√v̂ + ε) of g in one pass over memory; it takes
    numbers for all its rows alike, so η, which trials often differ in, comes after. It takes 16
    entries at a time and rounds what is left over otherwise, which rows of θ have nothing of
    (``Parameters``).
    """

    def __init__(self, specs: Sequence[AdamSpec], w: Tensor) -> None:
        self._rules: dict[tuple[float, float, float], list[int]] = {}  # β₁, β₂, ε: their rows
        for row, spec in enumerate(specs):
            rule = (spec.beta1, spec.beta2, spec.epsilon)
            self._rules.setdefault(rule, []).append(row)
        self.mean = torch.zeros_like(w)
        self.square = torch.zeros_like(w)
        self._number = torch.zeros((), device=w.device)
        self._rate = torch.zeros(len(w), 1, device=w.device)
        self._filled: float | None = 0.0
        """With what number the rates were filled, if with one."""

    def step(self, w: Tensor, gradient: Tensor, rate: PerTrialNumber, number: int | Tensor) -> None:
        """Update w in place; the gradient becomes the direction."""
        set_to(self._number, number)
        if isinstance(rate, Tensor) or rate != self._filled:
            set_to(self._rate, rate)
            self._filled = None if isinstance(rate, Tensor) else rate
        matrices = (gradient, self.mean, self.square)
        for (beta1, beta2, epsilon), rows in self._rules.items():
            if len(rows) < len(w):
                g, m, v = ([matrix[row] for row in rows] for matrix in matrices)
            elif w.is_cuda:
                g, m, v = (list(matrix.chunk(GPU_PIECES)) for matrix in matrices)
            else:
                g, m, v = ([matrix] for matrix in matrices)
            # The kernel adds a step to weights that have decayed. Given the gradient as the weights
            # too, which decay by lr · weight_decay = 1 to nothing, it leaves the step in its place.
            torch._fused_adamw_(
                g, g, m, v, [], [self._number] * len(g), lr=1.0, weight_decay=1.0,
                beta1=beta1, beta2=beta2, eps=epsilon, amsgrad=False, maximize=False,
            )  # fmt: skip
        w.addcmul_(gradient, self._rate)

    def memory(self) -> dict[str, Tensor]:
        """Both moments."""
        return {"mean": self.mean, "square": self.square}


class Still(Optimizer):
    """Leaves the weights where they are: a solver moves them."""

    def step(self, w: Tensor, gradient: Tensor, rate: PerTrialNumber, number: int | Tensor) -> None:
        """Nothing."""

    def memory(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}


def build_optimizer(specs: Sequence[OptimizerSpec], w: Tensor) -> Optimizer:
    """The update rule of a fleet; all its trials name the same kind."""
    if isinstance(specs[0], SolverSpec):
        return Still()
    if isinstance(specs[0], SgdSpec):
        return Sgd(cast(Sequence[SgdSpec], specs), w)
    return Adam(cast(Sequence[AdamSpec], specs), w)
