"""Stopping: when a trial has learned enough, judged at the end of each epoch."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor

from worker.regularization.per_trial import PerTrial
from worker.regularization.technique import Technique


@dataclass
class StoppingState:
    """What stopping remembers of each trial: its best value so far, and for how long."""

    best: Tensor
    """``[K]`` best value of the watched metric, negated where more is better; +inf at first."""
    since: Tensor
    """``[K]`` epochs since then."""


class Stopping(Technique):
    """Ends a trial early. Trials without it never stop."""

    family: ClassVar[str] = "stopping"

    @classmethod
    @abstractmethod
    def judge(
        cls, value: Tensor, memory: StoppingState, stack: PerTrial[Self]
    ) -> tuple[Tensor, Tensor]:
        """Take in an epoch's metric ``[K]``; give which improved and which stop, ``[K]`` bool.

        ``memory`` is changed in place. Less is better: other metrics come negated.
        """

    @classmethod
    @abstractmethod
    def restores(cls, stack: PerTrial[Self]) -> Tensor:
        """``[K]`` bool: the trials that end with their best weights, not their last."""

    def restrains(self) -> bool:
        """It ends a training before the training rows are known by heart."""
        return True

    @abstractmethod
    def watched(self) -> tuple[str, bool]:
        """The metric that it watches, and whether more of it is better."""
