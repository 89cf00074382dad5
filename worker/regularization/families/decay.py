"""Decay: weights shrink at the update itself."""

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from worker.regularization.families.penalty import WeightTechnique
from worker.regularization.stack import Columns, Stack


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


class Decays:
    """All decays of a fleet, at work on its weights ``[K, P]``."""

    def __init__(self, stacks: dict[type[Decay], Stack[Any]], columns: Columns) -> None:
        self._coupled: list[tuple[type[Decay], Tensor]] = []
        self._decoupled: list[tuple[type[Decay], Tensor]] = []
        for technique, stack in stacks.items():
            if coupled := stack.only(technique.is_coupled):
                self._coupled.append((technique, technique.strengths(coupled, columns)))
            if decoupled := stack.only(technique.is_decoupled):
                self._decoupled.append((technique, technique.strengths(decoupled, columns)))

    def add_gradient(self, w: Tensor, gradient: Tensor) -> None:
        """Add the coupled decays to the gradient, in place."""
        for technique, strength in self._coupled:
            gradient += technique.coupled_gradient(w, strength)

    def decay(self, w: Tensor, step: float | Tensor) -> None:
        """Apply the decoupled decays, in place; step η, ``[K, 1]`` or one for all."""
        for technique, strength in self._decoupled:
            w.copy_(technique.decayed(w, strength, step))
