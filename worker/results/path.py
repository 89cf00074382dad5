"""The report of a path, such as that of the lasso."""

from typing import Annotated

from pydantic import ConfigDict, Field

from worker.schema import Record


class WeightPath(Record):
    """The weight of one encoded column along a path."""

    feature: Annotated[str, Field(examples=["bmi"])]
    """The column, or `column=category`."""
    output: Annotated[str | None, Field(examples=[None])]
    """The class that the weight speaks for; none with a single output."""
    values: Annotated[list[float | None], Field(examples=[[0.0, 0.12, 0.31]])]
    """The weights, one a point, of features as preprocessed: exactly 0 where the column is not
    used, null where a trial is not done."""
    enters: Annotated[int | None, Field(examples=[1])]
    """The first point at which it is not 0; none if it never is."""


class PathReport(Record):
    """A path: one field from its strongest value to its weakest, and what came of it.

    All lists have one entry a point, in the same order. Losses and sparsity are means over the
    repeats and folds of a point; weights are those of its first trial.
    """

    model_config = ConfigDict(title="PathReportView")

    over: Annotated[str, Field(examples=["regularization.l1.strength"])]
    """The field that varies."""
    values: Annotated[list[float], Field(examples=[[1.0, 0.1, 0.01]])]
    """Its values, the strongest first."""
    log: Annotated[list[float | None], Field(examples=[[0.0, -2.3026, -4.6052]])]
    """Their natural logarithms, for the usual chart; null at 0."""
    configurations: Annotated[list[int], Field(examples=[[0, 1, 2]])]
    """The configurations' numbers."""
    train_loss: Annotated[list[float | None], Field(examples=[[1.0, 0.62, 0.49]])]
    """The data loss on training rows."""
    validation_loss: Annotated[list[float | None], Field(examples=[[1.1, 0.7, 0.55]])]
    """The data loss on validation rows; null without them."""
    validation_error: Annotated[list[float | None], Field(examples=[[0.1, 0.07, 0.06]])]
    """Its standard error over repeats and folds; null for a single trial."""
    sparsity: Annotated[list[float | None], Field(examples=[[1.0, 0.6, 0.1]])]
    """Share of weights that are exactly 0."""
    weights: list[WeightPath]
    """For `linear`: the weights along the path, the columns that enter first before others, at most
    200; else empty."""
