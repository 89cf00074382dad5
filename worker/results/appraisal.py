"""What can be said of a job's networks together, as it ends: the verdict first."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from worker.results.ensembles import Choice, Ensemble
from worker.results.uncertainty import Part, UncertaintyReport
from worker.schema import Stored

Judgement = Literal["better", "worse", "unclear"]
Role = Literal["twin", "contender", "without", "constant", "boosting"]


class MetricInterval(Stored):
    """A metric, and between which values it lies with 95 %."""

    value: Annotated[float, Field(examples=[0.31])]
    """On all the rows, the mean over the networks."""
    low: Annotated[float, Field(examples=[0.27])]
    """The lower end."""
    high: Annotated[float, Field(examples=[0.36])]
    """The upper end."""


class ConfigurationIntervals(Stored):
    """How good one configuration is on the rows, with 95 % intervals."""

    configuration: Annotated[int, Field(examples=[3])]
    """Its number within the job; of a refit the number of the configuration that it trains."""
    name: Annotated[str, Field(examples=["dropout"])]
    """Its name."""
    networks: Annotated[int, Field(examples=[5])]
    """Of how many networks, or sets of folds' networks, the metrics are the mean: its repeats, and
    on test rows its folds too."""
    metrics: Annotated[
        dict[str, MetricInterval],
        Field(examples=[{"accuracy": {"value": 0.87, "low": 0.83, "high": 0.91}}]),
    ]
    """Each metric over all the rows together. The interval is a bootstrap over rows: what other
    rows of the same kind would give these networks. What other seeds would give stands in the
    report's `configurations`, as the deviation over repeats."""
    corrected: Annotated[dict[str, MetricInterval], Field(default_factory=dict)]
    """Of a winner that these rows chose among several: its metrics as they are on rows that did
    not choose it, by BBC-CV (Tsamardinos et al. 2018); else empty."""


class Difference(Stored):
    """The winner less another, on the same rows, with a 95 % interval."""

    name: Annotated[str, Field(examples=["dropout"])]
    """The winner, or what stands for it."""
    other: Annotated[int | None, Field(examples=[0])]
    """The number of the other configuration; null for what is no configuration of the job."""
    other_name: Annotated[str, Field(examples=["none"])]
    """Its name."""
    role: Annotated[Role, Field(examples=["twin"])]
    """`twin`: without any regularization. `contender`: another configuration. `without`: the winner
    with a technique left out. `constant`: the same answer for every row, the mean of the training
    rows or the shares of their classes. `boosting`: gradient boosting."""
    technique: Annotated[str | None, Field(examples=[None])] = None
    """Which technique is left out, in `without`."""
    metric: Annotated[str, Field(examples=["loss"])]
    """The metric, over the rows."""
    maximize: Annotated[bool, Field(examples=[False])]
    """Whether more of it is better."""
    difference: Annotated[float, Field(examples=[-0.024])]
    """The winner's less the other's."""
    low: Annotated[float, Field(examples=[-0.031])]
    """The lower end."""
    high: Annotated[float, Field(examples=[-0.017])]
    """The upper end."""
    verdict: Annotated[Judgement, Field(examples=["better"])]
    """What the winner is: `better` or `worse` where the interval lies on one side of 0, else
    `unclear`."""
    pairs: Annotated[int, Field(examples=[5])]
    """How many networks of each were compared, those of the same repeat and fold."""
    seeds: Annotated[Literal["repeats", "folds", "epochs", "unknown"], Field(examples=["repeats"])]
    """From what the part of the seeds in the interval is known: the `repeats`; without those, the
    networks of the `folds`; or from how far the metric still went from `epoch` to epoch at the end
    of training. `unknown`: the interval is about rows alone."""


class ColumnImportance(Stored):
    """What a column of the table is worth to the winner."""

    column: Annotated[str, Field(examples=["age"])]
    """The column, all its inputs together."""
    rise: Annotated[float, Field(examples=[0.12])]
    """By how much the loss rises on the mean if its values are exchanged among the rows."""
    deviation: Annotated[float, Field(examples=[0.01])]
    """The standard deviation of that rise over the permutations."""
    low: Annotated[float | None, Field(examples=[0.08])] = None
    """The lower end of its 95 % interval over rows; null of jobs of earlier releases."""
    high: Annotated[float | None, Field(examples=[0.16])] = None
    """The upper end."""


class PermutationImportance(Stored):
    """What each column is worth to the winner: the rise of its loss if the column is permuted.

    Columns that say the same stand in for each other, and each seems worth little.
    """

    loss: Annotated[float, Field(examples=[0.31])]
    """The loss on the rows as they are."""
    rows: Annotated[int, Field(examples=[200])]
    """How many rows were taken; fewer than all where columns and rows are many."""
    permutations: Annotated[int, Field(examples=[5])]
    """How often each column was permuted."""
    noise: Annotated[float, Field(examples=[0.004])]
    """A rise below this is none that these rows could show: the 95 % quantile of what it would be
    by chance, from the differences between rows, for the column in the middle."""
    columns: list[ColumnImportance]
    """The columns, the most important first; at most 200."""
    columns_count: Annotated[int, Field(examples=[12])]
    """How many there are."""


class Appraisal(Stored):
    """What a job's networks come to together, on rows that none of them was trained on.

    It is made once, as the job ends.
    """

    verdict: Annotated[str, Field(examples=["dropout beats none by 0.024 ± 0.007 in test loss."])]
    """What regularization bought, and how sure that is, in one sentence."""
    part: Annotated[Part, Field(examples=["test"])]
    """The rows that it rests on: `test` where there are any, else those of all folds, each by the
    network that was not trained on it, or the validation rows."""
    rows: Annotated[int, Field(examples=[200])]
    """How many they are."""
    intervals: Annotated[list[ConfigurationIntervals], Field(default_factory=list)]
    """The configurations, best first, at most 32."""
    refits: Annotated[list[ConfigurationIntervals], Field(default_factory=list)]
    """What was trained once more on training and validation rows, on the test rows."""
    differences: Annotated[list[Difference], Field(default_factory=list)]
    """The winner against the others, on the same rows."""
    importance: PermutationImportance | None = None
    """What each column is worth to the winner; null for images, and where it takes too long."""
    uncertainty: UncertaintyReport | None = None
    """What is kept for `calibrated` and `coverage` at prediction, and how good that is; null where
    no rows were held back to fit it, and of jobs of earlier releases."""
    notes: Annotated[list[str], Field(default_factory=list)]
    """What the intervals cover, and what they do not."""

    @field_validator("importance", mode="before")
    @classmethod
    def is_measured(cls, importance: object) -> object:
        """What earlier releases stored of folds of a single row each holds no number."""
        measured = not isinstance(importance, dict) or importance.get("noise", 0.0) is not None
        return importance if measured else None

    choice: Choice | None = None
    """Of a job that asks for an `ensemble`: what could be served, and why it is what it is; null
    of others."""
    ensemble: Ensemble | None = None
    """The networks that are served together, or in the winner's place; null where the winner
    itself is."""
