"""The report of a search: built by `worker.search.report`, sent as it is."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from worker.results.comparison import Spread
from worker.results.trial import Advice
from worker.schema import Json, Record

FieldValue = float | int | bool | str | list[Any] | Json | None


class Candidate(Record):
    """A configuration of a search, with what its repeats and folds say of the objective."""

    model_config = ConfigDict(title="CandidateView")

    configuration: Annotated[int, Field(examples=[91])]
    """Its number within the job."""
    overrides: Annotated[Json, Field(examples=[{"regularization.dropout.p": 0.31}])]
    """The searched fields that are on, by path, and their values."""
    mean: Annotated[float, Field(examples=[0.064])]
    """Mean of the objective over its repeats and folds."""
    standard_error: Annotated[float | None, Field(examples=[0.002])]
    """Of that mean; none for a single value."""
    interval: Annotated[tuple[float, float] | None, Field(examples=[[0.059, 0.069]])]
    """95 % interval of the mean, by Student's t; none for a single value. The winner was chosen as
    the best of many, so its mean flatters it: test rows do not."""
    n: Annotated[int, Field(examples=[5])]
    """Number of repeats and folds that the mean is over."""


class OneStandardError(Record):
    """The one-standard-error rule: of all that are as good as the winner, the simplest.

    As good: a mean within one standard error of the winner's. Simplest: the smallest network, as
    far as it is searched; then the most regularized, by the mean position of the searched
    strengths, probabilities and the like on their scales (0 where a technique is off); then the
    most techniques on.
    """

    choice: Candidate | None
    """That configuration; none without repeats and folds."""
    limit: Annotated[float | None, Field(examples=[0.066])]
    """The worst mean that counts as equally good."""
    within: Annotated[int, Field(examples=[7])]
    """How many configurations are as good as that, the winner included."""
    note: Annotated[str | None, Field(examples=[None])]
    """Why there is no choice, or that it is the winner itself."""


class Bin(Record):
    """Values of a searched field that are counted together, and the objective there."""

    model_config = ConfigDict(title="BinView")

    low: Annotated[float | None, Field(examples=[1e-4])] = None
    """Lower end of a stretch; none for a single value."""
    high: Annotated[float | None, Field(examples=[1e-3])] = None
    """Upper end of a stretch; none for a single value."""
    value: Annotated[FieldValue, Field(examples=[None])] = None
    """The single value; null for a stretch, and where the field's technique is off."""


class ProfileBin(Bin):
    """A bin of one field alone."""

    model_config = ConfigDict(title="ProfileBin")

    mean: Annotated[float | None, Field(examples=[0.071])]
    """Mean objective of its configurations; none where there are none."""
    best: Annotated[float | None, Field(examples=[0.064])]
    """The best objective of them."""
    count: Annotated[int, Field(examples=[12])]
    """How many configurations there are."""


class FieldReport(Record):
    """One searched field."""

    path: Annotated[str, Field(examples=["regularization.dropout.p"])]
    """Its path in the specification."""
    kind: Literal["number", "choice", "switch"]
    """A number, one of several values, or a technique that is on or off."""
    importance: Annotated[float | None, Field(examples=[0.62])]
    """Share of the variance of the objective that it explains alone, by a functional analysis of
    variance of a random forest; none for fewer than 16 configurations, and where the forest's
    `fit` is too low to believe it."""
    profile: list[ProfileBin]
    """The objective over its values; the last bin is that of configurations where it is off."""


class Surface(Record):
    """The objective over two searched numbers: one row for each bin of y, one entry a bin of x."""

    model_config = ConfigDict(title="SurfaceView")

    x: Annotated[str, Field(examples=["regularization.l1.strength"])]
    """Path of the field along the rows."""
    y: Annotated[str, Field(examples=["regularization.dropout.p"])]
    """Path of the field across them."""
    x_log: Annotated[bool, Field(examples=[True])]
    """Whether x has a logarithmic scale."""
    y_log: Annotated[bool, Field(examples=[False])]
    """Whether y has a logarithmic scale."""
    x_bins: list[Bin]
    """The bins of x, ascending."""
    y_bins: list[Bin]
    """The bins of y, ascending."""
    mean: Annotated[list[list[float | None]], Field(examples=[[[0.07, 0.09]]])]
    """Mean objective of each cell; null where no configuration lies."""
    best: Annotated[list[list[float | None]], Field(examples=[[[0.064, 0.085]]])]
    """The best objective of each cell."""
    count: Annotated[list[list[int]], Field(examples=[[[5, 3]]])]
    """Configurations of each cell."""


