"""Bodies about the service itself."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body

WHEN = "2026-11-23T07:30:00Z"


class Alive(Body):
    """The process answers."""

    status: Annotated[Literal["ok"], Field(examples=["ok"])] = "ok"
    """Always `ok`."""


class PartView(Body):
    """A part of the service, as it was last found. Each is looked at every few seconds."""

    state: Annotated[Literal["ok", "failed", "unknown"], Field(examples=["ok"])]
    """`unknown` before it was looked at."""
    reason: Annotated[str | None, Field(examples=[None])]
    """Why it failed."""
    age_seconds: Annotated[float | None, Field(examples=[1.2])]
    """How long ago that was found."""


class Parts(Body):
    """What the service works with."""

    database: PartView
    """Whether it can be written. Without it nothing is served."""
    artefacts: PartView
    """Whether a file can be written, read and removed where data sets, checkpoints and models are
    kept. Without it nothing is uploaded or loaded, and accepted jobs wait."""
    workers: PartView
    """Whether one was seen lately that takes work, without which accepted jobs wait; and whether
    none has gone silent at work: what it had waits until it is taken back."""
    redis: PartView
    """Whether it answers. Without it jobs start seconds later."""


class Ready(Body):
    """Requests can be served now."""

    status: Annotated[Literal["ready", "degraded"], Field(examples=["ready"])]
    """`degraded`: requests are served and jobs accepted, but a part has failed, as `parts` says;
    what needs that part is refused, or waits. The answer is a problem with status 503 when the
    database has failed, or while the service stops."""
    failed: Annotated[list[str], Field(examples=[[]])]
    """The names of the parts that have failed."""
    parts: Parts
    """Each part as it was last found."""


class WorkerView(Body):
    """A worker, as it was last seen."""

    id: Annotated[str, Field(examples=["wrk_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier, another one after each start."""
    object: Annotated[Literal["worker"], Field(examples=["worker"])] = "worker"
    """Always `worker`."""
    host: Annotated[str, Field(examples=["gpu-3"])]
    """The machine that it runs on."""
    pid: Annotated[int, Field(examples=[4711])]
    """Its process there."""
    device: Annotated[str, Field(examples=["cpu"])]
    """Where it trains: `cpu`, `cuda`, `cuda:1`."""
    slots: Annotated[int, Field(examples=[1])]
    """Fleets that it trains at a time."""
    threads: Annotated[int, Field(examples=[2])]
    """Threads that each of them may use."""
    release: Annotated[str, Field(examples=["0.1.0"])]
    """Its release."""
    state: Annotated[Literal["ok", "stopping", "lost"], Field(examples=["ok"])]
    """`stopping`: it takes no more work. `lost`: it was not seen for a while, and is forgotten
    after a day."""
    started_at: Annotated[datetime, Field(examples=[WHEN])]
    """When it came, by the database's clock."""
    seen_seconds: Annotated[float, Field(examples=[1.7])]
    """How long ago it was seen."""


class QueueView(Body):
    """The fleets of all jobs: the units that workers claim."""

    queued: Annotated[int, Field(examples=[0])]
    """Those that wait for a worker."""
    running: Annotated[int, Field(examples=[1])]
    """Those that workers have claimed."""
    oldest_seconds: Annotated[float | None, Field(examples=[None])]
    """How long ago the oldest of those that wait was planned."""


class LimitsView(Body):
    """The settings that bound what is accepted."""

    max_upload_bytes: Annotated[int, Field(examples=[268435456])]
    """Largest data set that may be uploaded."""
    max_job_trials: Annotated[int, Field(examples=[100000])]
    """Most trials of a job."""
    max_job_rows: Annotated[int, Field(examples=[20000000])]
    """Most rows × folds of a job."""
    max_job_parameters: Annotated[int, Field(examples=[500000000])]
    """Most trainable parameters of a network."""
    max_job_steps: Annotated[int, Field(examples=[1000000000])]
    """Most training steps of a job."""
    max_job_bytes: Annotated[int | None, Field(examples=[None])]
    """Most bytes of a fleet; null where it follows from the machine's memory."""
    max_job_seconds: Annotated[float, Field(examples=[604800.0])]
    """Most seconds of a job, by estimate."""
    max_connections: Annotated[int, Field(examples=[1000])]
    """Open connections of an HTTP process."""


class TenantView(Body):
    """The caller's tenant: what it has, and what it may have."""

    name: Annotated[str, Field(examples=["default"])]
    """The tenant."""
    weight: Annotated[float, Field(examples=[1.0])]
    """Its share of the workers, relative to others'."""
    running_fleets: Annotated[int, Field(examples=[1])]
    """Fleets that train for it now."""
    max_running_fleets: Annotated[int | None, Field(examples=[None])]
    """Most of them at a time; null: as many as there is room for."""
    queued_jobs: Annotated[int, Field(examples=[3])]
    """Jobs and predictions of it that wait for a worker."""
    max_queued_jobs: Annotated[int | None, Field(examples=[10000])]
    """Most of them; one more is answered by 429."""
    datasets: Annotated[int, Field(examples=[12])]
    """Data sets that it keeps."""
    max_datasets: Annotated[int | None, Field(examples=[10000])]
    """Most of them; one more is answered by 429."""
    stored_bytes: Annotated[int, Field(examples=[73400320])]
    """Bytes of its data sets, results and models, and of the checkpoints of jobs that go on."""
    max_stored_bytes: Annotated[int | None, Field(examples=[1099511627776])]
    """Most of them; more are answered by 429."""


class System(Body):
    """The installation, for the people who run it."""

    object: Annotated[Literal["system"], Field(examples=["system"])] = "system"
    """Always `system`."""
    release: Annotated[str, Field(examples=["0.1.0"])]
    """That of the process which answers."""
    status: Annotated[
        Literal["ready", "degraded", "unready", "stopping"], Field(examples=["ready"])
    ]
    """As `/readyz` answers: `unready` and `stopping` where that is 503."""
    uptime_seconds: Annotated[float, Field(examples=[86400.5])]
    """How long the process which answers has served."""
    parts: Parts
    """Each part as it was last found."""
    workers: list[WorkerView]
    """All that were seen within a day, those seen last first."""
    queue: QueueView | None
    """What waits and what runs; null before it was looked at."""
    tenant: TenantView | None
    """The caller's tenant; null while the database does not answer."""
    age_seconds: Annotated[float | None, Field(examples=[1.2])]
    """How long ago workers and queue were looked at."""
    limits: LimitsView
    """The settings that bound what is accepted."""
