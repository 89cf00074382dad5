"""A technique: one regularizer, its settings and its mathematics, in one class and one file."""

import re
from abc import ABC
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from worker.regularization.fit import DataFacts, Misfit, NetworkFacts
from worker.schema import Settings
from worker.shapes import inherit_shapes


@dataclass(frozen=True)
class Memory:
    """What a technique needs beside the training itself, in numbers of each trial."""

    kept: int = 0
    """Copies of the weights that are kept from step to step."""
    step: int = 0
    """Copies of the weights within a step."""
    activations: int = 0
    """Numbers for each activation of a batch within a step."""

    def at_least(self, other: "Memory | None") -> "Memory":
        """Enough for this and for the other."""
        if other is None:
            return self
        return Memory(
            max(self.kept, other.kept),
            max(self.step, other.step),
            max(self.activations, other.activations),
        )

    @classmethod
    def total(cls, needs: Iterable["Memory"]) -> "Memory":
        """Enough for all of them at once."""
        numbers = [(need.kept, need.step, need.activations) for need in needs]
        return cls(*(sum(column) for column in zip(*numbers, strict=True)))


class Technique(Settings, ABC):
    """One regularizer.

    A subclass is either a family (abstract, with the verbs that its moment of training needs) or
    a member of one (final). Its docstring gives formula, shapes and source; its fields carry
    bounds, unit, description, default and a default search range. Whatever other rooms need to
    know of it, it says itself: where it fits, what it needs, whether it holds the network back.
    """

    family: ClassVar[str]
    """The moment at which it acts; the same for all members of a family."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Check the shapes that the family declares for its verbs, in tests."""
        super().__pydantic_init_subclass__(**kwargs)
        inherit_shapes(cls)

    @classmethod
    def key(cls) -> str:
        """Its name in ``Regularization``: the class's, in small letters."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def usual(cls) -> Self:
        """Settings to begin with: the defaults, and a usual value of what has none."""
        return cls.model_validate({})

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Why it does not fit a network or its data; none where it does.

        Validation refuses by it, `auto` offers by it, advice warns by it.
        """
        return None

    def needs_autograd(self, network: NetworkFacts) -> bool:
        """Whether a network with it cannot be differentiated by hand."""
        return False

    def memory(self) -> Memory:
        """What it needs beside the training itself."""
        return Memory()

    def restrains(self) -> bool:
        """Whether it holds a network back noticeably, as against fitting the training rows."""
        return False

    def structure(self) -> object | None:
        """What trials with it must agree in to train as one tensor program; none if in nothing."""
        return None


def search_range(low: float, high: float, *, log: bool = False) -> dict[str, Any]:
    """A field's default search range, as it appears in the schema."""
    return {"search": {"low": low, "high": high, "log": log}}


Strength = Annotated[
    float, Field(ge=0.0, le=1e6, json_schema_extra=search_range(1e-6, 1e-2, log=True))
]
"""λ: how much the penalty weighs, in units of the data loss."""

DropProbability = Annotated[float, Field(ge=0.0, lt=1.0, json_schema_extra=search_range(0.0, 0.8))]
"""p: the probability of dropping a unit. 1 is refused: nothing would be left."""

Layers = Annotated[
    tuple[Annotated[int, Field(ge=0, le=1023)], ...],
    Field(fail_fast=True, strict=False, min_length=1, max_length=1024),
]
"""Numbers of dense or convolutional layers, from 0 at the input."""