class LearningCurve(Record):
    """The learning curves of one configuration, means over its repeats and folds."""

    model_config = ConfigDict(title="CurveView")

    role: Literal["best", "median"]
    """The winner, or the configuration in the middle of the ranking."""
    configuration: Annotated[int, Field(examples=[91])]
    """Its number within the job."""
    metrics: Annotated[
        dict[str, list[float | None]], Field(examples=[{"validation_loss": [0.4, 0.2]}])
    ]
    """One array a metric, one entry an epoch: the losses, and the objective."""


class Hint(Record):
    """A field whose best value lies within 5 % of an edge of what was searched."""

    model_config = ConfigDict(title="HintView")

    path: Annotated[str, Field(examples=["regularization.l1.strength"])]
    """The field."""
    edge: Literal["low", "high"]
    """Which edge."""
    value: Annotated[float, Field(examples=[0.0097])]
    """The winner's value."""
    low: Annotated[float | None, Field(examples=[1e-4])]
    """Low end of the range to search next; none where there is no such range."""
    high: Annotated[float | None, Field(examples=[1.0])]
    """Its high end."""
    message: Annotated[str, Field(examples=["The best value of … lies at the high end of …"])]
    """The same in words."""


class Refit(Record):
    """A configuration trained once more, on the training and the validation rows together."""

    model_config = ConfigDict(title="RefitView")

    configuration: Annotated[int, Field(examples=[91])]
    """The configuration: the winner's, or 0, that with all switches of the space off."""
    name: Annotated[str, Field(examples=["91: dropout.p=0.31 (refitted)"])]
    """Its name."""
    metrics: Annotated[
        dict[str, Spread],
        Field(examples=[{"test_balanced_accuracy": {"mean": 0.74, "sd": 0.01, "n": 5}}]),
    ]
    """Final metrics over its repeats."""


class Baseline(Record):
    """Gradient boosting on the same rows: what a network must be compared with."""

    model_config = ConfigDict(title="BaselineView")

    name: Annotated[str, Field(examples=["HistGradientBoosting, balanced class weights"])]
    """What it is: scikit-learn's, untuned, classes weighted alike."""
    metrics: Annotated[dict[str, float | None], Field(examples=[{"test_balanced_accuracy": 0.77}])]
    """Its metrics: of the test rows, fitted on training and validation rows; where there are none,
    of the validation rows, fitted on training rows, means over the folds."""
    seconds: Annotated[float, Field(examples=[0.4])]
    """How long it took."""


class SearchReport(Record):
    """What a search found, so far or in the end."""

    model_config = ConfigDict(title="SearchReportView")

    finished: Annotated[int, Field(examples=[64])]
    """Configurations with a result."""
    winner: Candidate | None
    """That with the best mean; none before the first has a result. Where the search chooses by one
    standard error, the job's best is that choice instead."""
    one_standard_error: OneStandardError
    """The simplest that is as good."""
    fields: list[FieldReport]
    """The searched fields, the most important first."""
    interactions: Annotated[float | None, Field(examples=[0.08])]
    """Share of the variance that only several fields together explain."""
    fit: Annotated[float | None, Field(examples=[0.87])]
    """R² of the random forest on configurations that it had not seen: how far to believe the
    importances. Below 0.25 there are none."""
    surface: Surface | None
    """Of the two searched numbers that matter most; none where fewer than two vary."""
    curves: list[LearningCurve]
    """Of the best and the median."""
    hints: list[Hint]
    """What to search next, where the best lies on an edge."""
    advice: list[Advice]
    """What is worth knowing of it: too few configurations for importances, or that all that was
    searched bought nothing."""
    refits: list[Refit]
    """With `refit`: what was chosen; with `references` the network without techniques beside it."""
    baseline: Baseline | None
    """With `references`: gradient boosting on the same rows; none before the end."""
