"""Bodies about the rows of a job: how they were divided, and what they are answered."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.schemas.common import Body

NUMBERS = [0, 3, 4]


class FoldView(Body):
    """One fold: its rows validate, on a model trained on others."""

    fold: Annotated[int, Field(examples=[0])]
    """Its number, as the trials' `fold` has it: repeat · folds + number within the repeat."""
    repeat: Annotated[int, Field(examples=[0])]
    """Which dealing of the folds it is of."""
    name: Annotated[str | None, Field(examples=[None])]
    """Of a column of folds: the value that it is of; else null."""
    train_count: Annotated[int, Field(examples=[120])]
    """Rows that train."""
    validation_count: Annotated[int, Field(examples=[30])]
    """Rows that validate."""
    validation: Annotated[list[int], Field(examples=[NUMBERS])]
    """The numbers of the rows that validate, ascending."""


class SplitsView(Body):
    """The rows of each part by their numbers in the uploaded table, counted from 0, ascending."""

    object: Annotated[Literal["splits"], Field(examples=["splits"])] = "splits"
    """Always `splits`."""
    job: Annotated[str, Field(examples=["job_5f0c9a3e1b7d2468ace0f135"])]
    """The job."""
    rows: Annotated[int, Field(examples=[150])]
    """Rows of the data set."""
    folds_count: Annotated[int, Field(examples=[0])]
    """How many folds there are, those of all repeats; 0 without any."""
    repeats: Annotated[int, Field(examples=[1])]
    """How often the folds were dealt."""
    train: Annotated[list[int] | None, Field(examples=[[1, 2, 5]])]
    """The rows that train; of the fold that was asked for. Null with folds unless one is: then a
    fold trains on the rows that the other folds of its repeat validate on, or with `split.order` on
    all rows before its own."""
    validation: Annotated[list[int] | None, Field(examples=[NUMBERS])]
    """The rows that validate, as `train`."""
    test: Annotated[list[int], Field(examples=[[6]])]
    """The rows for the final measurement, the same for all folds."""
    unused: Annotated[list[int], Field(examples=[[7]])]
    """Rows that are in no part: without a target, or named nowhere."""
    folds: list[FoldView]
    """Each fold; the one that was asked for alone; empty without folds."""


class RowAnswer(Body):
    """One row, its truth, and the answer."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    row: Annotated[int, Field(examples=[17])]
    """Its number in the uploaded table, counted from 0."""
    fold: Annotated[int | None, Field(examples=[0])]
    """The fold of the trial that answers; null without folds."""
    truth: Annotated[str | float, Field(examples=["1"])]
    """The target: the class, or the value."""
    label: Annotated[str | None, Field(examples=["1"])] = None
    """Classification: the class that is answered."""
    probabilities: Annotated[dict[str, float] | None, Field(examples=[{"0": 0.03, "1": 0.97}])] = (
        None
    )
    """Classification: the probability of each class."""
    value: Annotated[int | float | None, Field(examples=[None])] = None
    """Regression: the answer, in the target's own unit. Classes that are whole numbers: the label
    as a number."""


class RowAnswers(Body):
    """What a job's trials answer the rows of a part."""

    object: Annotated[Literal["row_answers"], Field(examples=["row_answers"])] = "row_answers"
    """Always `row_answers`."""
    job: Annotated[str, Field(examples=["job_5f0c9a3e1b7d2468ace0f135"])]
    """The job."""
    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial that answers; out of fold the first of those that do."""
    configuration: Annotated[int, Field(examples=[3])]
    """The number of its configuration."""
    part: Annotated[
        Literal["train", "validation", "test", "out_of_fold"], Field(examples=["validation"])
    ]
    """The part."""
    count: Annotated[int, Field(examples=[200])]
    """How many rows are answered."""
    data: list[RowAnswer]
    """The rows, fold by fold, in the order of the table."""
