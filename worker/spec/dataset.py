"""What a job learns from: an uploaded data set by its id, or a built-in one."""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from worker.schema import Settings


class BuiltinName(StrEnum):
    """The data sets that need no upload."""

    CIRCLE = "circle"
    BREAST_CANCER = "breast_cancer"
    WINE = "wine"
    IRIS = "iris"
    DIABETES = "diabetes"
    DIGITS = "digits"


class Builtin(Settings):
    """A built-in data set: the circle problem, or one that scikit-learn carries."""

    builtin: Annotated[BuiltinName, Field(strict=False)]
    """Which one. `circle`: points uniform on [-2, 2]², class 1 where x₁² + x₂² > 5."""
    rows: Annotated[int, Field(ge=20, le=1_000_000)] = 1000
    """How many points to draw; read by `circle` alone."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of the draw; read by `circle` alone."""


def _is_an_id(value: object) -> object:
    if isinstance(value, str) and value in set(BuiltinName):
        raise ValueError(f'{value} is a built-in data set: write {{"builtin": "{value}"}}')
    if isinstance(value, str) and not value.startswith("ds_"):
        raise ValueError(
            "an uploaded data set goes by its id, as ds_3kTn8c0aY1Qw: GET /v1/datasets lists "
            'yours; a built-in one by its name, as {"builtin": "circle"}'
        )
    return value


DatasetId = Annotated[
    str,
    Field(pattern=r"^ds_[A-Za-z0-9_-]{8,64}$", examples=["ds_3kTn8c0aY1Qw"]),
    BeforeValidator(_is_an_id),
]
DatasetRef = Builtin | DatasetId
