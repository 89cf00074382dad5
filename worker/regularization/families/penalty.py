"""Penalties: an amount on weights, added to the loss or applied after the update."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from worker.regularization.per_trial import ParameterIndex, PerTrial
from worker.regularization.ramp import Ramp, Ramps
from worker.regularization.technique import Layers, Strength, Technique


@dataclass(frozen=True)
class PenaltyTerms:
    """A penalty's numbers, stacked over the fleet."""

    strength: Tensor
    """λ ``[K, P]``, 0 where a column is exempt."""
    index: ParameterIndex
    """What the columns are."""
    numbers: dict[str, Tensor] = field(default_factory=dict)
    """What else a penalty needs, by name; ``[K, 1]`` each."""

    def scale(self, full: Tensor, shares: Tensor) -> None:
        """Set λ to ``shares`` ``[K]`` of its full value, in place."""
        torch.mul(full, shares[:, None], out=self.strength)


class WeightTechnique(Technique):
    """What acts on weights: all layers' weight matrices unless asked otherwise."""

    strength: Strength
    """λ, how much it weighs."""
    schedule: Ramp | None = None
    """The share of the strength that applies in each epoch; all of it unless given."""
    biases: bool = False
    """Act on biases and normalization parameters too. They are exempt by default."""
    layers: Layers | None = None
    """Act on these layers only, numbered from 0 at the input; all layers unless given."""

    @classmethod
    def strengths(cls, stack: "PerTrial[Self]", index: ParameterIndex) -> Tensor:
        """``[K, P]``: λ of each trial on the columns it asked for, 0 elsewhere."""
        matrix = torch.zeros(len(stack.members), index.weight.numel(), device=index.weight.device)
        masks: dict[tuple[bool, tuple[int, ...] | None], Tensor] = {}
        for row, member in enumerate(stack.members):
            if member is not None:
                scope = (member.biases, member.layers)
                if scope not in masks:
                    masks[scope] = index.chosen(biases=scope[0], layers=scope[1])
                matrix[row] = masks[scope] * member.strength
        return matrix

    @classmethod
    def ramps(cls, stack: "PerTrial[Self]") -> Ramps:
        """The schedules of the strengths."""
        schedules = [None if member is None else member.schedule for member in stack.members]
        return Ramps(schedules, stack.device)


class Penalty(WeightTechnique):
    """``L = L_data + Σ R(w)``. A member gives R, its (sub)gradient and its proximal step.

    Shapes: weights ``[K, P]``, one row a trial; R ``[K]``; gradient ``[K, P]``.
    """

    family: ClassVar[str] = "penalty"
    degree: ClassVar[int | None] = None
    """d, where R(c·w) = |c|ᵈ·R(w) for every c: then R = ⟨∂R/∂w, w⟩ / d (Euler), which costs one
    pass over the weights where the gradient is at hand."""

    @classmethod
    def terms(cls, stack: "PerTrial[Self]", index: ParameterIndex) -> PenaltyTerms:
        """The penalty's numbers, stacked over the fleet."""
        return PenaltyTerms(cls.strengths(stack, index), index)

    @staticmethod
    @abstractmethod
    def value(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """R(w), ``[K]``."""

    @staticmethod
    @abstractmethod
    def gradient(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """∂R/∂w, ``[K, P]``; 0 at a kink."""

    @staticmethod
    @abstractmethod
    def proximal(w: Tensor, terms: PenaltyTerms, step: float | Tensor) -> Tensor:
        """argmin over v of ½(v − w)² + step·R(v), ``[K, P]``; step ``[K, 1]``."""


class SparsePenalty(Penalty):
    """A penalty with a kink at 0, which only a proximal step turns into exact zeros."""

    method: Literal["subgradient", "proximal"] = "subgradient"
    """`subgradient`: its subgradient joins the loss's; weights come near 0, none reach it.
    `proximal`: after each update, prox(w) with step η·λ; weights become exactly 0."""


def is_proximal(penalty: Penalty) -> bool:
    """Whether it acts after the update instead of through the gradient."""
    return isinstance(penalty, SparsePenalty) and penalty.method == "proximal"


class _Part:
    """One penalty in the trials that take it one way, with its terms in this epoch."""

    def __init__(
        self, technique: type[Penalty], stack: PerTrial[Any], index: ParameterIndex
    ) -> None:
        self.technique = technique
        self._ramps = technique.ramps(stack)
        self.terms = technique.terms(stack, index)
        self._full = self.terms.strength.clone() if self._ramps else self.terms.strength

    def start_epoch(self, epoch: int, epochs: int) -> None:
        if self._ramps:
            self.terms.scale(self._full, self._ramps.shares(epoch, epochs))


class Penalties:
    """All penalties of a fleet, at work on its weights ``[K, P]``."""

    def __init__(self, stacks: dict[type[Penalty], PerTrial[Any]], index: ParameterIndex) -> None:
        self._all: list[_Part] = []
        self._subgradient: list[_Part] = []
        self._proximal: list[_Part] = []
        for technique, stack in stacks.items():
            self._all.append(_Part(technique, stack, index))
            if through_gradient := stack.only(lambda penalty: not is_proximal(penalty)):
                self._subgradient.append(_Part(technique, through_gradient, index))
            if after := stack.only(is_proximal):
                self._proximal.append(_Part(technique, after, index))
        # Kinks before squares: prox of a·|w| + c·w² is the soft threshold, then the shrinkage.
        self._in_order = sorted(self._all, key=lambda p: not issubclass(p.technique, SparsePenalty))

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the strengths that have a schedule; they follow from the epoch alone."""
        for part in (*self._all, *self._subgradient, *self._proximal):
            part.start_epoch(epoch, epochs)

    def value(self, w: Tensor) -> Tensor:
        """Σ R(w), ``[K]``, of every penalty, whatever its method."""
        total = w.new_zeros(w.shape[0])
        for part in self._all:
            total += part.technique.value(w, part.terms)
        return total

    def add_gradient(self, w: Tensor, gradient: Tensor, loss: Tensor) -> Tensor:
        """Add ∂R/∂w to the gradient of the data loss, in place; give loss + Σ R(w), ``[K]``."""
        for part in self._proximal:
            loss = loss + part.technique.value(w, part.terms)
        for part in self._subgradient:
            own, degree = part.technique.gradient(w, part.terms), part.technique.degree
            gradient += own
            if degree is None:
                loss = loss + part.technique.value(w, part.terms)
            else:
                loss = loss + torch.linalg.vecdot(own, w) / degree
        return loss

    def shrink(self, w: Tensor, step: float | Tensor) -> None:
        """Apply the proximal steps, in place; step η, ``[K, 1]`` or one for all."""
        for part in self._proximal:
            w.copy_(part.technique.proximal(w, part.terms, step))

    def solve(self, w: Tensor, step: Tensor) -> Tensor:
        """The proximal step of all penalties together, whatever their method; step ``[K, 1]``.

        Exact for `l1`, `l2` and one of `elastic_net` and `group_lasso` at once: a sparse group's
        soft threshold comes before its block, and a square only scales what is left.
        """
        for part in self._in_order:
            w = part.technique.proximal(w, part.terms, step)
        return w
