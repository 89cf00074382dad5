"""Decay: weights shrink at the update itself."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from worker.regularization.families.penalty import WeightTechnique
from worker.regularization.per_trial import ParameterIndex, PerTrial


class Decay(WeightTechnique):
    """Shrinks weights at the update. Shapes: w, λ, gradient ``[K, P]``; η ``[K, 1]``."""

    family: ClassVar[str] = "decay"

    @staticmethod
    @abstractmethod
    def coupled_gradient(w: Tensor, strength: Tensor) -> Tensor:
        """What joins the gradient before the optimizer sees it."""

    @staticmethod
    @abstractmethod
    def decayed(w: Tensor, strength: Tensor, step: float | Tensor) -> Tensor:
        """The weights after a decay that the optimizer does not see."""

    @abstractmethod
    def is_coupled(self) -> bool:
        """Whether the decay goes through the optimizer."""

    def is_decoupled(self) -> bool:
        """Whether the decay stands beside the optimizer's step."""
        return not self.is_coupled()


class _Part:
    """One decay in the trials that take it one way, with its strengths in this epoch."""

    def __init__(self, technique: type[Decay], stack: PerTrial[Any], index: ParameterIndex) -> None:
        self.technique = technique
        self._ramps = technique.ramps(stack)
        self.strength = technique.strengths(stack, index)
        self._full = self.strength.clone() if self._ramps else self.strength

    def start_epoch(self, epoch: int, epochs: int) -> None:
        if self._ramps:
            shares = self._ramps.shares(epoch, epochs)
            torch.mul(self._full, shares[:, None], out=self.strength)


class Decays:
    """All decays of a fleet, at work on its weights ``[K, P]``."""

    def __init__(self, stacks: dict[type[Decay], PerTrial[Any]], index: ParameterIndex) -> None:
        self._coupled: list[_Part] = []
        self._decoupled: list[_Part] = []
        for technique, stack in stacks.items():
            if coupled := stack.only(technique.is_coupled):
                self._coupled.append(_Part(technique, coupled, index))
            if decoupled := stack.only(technique.is_decoupled):
                self._decoupled.append(_Part(technique, decoupled, index))

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the strengths that have a schedule; they follow from the epoch alone."""
        for part in (*self._coupled, *self._decoupled):
            part.start_epoch(epoch, epochs)

    def add_gradient(self, w: Tensor, gradient: Tensor) -> None:
        """Add the coupled decays to the gradient, in place."""
        for part in self._coupled:
            gradient += part.technique.coupled_gradient(w, part.strength)

    def decay(self, w: Tensor, step: float | Tensor) -> None:
        """Apply the decoupled decays, in place; step η, ``[K, 1]`` or one for all."""
        for part in self._decoupled:
            w.copy_(part.technique.decayed(w, part.strength, step))
