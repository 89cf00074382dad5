"""Bodies about models at work."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body
from service.schemas.jobs import WHEN


class TimingView(Body):
    """How long one part of answering took, in seconds."""

    count: Annotated[int, Field(examples=[1200])]
    """How often it was measured."""
    mean: Annotated[float | None, Field(examples=[0.0004])]
    """The mean; null before the first one."""
    p50: Annotated[float | None, Field(examples=[0.0003])]
    """Half of them took less; within a third, since times are counted in powers of two."""
    p99: Annotated[float | None, Field(examples=[0.0016])]
    """99 of 100 took less; within a third."""


class LatencyView(Body):
    """Where the time of requests goes."""

    read: TimingView
    """Reading a request, and encoding its rows."""
    queue: TimingView
    """Waiting to be computed."""
    compute: TimingView
    """Being computed, together with the rows of other requests."""
    write: TimingView
    """Writing the answer."""
    total: TimingView
    """All of it, inside of the service."""


class BatchView(Body):
    """Batches of about one size."""

    rows: Annotated[int, Field(examples=[16])]
    """So many rows; above 16, up to so many and more than half of it."""
    count: Annotated[int, Field(examples=[310])]
    """How many such batches were computed."""
    mean: Annotated[float | None, Field(examples=[0.0002])]
    """Their mean time, in seconds."""


class DriftView(Body):
    """How often the rows of one column held what training did not."""

    column: Annotated[str, Field(examples=["job"])]
    """The column."""
    code: Annotated[str, Field(examples=["unknown_category"])]
    """What was met, as in the warnings of a prediction."""
    rows: Annotated[int, Field(examples=[12])]
    """In how many rows."""
    share: Annotated[float, Field(examples=[0.01])]
    """Of the rows that were looked at."""


class StatisticsView(Body):
    """A model at work, since it was loaded by the process that answers."""

    object: Annotated[Literal["model.statistics"], Field(examples=["model.statistics"])] = (
        "model.statistics"
    )
    """Always `model.statistics`."""
    model: Annotated[str, Field(examples=["credit"])]
    """The model."""
    version: Annotated[int, Field(examples=[3])]
    """Its version."""
    process: Annotated[int, Field(examples=[4711])]
    """The process that counted: with several API processes, each counts what it answers."""
    since: Annotated[datetime, Field(examples=[WHEN])]
    """When the model was loaded."""
    requests: Annotated[int, Field(examples=[1200])]
    """Requests that were answered."""
    rows: Annotated[int, Field(examples=[5400])]
    """Rows that were answered."""
    failures: Annotated[int, Field(examples=[3])]
    """Requests that could not be: their content was wrong, or the service failed."""
    refused: Annotated[int, Field(examples=[0])]
    """Requests that could not have been answered in time: 503."""
    abandoned: Annotated[int, Field(examples=[0])]
    """Requests whose client left before their rows were computed: they were not."""
    requests_per_second: Annotated[float, Field(examples=[20.0])]
    """Over the last minute."""
    rows_per_second: Annotated[float, Field(examples=[90.0])]
    """Over the last minute."""
    latency: LatencyView
    """Where the time goes."""
    batches: list[BatchView]
    """How many rows were computed together."""
    looked_at: Annotated[int, Field(examples=[5400])]
    """Rows that were looked at for what is worth a warning."""
    drift: list[DriftView]
    """What was met in them, the most frequent first."""
