"""A trial's objective in the words of other libraries: which estimator, with which parameters."""

from typing import Annotated, Literal

from pydantic import Field

from worker.schema import Json, Record, Stored


class Fitted(Stored):
    """What a trial was fitted to: the numbers that other libraries' units depend on."""

    task: Literal["binary", "multiclass", "regression"]
    """What was predicted."""
    rows: int
    """Training rows, n."""
    measured: int | None = None
    """Those of them that the `train_…` metrics are of; none of trials of earlier releases."""
    classes: int = 0
    """How many classes there are; 0 of a regression."""
    target_sd: float | None = None
    """Of a regression: the standard deviation of the training rows' target in its own unit, n in
    the denominator."""
    mean_weight: float = 1.0
    """The mean of `class_weights` as they were posted, over the training rows."""
    weighted: bool = False
    """Whether rows had weights of their own."""
    offset: bool = False
    """Whether scores began with an offset."""


class Equivalent(Record):
    """The same objective for another library: on the same rows it has the same optimum."""

    library: Annotated[Literal["scikit-learn", "glmnet"], Field(examples=["scikit-learn"])]
    """Which library."""
    estimator: Annotated[str, Field(examples=["Lasso"])]
    """Its class or function."""
    parameters: Annotated[Json, Field(examples=[{"alpha": 1.54}])]
    """Its parameters, by their names there."""
    exact: Annotated[bool, Field(examples=[True])]
    """Whether this trial's weights are that optimum: a solver's are, to its tolerance; training by
    epochs comes near it, and networks with hidden layers have many."""
    conditions: Annotated[
        list[str], Field(examples=[["y in its own unit; coefficients are in it too."]])
    ]
    """What it is to be given, and what else must hold."""
