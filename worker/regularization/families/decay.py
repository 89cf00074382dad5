"""Decay: weights shrink at the update itself."""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from worker.regularization.families.penalty import EntryTechnique
from worker.regularization.families.strength import ScheduledStrength
from worker.regularization.per_trial import ParameterIndex, PerTrial
from worker.shapes import shaped


class Decay(EntryTechnique):
    """Shrinks weights at the update. Shapes: w, λ, gradient ``[K, P]``; η ``[K, 1]``."""

    family: ClassVar[str] = "decay"

    @staticmethod
    @abstractmethod
    @shaped(w="K P", strength="K P", returns="K P")
    def coupled_gradient(w: Tensor, strength: Tensor) -> Tensor:
        """What joins the gradient before the optimizer sees it."""

    @staticmethod
    @abstractmethod
    @shaped(w="K P", strength="K P", step="K 1", returns="K P")
    def decayed(w: Tensor, strength: Tensor, step: float | Tensor) -> Tensor:
        """The weights after a decay that the optimizer does not see."""

    @abstractmethod
    def is_coupled(self) -> bool:
        """Whether the decay goes through the optimizer."""

    def is_decoupled(self) -> bool:
        """Whether the decay stands beside the optimizer's step."""
        return not self.is_coupled()

    def usual_range(self) -> tuple[float, float]:
        """Decoupled from 1e-5 to .1: Kadra et al. 2021, arXiv:2106.11189."""
        return (1e-5, 0.1) if self.is_decoupled() else self.usual_strengths

    def scales_with_weights(self) -> bool:
        """Where it goes through the optimizer."""
        return self.is_coupled()


class _Part(NamedTuple):
    """One decay in the trials that take it one way, with its strengths in this epoch."""

    technique: type[Decay]
    strength: ScheduledStrength

    @classmethod
    def of(cls, technique: type[Decay], stack: PerTrial[Any], index: ParameterIndex) -> "_Part":
        strength = technique.strengths(stack, index)
        return cls(technique, ScheduledStrength(strength, technique.ramps(stack)))


class Decays:
    """All decays of a fleet, at work on its weights ``[K, P]``."""

    def __init__(self, stacks: dict[type[Decay], PerTrial[Any]], index: ParameterIndex) -> None:
        self._coupled: list[_Part] = []
        self._decoupled: list[_Part] = []
        for technique, stack in stacks.items():
            if coupled := stack.only(technique.is_coupled):
                self._coupled.append(_Part.of(technique, coupled, index))
            if decoupled := stack.only(technique.is_decoupled):
                self._decoupled.append(_Part.of(technique, decoupled, index))

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the strengths that have a schedule; they follow from the epoch alone."""
        for part in (*self._coupled, *self._decoupled):
            part.strength.start_epoch(epoch, epochs)

    def add_gradient(self, w: Tensor, gradient: Tensor) -> None:
        """Add the coupled decays to the gradient, in place."""
        for part in self._coupled:
            gradient += part.technique.coupled_gradient(w, part.strength.value)

    def decay(self, w: Tensor, step: float | Tensor) -> None:
        """Apply the decoupled decays, in place; step η, ``[K, 1]`` or one for all."""
        for part in self._decoupled:
            w.copy_(part.technique.decayed(w, part.strength.value, step))
