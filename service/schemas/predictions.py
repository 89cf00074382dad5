"""Bodies about predictions of stored data sets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body
from service.schemas.jobs import WHEN, ErrorSummary, JobState
from worker.results import JobError, Metrics
from worker.spec import DatasetRef


class PredictionResult(Body):
    """The file that came of a prediction."""

    rows: Annotated[int, Field(examples=[1000])]
    """Rows that it has: those of the data set, in their order."""
    bytes: Annotated[int, Field(examples=[88412])]
    """Its size."""
    sha256: Annotated[
        str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    """SHA-256 of it: the same for the same rows, version and format."""
    url: Annotated[str, Field(examples=["/v1/predictions/pred_5f0c9a3e1b7d2468ace0f135/result"])]
    """Where it is."""
    metrics: Annotated[
        Metrics | None, Field(examples=[{"accuracy": 0.95, "auc": 0.98, "log_loss": 0.14}])
    ]
    """How good the answers are, over the rows whose target is known; null where the data set has no
    such row. Those that need all scores at once, such as the AUC, are measured of up to eight
    million scores: rows × outputs."""


class PredictionBase(Body):
    """What a prediction scores, and how far it is."""

    id: Annotated[str, Field(examples=["pred_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier."""
    object: Annotated[Literal["prediction"], Field(examples=["prediction"])] = "prediction"
    """Always `prediction`."""
    name: Annotated[str, Field(examples=["credit, November"])]
    """A label for people."""
    state: Annotated[JobState, Field(examples=["running"])]
    """`succeeded`, `failed` and `cancelled` never change again."""
    model: Annotated[str, Field(examples=["credit"])]
    """The model that answers."""
    version: Annotated[int, Field(examples=[3])]
    """Its version, settled when the prediction was accepted."""
    dataset: Annotated[DatasetRef, Field(examples=["ds_5f0c9a3e1b7d2468ace0f135"])]
    """The data set that is scored."""
    format: Annotated[Literal["parquet", "csv"], Field(examples=["parquet"])]
    """What the result is."""
    rows_total: Annotated[int, Field(examples=[1000])]
    """Rows of the data set."""
    rows_done: Annotated[int, Field(examples=[1000])]
    """Those that are scored and kept: an interrupted prediction goes on after them."""
    result: PredictionResult | None
    """The file; null before it succeeded."""
    created_at: Annotated[datetime, Field(examples=[WHEN])]
    """When it was accepted."""
    started_at: Annotated[datetime | None, Field(examples=[WHEN])]
    """When a worker began; null before."""
    finished_at: Annotated[datetime | None, Field(examples=[WHEN])]
    """When it ended; null before."""


class PredictionSummary(PredictionBase):
    """A prediction in a list."""

    error: ErrorSummary | None
    """Why it failed, if it did, in short."""


class PredictionView(PredictionBase):
    """A data set that is scored by the workers."""

    keep: Annotated[list[str] | None, Field(examples=[["customer_id"]])]
    """The columns that stand before the answers; null for all."""
    calibrated: Annotated[bool, Field(examples=[False])] = False
    """Whether probabilities are calibrated."""
    mc_samples: Annotated[int, Field(examples=[50])] = 0
    """Passes with dropout, whose mean answers; 0 for the plain answer."""
    seed: Annotated[int, Field(examples=[1])] = 0
    """Of the masks of those passes."""
    coverage: Annotated[float | None, Field(examples=[0.9])] = None
    """The coverage of intervals or sets; null where there are none."""
    members: Annotated[bool, Field(examples=[False])] = False
    """Whether it is told how far the networks of an ensemble differ."""
    waiting_for: Annotated[str | None, Field(examples=["artefact store: read-only file system"])]
    """What it waits for that is no fault of its own. It goes on by itself, however long that takes,
    and is then null again."""
    error: JobError | None
    """Why it failed, if it did."""
