"""A technique: one regularizer, its settings and its mathematics, in one class and one file."""

from abc import ABC
from typing import Annotated, Any, ClassVar

from pydantic import Field

from worker.schema import Settings


class Technique(Settings, ABC):
    """One regularizer.

    A subclass is either a family (abstract, with the verbs that its moment of training needs) or
    a member of one (final). Its docstring gives formula, shapes and source; its fields carry
    bounds, unit, description, default and a default search range.
    """

    family: ClassVar[str]
    """The moment at which it acts; the same for all members of a family."""


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
    tuple[Annotated[int, Field(ge=0, le=1023)], ...], Field(strict=False, min_length=1)
]
"""Numbers of dense or convolutional layers, from 0 at the input."""
