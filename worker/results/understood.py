"""What was understood of a job's data: target, task and why, and the rows that take part."""

from typing import Annotated, Literal

from pydantic import Field

from worker.schema import Stored

CLASSES_SHOWN = 100


class RowCounts(Stored):
    """The rows of the data set that a job uses, and why others are left out."""

    used: Annotated[int, Field(examples=[20])]
    """Rows with a target: they train, validate or test."""
    left_out: Annotated[dict[str, int], Field(examples=[{"no target": 180}])]
    """Reason → how many rows are left out for it."""


class Understood(Stored):
    """What a job predicts, from which rows and columns, and why it was understood so."""

    target: Annotated[str, Field(examples=["class"])]
    """The column that is predicted."""
    task: Annotated[Literal["binary", "multiclass", "regression"], Field(examples=["binary"])]
    """As what it is predicted."""
    classes: Annotated[list[str], Field(examples=[["bad", "good"]])]
    """The classes in the order of their numbers, at most 100; empty for a regression."""
    classes_count: Annotated[int, Field(examples=[2])]
    """How many classes there are."""
    positive: Annotated[str | None, Field(examples=["good"])]
    """Of a binary task: the class that recall, precision and the threshold are about."""
    why: Annotated[str, Field(examples=["The column holds 2 different texts."])]
    """Why this task; which field overrules it."""
    rows: RowCounts
    """Rows that take part, and those that do not."""
    features: Annotated[int, Field(examples=[20])]
    """Columns that the network sees."""
    left_out: Annotated[dict[str, str], Field(examples=[{"k": "constant"}])]
    """The other columns, at most 100: name → why it is left out: `constant`, `empty` or
    `ignored`; or since it divides the rows: `folds`, `groups` or `order`."""
