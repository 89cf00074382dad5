"""Bodies about what came of a job: curves, charts, comparisons."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body
from worker.results import (
    Appraisal,
    Attribution,
    ConfigurationReport,
    PartCurves,
    PathReport,
    Refit,
    SearchReport,
)
from worker.schema import Json

VERDICT = "dropout beats none by 0.024 ± 0.007 in test_loss."
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
    """One array a metric, as long as `epochs`; null where a trial no longer trained, where
    `training.evaluate.every` left an epoch out, or where the metric is not defined, such as R² of
    rows whose targets are equal. docs/metrics.md has the definition of each."""
    train_rows: Annotated[int | None, Field(examples=[800])]
    """How many training rows the `train_…` metrics are of: all, or as many as
    `training.evaluate.train_rows` says; null of a trial that has not ended."""


class CurvesView(Body):
    """How a classifier answers the rows that are held out, as curves to draw."""

    object: Annotated[Literal["curves"], Field(examples=["curves"])] = "curves"
    """Always `curves`."""
    job: Annotated[str, Field(examples=["job_5f0c9a3e1b7d2468ace0f135"])]
    """The job."""
    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial."""
    name: Annotated[str, Field(examples=["dropout"])]
    """Its configuration's name."""
    classes: Annotated[list[str], Field(examples=[["bad", "good"]])]
    """The classes in the order of rows and columns of the matrix, cut at 100 letters; empty for
    more than 100 classes."""
    positive: Annotated[str | None, Field(examples=["good"])]
    """Of two classes, that which the curves are about."""
    threshold: Annotated[float | None, Field(examples=[0.5])]
    """Of two classes, the probability from which it is answered."""
    parts: dict[str, PartCurves]
    """`validation`, `test`, or `train` where nothing is held out → its curves; empty where none are
    kept."""
    note: Annotated[str | None, Field(examples=[None])] = None
    """Why none are kept."""


class Report(Body):
    """A comparison as data: each configuration's final metrics over its repeats and folds."""

    object: Annotated[Literal["report"], Field(examples=["report"])] = "report"
    """Always `report`."""
    verdict: Annotated[str | None, Field(examples=[VERDICT])] = None
    """What regularization bought, and how sure that is, in one sentence; null until the job has
    ended, and of a job without rows held back."""
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
    refits: list[Refit]
    """The winner trained once more on more rows, if the job does that: it is what is served."""
    search: SearchReport | None = None
    """What the search found; none for a job that is no search."""
    appraisal: Appraisal | None = None
    """What the verdict rests on; null where there is none."""
    path: PathReport | None = None
    """Weights, zeros and losses along the path; none for another method than `path`."""


class ChartData(Body):
    """The `data` of a Chart.js configuration."""

    labels: Annotated[list[int], Field(examples=[[1, 2]])]
    """Of curves over epochs: the epochs, from 1. Else empty: the points have their own x."""
    datasets: Annotated[list[Json], Field(examples=[[{"label": "dropout", "data": [0.31, 0.18]}]])]
    """Lines, bands, bars and cells, with labels, data and colours. A band is two of them without
    a label: its lower edge, and its upper edge, which is filled down to the one before it."""


class Chart(Body):
    """A Chart.js configuration: give it to `new Chart(canvas, …)` of Chart.js 4 as it is."""

    type: Annotated[Literal["line", "bar"], Field(examples=["line"])] = "line"
    """`line`, or `bar` where there are bars or cells."""
    data: ChartData
    """What is drawn."""
    options: Annotated[Json, Field(examples=[{"scales": {"y": {"beginAtZero": True}}}])]
    """Title, note, axes, legend."""
