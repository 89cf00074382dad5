"""Output penalties: terms of the loss that depend on what the network answers, not on targets."""

from abc import abstractmethod
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from worker.regularization.families.strength import ScheduledStrength, StrengthTechnique
from worker.regularization.per_trial import PerTrial
from worker.regularization.technique import NetworkFacts
from worker.shapes import shaped


class NormalStream(Protocol):
    """Where random directions come from: the stream of a place."""

    def at(self, name: str, /) -> Self:
        """A stream of its own for a part of this place."""

    def normal(self, rows: int | None, /, *shape: int) -> Tensor:
        """Standard normal ``[K, B, …]``, or ``[1, B, …]`` for all trials."""


class OutputPenalty(StrengthTechnique):
    """``L = L_data + λ·mean of r over the rows of a batch``, on the batch as it is trained on.

    It counts in the metric `objective`; `penalty` is of weights alone.
    """

    family: ClassVar[str] = "output_penalty"


class ScorePenalty(OutputPenalty):
    """A function of the scores. Shapes: s ``[K, B, O]``; r ``[K, B]``."""

    @staticmethod
    @abstractmethod
    @shaped(scores="K B O", returns="K B")
    def value(scores: Tensor) -> Tensor:
        """r of each row, at strength 1."""

    @staticmethod
    @abstractmethod
    @shaped(scores="K B O", returns="K B O")
    def slope(scores: Tensor) -> Tensor:
        """∂r/∂s of each row."""


class SlopePenalty(OutputPenalty):
    """A function of ∂s/∂x: its gradient is a second derivative, which autograd takes.

    Shapes: x ``[K, B, …]``; s, random directions v ``[K, B, O]``; r ``[K, B]``.
    """

    def needs_autograd(self, network: NetworkFacts) -> bool:
        """Always, for the second derivative."""
        return True

    @abstractmethod
    def directions(self) -> int:
        """How many random directions each row takes; r is the mean over them."""

    @staticmethod
    @abstractmethod
    @shaped(x="K B …", scores="K B O", direction="K|1 B O", returns="K B")
    def value(x: Tensor, scores: Tensor, direction: Tensor) -> Tensor:
        """r of each row along one direction, at strength 1; differentiable once more.

        ``scores`` are those of ``x``, in whose graph it takes part; ``direction`` is normal.
        """


class OutputPenalties:
    """All output penalties of a fleet, at work on a batch; ``random`` is the place of theirs."""

    def __init__(
        self, stacks: dict[type[OutputPenalty], PerTrial[Any]], random: NormalStream
    ) -> None:
        self._random = random
        self._scores: list[tuple[type[ScorePenalty], ScheduledStrength]] = []
        self._slopes: list[tuple[type[SlopePenalty], ScheduledStrength, Tensor]] = []
        for technique, stack in stacks.items():
            strength = ScheduledStrength(
                stack.numbers(lambda settings: settings.strength), technique.ramps(stack)
            )
            if issubclass(technique, ScorePenalty):
                self._scores.append((technique, strength))
            elif issubclass(technique, SlopePenalty):
                self._slopes.append((technique, strength, _shares(stack)))

    def __bool__(self) -> bool:
        """Whether any trial has one."""
        return bool(self._scores or self._slopes)

    @property
    def by_slope(self) -> bool:
        """Whether one needs the scores' derivative by the rows, and so autograd."""
        return bool(self._slopes)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the strengths that have a schedule; they follow from the epoch alone."""
        for strength in (*(part[1] for part in self._scores), *(part[1] for part in self._slopes)):
            strength.start_epoch(epoch, epochs)

    def value(self, x: Tensor, scores: Tensor) -> Tensor:
        """Σ λ·mean r, ``[K]``, differentiable; with ``by_slope`` x must require a gradient."""
        total = scores.new_zeros(len(scores))
        for technique, strength in self._scores:
            total = total + strength.value * technique.value(scores).mean(1)
        for slope_technique, strength, shares in self._slopes:
            random = self._random.at(slope_technique.key())
            for place, share in enumerate(shares):
                # A stream for each: a trial with fewer has the first of those with more.
                direction = random.at(str(place)).normal(scores.shape[1], scores.shape[2])
                rows = slope_technique.value(x, scores, direction)
                total = total + strength.value * share * rows.mean(1)
        return total

    def by_hand(self, scores: Tensor, slope: Tensor) -> Tensor:
        """The same without autograd: Σ λ·mean r ``[K]``; its ∂/∂s is added to ``slope`` in place.

        Shapes: scores, slope ``[K, B, O]``. Not ``by_slope``.
        """
        total = scores.new_zeros(len(scores))
        for technique, strength in self._scores:
            total = total + strength.value * technique.value(scores).mean(1)
            share = (strength.value / scores.shape[1]).view(-1, 1, 1)
            slope += share * technique.slope(scores)
        return total


def _shares(stack: PerTrial[Any]) -> Tensor:
    """``[M, K]``: 1/m for the m directions that a trial takes, 0 for the others'."""
    counts = stack.numbers(lambda settings: settings.directions())
    places = torch.arange(int(counts.max()), device=counts.device)[:, None]
    return (places < counts) / counts.clamp(min=1)
