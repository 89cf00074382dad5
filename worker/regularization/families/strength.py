"""What a strength λ weighs: its settings, and the strengths of a fleet over the epochs."""

from typing import ClassVar, Self

import torch
from torch import Tensor

from worker.regularization.per_trial import PerTrial
from worker.regularization.ramp import Ramp, Ramps
from worker.regularization.technique import Strength, Technique

WEAK = 1e-4
"""Strengths below it are not noticed."""


class StrengthTechnique(Technique):
    """A technique that is weighed by a strength, with a schedule over the epochs."""

    usual_strengths: ClassVar[tuple[float, float]] = (1e-4, 1e-2)
    """The strengths that are usual in networks with hidden layers."""

    strength: Strength
    """λ, how much it weighs."""
    schedule: Ramp | None = None
    """The share of the strength that applies in each epoch; all of it unless given."""

    @classmethod
    def usual(cls) -> Self:
        """Of the smallest usual strength."""
        return cls.model_validate({"strength": cls.usual_strengths[0]})

    @classmethod
    def ramps(cls, stack: PerTrial[Self]) -> Ramps:
        """The schedules of the strengths."""
        schedules = [None if member is None else member.schedule for member in stack.members]
        return Ramps(schedules, stack.device)

    def usual_range(self) -> tuple[float, float]:
        """The strengths that are usual with these settings."""
        return self.usual_strengths

    def restrains(self) -> bool:
        """From the smallest usual strength on."""
        return self.strength >= WEAK


class ScheduledStrength:
    """λ ``[K, …]`` of one technique, of which each trial's schedule gives a share."""

    def __init__(self, strength: Tensor, ramps: Ramps) -> None:
        self.value = strength
        self._ramps = ramps
        self._full = strength.clone() if ramps else strength

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set λ, in place; it follows from the epoch alone."""
        if self._ramps:
            shares = self._ramps.shares(epoch, epochs)
            shape = (-1, *[1] * (self._full.dim() - 1))
            torch.mul(self._full, shares.view(shape), out=self.value)
