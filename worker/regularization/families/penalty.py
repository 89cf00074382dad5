"""Penalties: a price on weights, added to the loss or applied after the update."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from worker.regularization.stack import Columns, Stack
from worker.regularization.technique import Layers, Strength, Technique

PriceTag = dict[str, Tensor]
"""A penalty's numbers: ``strength`` ``[K, P]``, 0 where a column is exempt; others ``[K, 1]``."""


class WeightTechnique(Technique):
    """What acts on weights: all layers' weight matrices unless asked otherwise."""

    strength: Strength
    """λ, how much it weighs."""
    biases: bool = False
    """Act on biases and normalization parameters too. They are exempt by default."""
    layers: Layers | None = None
    """Act on these layers only, numbered from 0 at the input; all layers unless given."""

    @classmethod
    def strengths(cls, stack: "Stack[Self]", columns: Columns) -> Tensor:
        """``[K, P]``: λ of each trial on the columns it asked for, 0 elsewhere."""
        matrix = torch.zeros(
            len(stack.members), columns.weight.numel(), device=columns.weight.device
        )
        masks: dict[tuple[bool, tuple[int, ...] | None], Tensor] = {}
        for row, member in enumerate(stack.members):
            if member is not None:
                scope = (member.biases, member.layers)
                if scope not in masks:
                    masks[scope] = columns.chosen(biases=scope[0], layers=scope[1])
                matrix[row] = masks[scope] * member.strength
        return matrix


class Penalty(WeightTechnique):
    """``L = L_data + Σ R(w)``. A member gives R and its (sub)gradient, in closed form.

    Shapes: weights ``[K, P]``, one row a trial; R ``[K]``; gradient ``[K, P]``.
    """

    family: ClassVar[str] = "penalty"

    @classmethod
    def price(cls, stack: "Stack[Self]", columns: Columns) -> PriceTag:
        """The penalty's numbers, stacked over the fleet."""
        return {"strength": cls.strengths(stack, columns)}

    @staticmethod
    @abstractmethod
    def value(w: Tensor, price: PriceTag) -> Tensor:
        """R(w), ``[K]``."""

    @staticmethod
    @abstractmethod
    def gradient(w: Tensor, price: PriceTag) -> Tensor:
        """∂R/∂w, ``[K, P]``; 0 at a kink."""


class SparsePenalty(Penalty):
    """A penalty with a kink at 0, which only a proximal step turns into exact zeros."""

    method: Literal["subgradient", "proximal"] = "subgradient"
    """`subgradient`: its subgradient joins the loss's; weights come near 0, none reach it.
    `proximal`: after each update, prox(w) with step η·λ; weights become exactly 0."""

    @staticmethod
    @abstractmethod
    def proximal(w: Tensor, price: PriceTag, step: float | Tensor) -> Tensor:
        """argmin over v of ½(v − w)² + step·R(v), ``[K, P]``; step ``[K, 1]``."""


def is_proximal(penalty: Penalty) -> bool:
    """Whether it acts after the update instead of through the gradient."""
    return isinstance(penalty, SparsePenalty) and penalty.method == "proximal"


class Penalties:
    """All penalties of a fleet, at work on its weights ``[K, P]``."""

    def __init__(self, stacks: dict[type[Penalty], Stack[Any]], columns: Columns) -> None:
        self._all: list[tuple[type[Penalty], PriceTag]] = []
        self._subgradient: list[tuple[type[Penalty], PriceTag]] = []
        self._proximal: list[tuple[type[SparsePenalty], PriceTag]] = []
        for technique, stack in stacks.items():
            self._all.append((technique, technique.price(stack, columns)))
            if through_gradient := stack.only(lambda penalty: not is_proximal(penalty)):
                self._subgradient.append((technique, technique.price(through_gradient, columns)))
            if issubclass(technique, SparsePenalty) and (after := stack.only(is_proximal)):
                self._proximal.append((technique, technique.price(after, columns)))

    def value(self, w: Tensor) -> Tensor:
        """Σ R(w), ``[K]``, of every penalty, whatever its method."""
        total = w.new_zeros(w.shape[0])
        for technique, price in self._all:
            total += technique.value(w, price)
        return total

    def add_gradient(self, w: Tensor, gradient: Tensor, loss: Tensor) -> Tensor:
        """Add ∂R/∂w to the gradient of the data loss, in place; give loss + Σ R(w), ``[K]``."""
        for technique, price in self._all:
            loss = loss + technique.value(w, price)
        for technique, price in self._subgradient:
            gradient += technique.gradient(w, price)
        return loss

    def shrink(self, w: Tensor, step: float | Tensor) -> None:
        """Apply the proximal steps, in place; step η, ``[K, 1]`` or one for all."""
        for technique, price in self._proximal:
            w.copy_(technique.proximal(w, price, step))
