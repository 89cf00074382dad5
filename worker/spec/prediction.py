"""What a user posts to have a stored data set scored."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, field_validator

from worker.schema import Settings
from worker.spec.dataset import DatasetRef
from worker.spec.job import ModelName
from worker.spec.reading import ColumnName
from worker.text import Printable

Version = (
    Annotated[int, Field(ge=1, lt=2**31, examples=[3])]
    | Annotated[str, Field(pattern=r"^([0-9]{1,9}|[A-Za-z][A-Za-z0-9_.-]{0,63})$")]
)

MOST_SAMPLES = 1_000
"""Passes with dropout for a row."""


class PredictionSpec(Settings):
    """A data set to be scored, and the model that scores it."""

    name: Annotated[Printable, Field(max_length=120)] = ""
    """A label for people."""
    model: ModelName
    """The model that answers."""
    version: Version | None = None
    """A version's number, or an alias. Without one: `production` where that alias is set, the
    newest version otherwise. Which version it is, is settled when the prediction is accepted."""
    dataset: DatasetRef
    """The id of an uploaded data set, or a built-in one. Its columns are found by their names; one
    that was read as another kind than the model's is read again as that. Columns that the model
    does not know do not matter."""
    keep: (
        Annotated[
            tuple[ColumnName, ...],
            Field(fail_fast=True, strict=False, max_length=10_000, examples=[["customer_id"]]),
        ]
        | None
    ) = None
    """The columns of the data set that stand in the result before the answers, in this order; all
    of them unless given, but for images, which are never in it."""
    calibrated: bool = False
    """Whether `probability_…` are calibrated, as `calibrated` of `/v1/models/{name}/predict`."""
    coverage: Annotated[float, Field(gt=0, lt=1, examples=[0.9])] | None = None
    """In how much of all rows the truth is to be covered: the columns `interval_low` and
    `interval_high` follow, or, of classes, `in_set_<class>` for each."""
    members: bool = False
    """Of a model of several networks: how far they differ, in the columns `deviation`, and of
    classes `entropy` and `mutual_information`."""
    mc_samples: Annotated[int, Field(ge=0, le=MOST_SAMPLES, examples=[50])] = 0
    """Passes with dropout on, whose mean answers; the columns `deviation`, of values, or of classes
    `deviation_<class>`, `entropy` and `mutual_information` follow. The passes are the same for all
    rows. Not together with `calibrated`, `coverage` or `members`, and without `metrics`, which are
    of the plain answers."""
    seed: Annotated[int, Field(ge=0, lt=2**63, examples=[1])] = 0
    """Of the masks of those passes."""
    format: Literal["parquet", "csv"] = "parquet"
    """What the result is: `parquet` keeps types, and the answers to the bit; `csv` is text."""

    @field_validator("keep")
    @classmethod
    def names_are_unique(cls, keep: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Refuse a column that would stand there twice."""
        twice = [name for name, count in Counter(keep or ()).items() if count > 1]
        if twice:
            raise ValueError(f"name each column once; twice: {', '.join(twice[:5])}")
        return keep
