"""The answers of the service that this package reads, as they come: typed, and open to members that
later releases add.
"""

from typing import Any, Literal, TypedDict

Json = dict[str, Any]
"""A JSON object whose members depend on something else, such as a job's specification."""
State = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
ExportForm = Literal["csv", "tensorboard", "mlflow"]
ENDED = frozenset({"succeeded", "failed", "cancelled"})
"""The states that never change again."""


class Finding(TypedDict):
    """Something worth knowing about data or a job."""

    severity: Literal["info", "warning"]
    code: str
    field: str | None
    column: str | None
    message: str
    evidence: Json
    fix: str
    change: Json | None


class ProgressData(TypedDict):
    """How far a job is; ``fraction`` from 0 to 1."""

    fraction: float
    epoch: int
    epochs: int
    eta_seconds: float | None


class TrialCount(TypedDict):
    """How many trials a job has."""

    total: int
    finished: int
    failed: int


class ModelName(TypedDict):
    """Where a job's winner is registered."""

    name: str
    version: int | None


class Best(TypedDict):
    """The winner of a job, or the best so far."""

    trial: str
    name: str | None
    value: float | None
    metrics: dict[str, float | None]


class Failure(TypedDict):
    """Why a job failed."""

    code: str
    message: str
    param: str | None


class JobData(TypedDict):
    """A job as the service answers it."""

    id: str
    name: str
    state: State
    progress: ProgressData
    spec: Json
    advice: list[Finding]
    trials: TrialCount
    objective: str
    best: Best | None
    model: ModelName | None
    waiting_for: str | None
    error: Failure | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class BriefJob(TypedDict):
    """A job in a list."""

    id: str
    name: str
    state: State
    progress: ProgressData
    trials: TrialCount
    objective: str
    dataset: str | None
    best: Best | None
    model: ModelName | None
    error: Failure | None
    advice_count: int
    created_at: str


class TrialData(TypedDict):
    """One configuration, trained once."""

    id: str
    name: str
    configuration: int
    repeat: int
    fold: int | None
    state: State
    metrics: dict[str, float | None]
    epochs: int
    best_epoch: int | None
    overrides: Json | None
    advice: list[Finding]
    error: Failure | None


class EventData(TypedDict):
    """One line of a job's log."""

    id: int
    level: str
    type: str
    message: str
    created_at: str


class MetricsData(TypedDict):
    """The metrics of one trial: one array a metric, one entry an epoch."""

    trial: str
    name: str
    epochs: list[int]
    metrics: dict[str, list[float | None]]
    train_rows: int | None


class SpreadData(TypedDict):
    """A metric over repeats and folds."""

    mean: float
    sd: float | None
    n: int


class ConfigurationData(TypedDict):
    """One configuration of a comparison."""

    configuration: int
    name: str
    trials: int
    succeeded: int
    failed: int
    metrics: dict[str, SpreadData]


class ReportData(TypedDict):
    """What came of a job: the verdict, then each configuration, best first."""

    verdict: str | None
    job: str
    objective: str
    maximize: bool
    configurations: list[ConfigurationData]
    search: Json | None
    appraisal: Json | None


class ColumnData(TypedDict):
    """One column of a data set."""

    name: str
    kind: str


class DatasetData(TypedDict):
    """An uploaded data set."""

    id: str
    name: str
    target: str | None
    rows: int
    columns: list[ColumnData]
    understood: Json | None
    findings: list[Finding]
    bytes: int


class ModelData(TypedDict):
    """A model, with its versions and aliases."""

    name: str
    versions: list[int]
    latest: int | None
    aliases: dict[str, int]


class PartData(TypedDict):
    """A part of the service."""

    state: Literal["ok", "failed", "unknown"]
    reason: str | None


class WorkerData(TypedDict):
    """A worker, as it was last seen."""

    id: str
    host: str
    device: str
    slots: int
    state: Literal["ok", "stopping", "lost"]
    seen_seconds: float


class QueueData(TypedDict):
    """What waits for a worker, and what has one."""

    queued: int
    running: int


class SystemData(TypedDict):
    """The installation."""

    release: str
    status: Literal["ready", "degraded", "unready", "stopping"]
    uptime_seconds: float
    parts: dict[str, PartData]
    workers: list[WorkerData]
    queue: QueueData | None


class JobPage(TypedDict):
    """A page of jobs."""

    data: list[BriefJob]
    has_more: bool


class TrialPage(TypedDict):
    """A page of trials."""

    data: list[TrialData]
    has_more: bool


class EventPage(TypedDict):
    """A page of events."""

    data: list[EventData]
    has_more: bool
