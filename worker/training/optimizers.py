"""Update rules over all weights of a fleet at once: matrices ``[K, P]``, one row a trial."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from worker.spec import AdamSpec, OptimizerSpec, SgdSpec


class Optimizer(ABC):
    """One update rule for K trials, each with its own numbers. Its memory is ``[K, P]``."""

    @abstractmethod
    def step(self, w: Tensor, gradient: Tensor, rate: Tensor) -> None:
        """Update w in place; rate η ``[K, 1]``."""

    @abstractmethod
    def memory(self) -> dict[str, Tensor]:
        """What it remembers between steps, by name; one row a trial."""


class Sgd(Optimizer):
    """Stochastic gradient descent: v ← μ·v + g; w ← w − η·v, or η·(g + μ·v) with Nesterov."""

    def __init__(self, specs: Sequence[SgdSpec], w: Tensor) -> None:
        self.momentum = _column([spec.momentum for spec in specs], w)
        self.nesterov = _column([float(spec.nesterov) for spec in specs], w)
        self.remembers = bool(self.momentum.any())
        self.velocity = torch.zeros_like(w) if self.remembers else w

    def step(self, w: Tensor, gradient: Tensor, rate: Tensor) -> None:
        """Update w in place."""
        direction = gradient
        if self.remembers:
            self.velocity.mul_(self.momentum).add_(gradient)
            ahead = torch.addcmul(gradient, self.velocity, self.momentum)
            direction = torch.where(self.nesterov > 0, ahead, self.velocity)
        w.addcmul_(direction, rate, value=-1)

    def memory(self) -> dict[str, Tensor]:
        """The velocity, where any trial has momentum."""
        return {"velocity": self.velocity} if self.remembers else {}


class Adam(Optimizer):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − η·m̂ / (√v̂ + ε), m̂ and v̂ unbiased."""

    def __init__(self, specs: Sequence[AdamSpec], w: Tensor) -> None:
        self.beta1 = _column([spec.beta1 for spec in specs], w)
        self.beta2 = _column([spec.beta2 for spec in specs], w)
        self.epsilon = _column([spec.epsilon for spec in specs], w)
        self.mean = torch.zeros_like(w)
        self.square = torch.zeros_like(w)
        self.steps = torch.zeros(len(specs), 1, dtype=torch.float64, device=w.device)

    def step(self, w: Tensor, gradient: Tensor, rate: Tensor) -> None:
        """Update w in place."""
        self.steps += 1
        unbias_mean = (1 - self.beta1.double() ** self.steps).float()
        unbias_square = (1 - self.beta2.double() ** self.steps).sqrt().float()
        self.mean.lerp_(gradient, 1 - self.beta1)
        self.square.mul_(self.beta2).addcmul_(gradient * (1 - self.beta2), gradient)
        scale = self.square.sqrt().div_(unbias_square).add_(self.epsilon)
        w.addcdiv_(self.mean * (rate / unbias_mean), scale, value=-1)

    def memory(self) -> dict[str, Tensor]:
        """Both moments, and how many steps they hold."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}


def build_optimizer(specs: Sequence[OptimizerSpec], w: Tensor) -> Optimizer:
    """The update rule of a fleet; all its trials name the same kind."""
    if isinstance(specs[0], SgdSpec):
        return Sgd(cast(Sequence[SgdSpec], specs), w)
    return Adam(cast(Sequence[AdamSpec], specs), w)


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    """``[K, 1]``, beside the weights."""
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None]
