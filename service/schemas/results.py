"""Bodies about what came of a job: curves, charts, comparisons."""

from typing import Annotated, Any, Literal

from pydantic import Field

from service.schemas.common import Body

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


class Spread(Body):
    """A metric over the repeats and folds of one configuration."""

    mean: Annotated[float, Field(examples=[0.061])]
    """Arithmetic mean."""
    sd: Annotated[float | None, Field(examples=[0.004])]
    """Standard deviation, n − 1 in the denominator; none for a single value."""
    n: Annotated[int, Field(examples=[5])]
    """Number of values."""


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
    """The configurations, best mean objective first."""


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
