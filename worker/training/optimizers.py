"""Update rules over all weights of a fleet at once: matrices ``[K, P]``, one row a trial."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from worker.spec import AdamSpec, OptimizerSpec, SgdSpec, SolverSpec
from worker.training.numbers import PerTrialNumber, narrow, per_trial_number


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
            direction += gradient * narrow(1 - self.plain, w)
        w -= direction * narrow(rate, w)

    def memory(self) -> dict[str, Tensor]:
        """The velocity, where any trial has momentum."""
        return {"velocity": self.velocity} if self.remembers else {}


class Adam(Optimizer):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − η·m̂ / (√v̂ + ε), m̂ and v̂ unbiased."""

    def __init__(self, specs: Sequence[AdamSpec], w: Tensor) -> None:
        self.beta1 = per_trial_number([spec.beta1 for spec in specs], w)
        self.beta2 = per_trial_number([spec.beta2 for spec in specs], w)
        self.epsilon = per_trial_number([spec.epsilon for spec in specs], w)
        self.mean = torch.zeros_like(w)
        self.square = torch.zeros_like(w)

    def step(self, w: Tensor, gradient: Tensor, rate: PerTrialNumber, number: int | Tensor) -> None:
        """Update w in place."""
        unbias_mean = 1 - self.beta1**number
        unbias = (1 - self.beta2**number) ** 0.5
        self.mean.lerp_(gradient, narrow(1 - self.beta1, w))
        self.square.lerp_(gradient.square_(), narrow(1 - self.beta2, w))
        # m̂ / (√v̂ + ε) with the corrections drawn out of the roots: two passes fewer.
        scale = self.square.sqrt().add_(narrow(self.epsilon * unbias, w))
        step = narrow(rate * unbias / unbias_mean, w)
        if isinstance(step, float):
            w.addcdiv_(self.mean, scale, value=-step)
        else:
            w.addcdiv_(self.mean * step, scale, value=-1)

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
