"""Penalties: terms of the loss that depend on the weights alone."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, Protocol, Self, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.convex import ConvexTerms
from worker.regularization.families.strength import ScheduledStrength, StrengthTechnique
from worker.regularization.per_trial import Numbers, ParameterIndex, PerTrial
from worker.regularization.technique import (
    DataFacts,
    Layers,
    Memory,
    Misfit,
    NetworkFacts,
    layers_beyond,
)
from worker.shapes import shaped


@dataclass(frozen=True)
class PenaltyTerms:
    """A penalty's numbers, stacked over the fleet."""

    strength: Tensor
    """λ ``[K, P]``, 0 where a column is exempt."""
    index: ParameterIndex
    """What the columns are."""
    numbers: Numbers = field(default_factory=dict)
    """What else a penalty needs, by name; ``[K, 1]`` each."""


class Scope(NamedTuple):
    """The weights that a technique acts on."""

    biases: bool
    """Whether biases and normalization parameters are among them."""
    layers: tuple[int, ...] | None
    """The numbers of their layers; none for all."""


class InitialWeights(Protocol):
    """Parameters of one layer that begin alike, before any is drawn."""

    @property
    def count(self) -> int:
        """How many there are, in one trial."""

    @property
    def units(self) -> int:
        """Columns of their matrix, one a unit; of biases as many as there are."""

    @property
    def size(self) -> float:
        """E|w|."""

    @property
    def square(self) -> float:
        """E w²."""

    @property
    def fourth(self) -> float:
        """E w⁴."""


class WeightTechnique(StrengthTechnique):
    """What acts on weights: all layers' weight matrices unless asked otherwise."""

    @abstractmethod
    def scope(self) -> Scope:
        """The weights that it acts on."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Wherever the layers exist that it is to act on."""
        return layers_beyond(self.scope().layers, network)

    def memory(self) -> Memory:
        """Its term and the gradient."""
        return Memory(step=2)

    def scales_with_weights(self) -> bool:
        """Whether it adds to the gradient in proportion to a weight, which Adam undoes."""
        return False

    @classmethod
    def strengths(cls, stack: PerTrial[Self], index: ParameterIndex) -> Tensor:
        """``[K, P]``: λ of each trial on the columns it asked for, 0 elsewhere."""
        matrix = torch.zeros(len(stack.members), index.weight.numel(), device=index.weight.device)
        strength = stack.numbers(lambda member: member.strength)[:, None]
        scopes = [None if member is None else member.scope() for member in stack.members]
        for scope in dict.fromkeys(scope for scope in scopes if scope is not None):
            rows = torch.tensor([own == scope for own in scopes], device=matrix.device)[:, None]
            mask = index.chosen(biases=scope.biases, layers=scope.layers)
            matrix += strength * (rows & mask)
        return matrix


class EntryTechnique(WeightTechnique):
    """What acts on weights one by one or in groups, and on biases where asked."""

    biases: bool = False
    """Act on biases and normalization parameters too. They are exempt by default."""
    layers: Layers | None = None
    """Act on these layers only, numbered from 0 at the input; all layers unless given."""

    def scope(self) -> Scope:
        """As its fields say."""
        return Scope(self.biases, self.layers)


