"""Averaging: what is kept is a mean over the path of the weights, not their last point."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.technique import Memory, Technique
from worker.shapes import shaped


class Averaging(Technique):
    """Keeps weights of several moments. A trial is measured and served with what is kept."""

    family: ClassVar[str] = "averaging"


class WeightAverage(Averaging):
    """A running average A of the weights: A ← A + s·(w − A), s the share of the moment.

    Shapes: w, A ``[K, P]``; s ``[K, 1]``.
    """

    moment: ClassVar[Literal["step", "epoch"]]
    """When it takes the weights in."""
    returns: ClassVar[bool] = False
    """Whether the weights are set back to the average whenever it took them in."""

    @classmethod
    @abstractmethod
    def numbers(cls, stack: PerTrial[Self], epochs: int) -> Numbers:
        """What ``share`` needs, of all trials."""

    @staticmethod
    @abstractmethod
    @shaped(returns="K|1 1")
    def share(numbers: Numbers, moment: int) -> Tensor:
        """s ``[K, 1]`` at a moment, counted from 1; in trials without it anything."""

    def memory(self) -> Memory:
        """The average itself."""
        return Memory(kept=1)

    def period(self) -> int:
        """At which moments s may be above 0: the multiples of this."""
        return 1


class _Average:
    """One average at work: its memory starts as the initial weights."""

    def __init__(
        self, technique: type[WeightAverage], stack: PerTrial[Any], w: Tensor, epochs: int
    ) -> None:
        self.technique = technique
        self.numbers = technique.numbers(stack, epochs)
        self.on = stack.on()
        self.average = w.detach().clone()
        self._some = self.on.float()[:, None]
        self._periods = {member.period() for member in stack.members if member is not None}

    def take(self, w: Tensor, moment: int) -> None:
        """Take the weights in, in place."""
        if not any(moment % period == 0 for period in self._periods):
            return
        share = self.technique.share(self.numbers, moment) * self._some
        self.average.lerp_(w, share)
        if self.technique.returns:
            w.lerp_(self.average, (share > 0).to(w.dtype))


class Averages:
    """All averages of a fleet, at work on its weights ``[K, P]``."""

    def __init__(
        self, stacks: dict[type[WeightAverage], PerTrial[Any]], w: Tensor, epochs: int
    ) -> None:
        self._parts = [_Average(technique, stack, w, epochs) for technique, stack in stacks.items()]
        self._on = torch.zeros(len(w), dtype=torch.bool, device=w.device)
        for part in self._parts:
            self._on |= part.on

    def __bool__(self) -> bool:
        """Whether any trial averages."""
        return bool(self._parts)

    @property
    def on(self) -> Tensor:
        """``[K]`` bool: the trials that average."""
        return self._on

    def take(self, w: Tensor, when: Literal["step", "epoch"], moment: int) -> None:
        """A step or an epoch has ended, the ``moment``-th from 1; may set weights back in place."""
        for part in self._parts:
            if part.technique.moment == when:
                part.take(w, moment)

    def give(self, w: Tensor) -> None:
        """Replace the weights of trials that average by their averages, in place.

        A trial with `lookahead` and another average is served with the other one.
        """
        for part in sorted(self._parts, key=lambda part: not part.technique.returns):
            w[part.on] = part.average[part.on]

    def memory(self) -> dict[str, Tensor]:
        """The averages, by technique; one row a trial."""
        return {part.technique.__name__: part.average for part in self._parts}
