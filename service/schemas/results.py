"""Bodies about what came of a job: curves, charts, comparisons."""

from typing import Annotated, Any, Literal

from pydantic import Field

from service.schemas.common import Body, Spread
from service.schemas.path import PathReportView
from service.schemas.search import SearchReportView
from service.schemas.sparsity import SparsityReport

Verdict = Literal["helps", "hurts", "unclear", "untested"]

CURVES = {"train_loss": [0.31, 0.18], "validation_loss": [0.33, 0.21]}


class MetricsView(Body):
    """The metrics of one trial: one array a metric, one entry an epoch."""

    object: Annotated[Literal["metrics"], Field(examples=["metrics"])] = "metrics"
    """Always `metrics`."""
    job: Annotated[str, Field(examples=["job_5f0c9a3e1b7d2468ace0f135"])]
    """The job."""
    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial."""
    name: Annotated[str, Field(examples=["dropout"])]
    """Its configuration's name."""
    epochs: Annotated[list[int], Field(examples=[[1, 2]])]
    """The epochs, from 1."""
    metrics: Annotated[dict[str, list[float | None]], Field(examples=[CURVES])]
    """One array a metric, as long as `epochs`; null where a trial no longer trained."""


class ConfigurationReport(Body):
    """One configuration of a comparison."""

    configuration: Annotated[int, Field(examples=[3])]
    """Its number within the job."""
    name: Annotated[str, Field(examples=["dropout"])]
    """Its name."""
    trials: Annotated[int, Field(examples=[5])]
    """Its repeats and folds."""
    succeeded: Annotated[int, Field(examples=[5])]
    """Those of them that succeeded; the metrics are over these."""
    failed: Annotated[int, Field(examples=[0])]
    """Those of them that failed."""
    metrics: Annotated[
        dict[str, Spread], Field(examples=[{"validation_loss": {"mean": 0.06, "sd": 0.01, "n": 5}}])
    ]
    """Mean and standard deviation of each final metric."""
    without: Annotated[str | None, Field(examples=[None])] = None
    """The technique that it leaves out, in an attribution; such a configuration cannot win."""
    network: SparsityReport | None = None
    """What is left of the network of its best trial: zeros, dead units, unused columns."""


class Effect(Body):
    """One metric with a technique and without it, paired over repeats and folds."""

    metric: Annotated[str, Field(examples=["validation_loss"])]
    """The metric."""
    maximize: Annotated[bool, Field(examples=[False])]
    """Whether more of it is better."""
    mean_with: Annotated[float, Field(examples=[0.061])]
    """Its mean with the technique."""
    mean_without: Annotated[float, Field(examples=[0.085])]
    """Its mean without."""
    difference: Annotated[float, Field(examples=[-0.024])]
    """With minus without, the mean over the pairs."""
    interval: Annotated[tuple[float, float] | None, Field(examples=[[-0.031, -0.017]])]
    """95 % interval of that mean, by Student's t; none for a single pair."""
    pairs: Annotated[int, Field(examples=[5])]
    """Repeats and folds that succeeded both with it and without."""
    verdict: Annotated[Verdict, Field(examples=["helps"])]
    """`helps` or `hurts` where the interval lies on one side of 0, `unclear` where it holds 0,
    `untested` where there is none."""


class Attribution(Body):
    """What one technique bought a configuration: the same training without it."""

    configuration: Annotated[int, Field(examples=[0])]
    """Number of the complete configuration."""
    name: Annotated[str, Field(examples=["base"])]
    """Its name."""
    technique: Annotated[str, Field(examples=["dropout"])]
    """The technique that was left out."""
    without: Annotated[int, Field(examples=[3])]
    """Number of the configuration without it."""
    effects: list[Effect]
    """The objective, and the main metrics of the test rows, or the validation rows without any.
    Empty while trials are running, or where none succeeded."""
    note: Annotated[str | None, Field(examples=[None])]
    """What the intervals do not say."""


class Report(Body):
    """A comparison as data: each configuration's final metrics over its repeats and folds."""

    object: Annotated[Literal["report"], Field(examples=["report"])] = "report"
    """Always `report`."""
    job: Annotated[str, Field(examples=["job_5f0c9a3e1b7d2468ace0f135"])]
    """The job."""
    objective: Annotated[str, Field(examples=["validation_loss"])]
    """The metric by which they are ordered."""
    maximize: Annotated[bool, Field(examples=[False])]
    """Whether more of it is better."""
    configurations: list[ConfigurationReport]
    """The configurations, best mean objective first; those that leave a technique out come last.
    Of a search, the best 100."""
    attribution: list[Attribution]
    """What each technique bought; empty unless the job asked for it by `attribute`."""
    search: SearchReportView | None = None
    """What the search found; none for a job that is no search."""
    path: PathReportView | None = None
    """Weights, zeros and losses along the path; none for another method than `path`."""


class ChartData(Body):
    """The `data` of a Chart.js configuration."""

    labels: Annotated[list[int], Field(examples=[[1, 2]])]
    """The epochs, from 1."""
    datasets: Annotated[
        list[dict[str, Any]], Field(examples=[[{"label": "dropout", "data": [0.31, 0.18]}]])
    ]
    """One line a configuration: label, data, colours."""


class Chart(Body):
    """A Chart.js configuration: give it to `new Chart(canvas, …)` as it is."""

    type: Annotated[Literal["line"], Field(examples=["line"])] = "line"
    """Always `line`."""
    data: ChartData
    """The epochs and the lines."""
    options: Annotated[dict[str, Any], Field(examples=[{"scales": {"y": {"beginAtZero": True}}}])]
    """Titles and axes."""
