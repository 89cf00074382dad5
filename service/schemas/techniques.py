"""Bodies about techniques: the cards of their classes, as they are."""

from typing import Annotated, Literal

from pydantic import Field

from worker.regularization import Card
from worker.schema import Json


class TechniqueView(Card):
    """A technique: formula, use, starting value, cost, source, settings."""

    object: Annotated[Literal["technique"], Field(examples=["technique"])] = "technique"
    """Always `technique`."""


class TechniqueDetail(TechniqueView):
    """A technique, with the JSON schema of its settings."""

    settings: Annotated[
        Json, Field(examples=[{"type": "object", "properties": {"p": {"default": 0.5}}}])
    ]
    """JSON schema of the object that stands under its name in `regularization`."""