class Penalty(WeightTechnique):
    """``L = L_data + Σ R(w)``. A member gives R and its (sub)gradient.

    Shapes: weights ``[K, P]``, one row a trial; R ``[K]``; gradient ``[K, P]``.
    """

    family: ClassVar[str] = "penalty"
    degree: ClassVar[int | None] = None
    """d, where R(c·w) = |c|ᵈ·R(w) for every c: then R = ⟨∂R/∂w / d, w⟩ (Euler), which costs no
    more than a sum over the weights where the gradient is at hand."""

    @classmethod
    def terms(cls, stack: PerTrial[Self], index: ParameterIndex) -> PenaltyTerms:
        """The penalty's numbers, stacked over the fleet."""
        return PenaltyTerms(cls.strengths(stack, index), index)

    @staticmethod
    @abstractmethod
    @shaped(w="K P", returns="K")
    def value(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """R(w), ``[K]``."""

    @staticmethod
    @abstractmethod
    @shaped(w="K P", returns="K P")
    def gradient(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """∂R/∂w, ``[K, P]``; 0 at a kink."""

    @classmethod
    @shaped(w="K P", returns="K P")
    def gradient_by_degree(cls, w: Tensor, terms: PenaltyTerms) -> Tensor:
        """∂R/∂w / d of a penalty that has a degree d, as a tensor of its own."""
        gradient = cls.gradient(w, terms)
        return gradient if cls.degree == 1 else gradient.div_(cls.degree or 1)

    @abstractmethod
    def starting_value(self, blocks: Sequence[InitialWeights]) -> float:
        """E R / λ on initial weights, in closed form; the blocks are those of its scope."""


class ProximalPenalty(EntryTechnique, Penalty):
    """A convex penalty whose proximal step is known, so that it can be solved for exactly."""

    factors: (
        Annotated[
            dict[str, Annotated[float, Field(ge=0.0, le=1e6)]],
            Field(min_length=1, max_length=10_000),
        ]
        | None
    ) = None
    """What λ is multiplied by for the weights that leave a column of the data, by its name; 0
    leaves them free, one that is not named has 1: `{"age": 0}`. As glmnet's `penalty.factor`,
    without its division by the mean factor."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Wherever its layers exist, and the columns that have factors."""
        misfit = super().fits(network, data)
        if misfit is not None or self.factors is None:
            return misfit
        if len(data.shape) != 1:
            return Misfit("Factors are of columns, and these rows are images or series.", "factors")
        if self.layers is not None and 0 not in self.layers:
            return Misfit("Factors are of the first layer's weights; name layer 0.", "factors")
        for name in self.factors if data.columns else ():
            if name not in data.columns:
                close = get_close_matches(name[:100], data.columns) or data.columns[:10]
                return Misfit(
                    f"There is no feature {name!r}; did you mean {', '.join(map(repr, close))}?",
                    f"factors.{name}",
                )
        return None

    @classmethod
    def strengths(cls, stack: PerTrial[Self], index: ParameterIndex) -> Tensor:
        """λ times the columns' factors."""
        matrix = super().strengths(stack, index)
        for row, member in enumerate(stack.members):
            if member is not None and member.factors is not None:
                matrix[row] *= index.input_factors(member.factors)
        return matrix

    @staticmethod
    @abstractmethod
    @shaped(w="K P", step="K 1", returns="K P")
    def proximal(w: Tensor, terms: PenaltyTerms, step: float | Tensor) -> Tensor:
        """argmin over v of ½(v − w)² + step·R(v), ``[K, P]``; step ``[K, 1]``."""

    @staticmethod
    @abstractmethod
    def convex(terms: PenaltyTerms) -> ConvexTerms:
        """R in the form that a solver takes."""


class SparsePenalty(ProximalPenalty):
    """A penalty with a kink at 0, which only a proximal step turns into exact zeros."""

    method: Literal["subgradient", "proximal"] = "subgradient"
    """`subgradient`: its subgradient joins the loss's; weights come near 0, none reach it.
    `proximal`: after each update, prox(w) with step η·λ; weights become exactly 0."""


def is_proximal(penalty: Penalty) -> bool:
    """Whether it acts after the update instead of through the gradient."""
    return isinstance(penalty, SparsePenalty) and penalty.method == "proximal"


R = TypeVar("R", bound=Penalty)


class _Part(Generic[R]):
    """One penalty in the trials that take it one way, with its terms in this epoch."""

    def __init__(self, technique: type[R], stack: PerTrial[Any], index: ParameterIndex) -> None:
        self.technique = technique
        self.terms = technique.terms(stack, index)
        self.strength = ScheduledStrength(self.terms.strength, technique.ramps(stack))


class Penalties:
    """All penalties of a fleet, at work on its weights ``[K, P]``."""

    def __init__(self, stacks: dict[type[Penalty], PerTrial[Any]], index: ParameterIndex) -> None:
        self._all: list[_Part[Penalty]] = []
        self._subgradient: list[_Part[Penalty]] = []
        self._proximal: list[_Part[ProximalPenalty]] = []
        for technique, stack in stacks.items():
            self._all.append(_Part(technique, stack, index))
            if through_gradient := stack.only(lambda penalty: not is_proximal(penalty)):
                self._subgradient.append(_Part(technique, through_gradient, index))
            if issubclass(technique, ProximalPenalty) and (after := stack.only(is_proximal)):
                self._proximal.append(_Part(technique, after, index))
        self._strengths = [part.strength for part in (*self._all, *self._subgradient)]
        self._strengths += [part.strength for part in self._proximal]

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the strengths that have a schedule; they follow from the epoch alone."""
        for strength in self._strengths:
            strength.start_epoch(epoch, epochs)

    def value(self, w: Tensor) -> Tensor:
        """Σ R(w), ``[K]``, of every penalty, whatever its method."""
        total = w.new_zeros(w.shape[0])
        for part in self._all:
            total += part.technique.value(w, part.terms)
        return total

    def add_gradient(self, w: Tensor, gradient: Tensor, loss: Tensor) -> Tensor:
        """Add ∂R/∂w to the gradient of the data loss, in place; give loss + Σ R(w), ``[K]``."""
        for proximal in self._proximal:
            loss = loss + proximal.technique.value(w, proximal.terms)
        together: Tensor | None = None  # Σ ∂R/∂w / d of penalties that have a degree
        for part in self._subgradient:
            technique, terms = part.technique, part.terms
            if technique.degree is None:
                gradient += technique.gradient(w, terms)
                loss = loss + technique.value(w, terms)
            else:
                own = technique.gradient_by_degree(w, terms)
                gradient.add_(own, alpha=technique.degree)
                together = own if together is None else together.add_(own)
        return loss if together is None else loss + together.mul_(w).sum(1)

    def shrink(self, w: Tensor, step: float | Tensor) -> None:
        """Apply the proximal steps, in place; step η, ``[K, 1]`` or one for all."""
        for part in self._proximal:
            w.copy_(part.technique.proximal(w, part.terms, step))

    def convex(self, w: Tensor) -> ConvexTerms:
        """All penalties together, whatever their method; w is ``[K, P]``.

        Raises:
            TypeError: one of them has no proximal step.
        """
        total = ConvexTerms.none(w)
        for part in self._all:
            if not issubclass(part.technique, ProximalPenalty):
                raise TypeError(f"{part.technique.key()} has no proximal step to solve by")
            total = total + part.technique.convex(part.terms)
        return total
