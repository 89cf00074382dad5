"""Bodies about jobs."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.schemas.common import Body, SchemaOf
from worker.results import (
    FINAL,
    Advice,
    Best,
    JobError,
    Metrics,
    SparsitySummary,
    Understood,
)
from worker.schema import Json
from worker.spec import JobSpec

JobState = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
WHEN = "2026-11-23T07:30:00Z"


class Progress(Body):
    """How far a job is."""

    fraction: Annotated[float, Field(ge=0, le=1, examples=[0.4])]
    """Share of the epochs that are done, from 0 to 1."""
    epoch: Annotated[int, Field(examples=[20])]
    """Epochs done, over all fleets."""
    epochs: Annotated[int, Field(examples=[50])]
    """Epochs planned so far, over all fleets; early stopping may need fewer. A search plans its
    fleets as others end."""
    eta_seconds: Annotated[float | None, Field(examples=[1.5])]
    """Seconds that the rest will take at the pace so far; none before the first epoch."""


class TrialCounts(Body):
    """How many trials a job has."""

    total: Annotated[int, Field(examples=[4])]
    """All of them; of a search that only a budget of time ends, those that are planned so far."""
    finished: Annotated[int, Field(examples=[4])]
    """Those that ended, in whatever way."""
    failed: Annotated[int, Field(examples=[0])]
    """Those that ended with an error."""


class ModelReference(Body):
    """Where a job's winner is registered."""

    name: Annotated[str, Field(examples=["credit"])]
    """The model."""
    version: Annotated[int | None, Field(examples=[3])]
    """Its version; none before the job succeeded."""


class JobBase(Body):
    """A job's name and state, and how far it is."""

    id: Annotated[str, Field(examples=["job_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier."""
    object: Annotated[Literal["job"], Field(examples=["job"])] = "job"
    """Always `job`."""
    name: Annotated[str, Field(examples=["credit risk"])]
    """A label for people."""
    state: Annotated[JobState, Field(examples=["queued"])]
    """`succeeded`, `failed` and `cancelled` never change again."""
    progress: Progress
    """How far it is."""
    trials: TrialCounts
    """How many trials there are, finished and failed."""
    objective: Annotated[str, Field(examples=["validation_loss"])]
    """The metric that decides which configuration is best."""
    model: ModelReference | None
    """Where the winner is registered, if the job named a model."""
    retry_of: Annotated[str | None, Field(examples=[None])]
    """The job that it does once more, if it does."""
    created_at: Annotated[datetime, Field(examples=[WHEN])]
    """When it was accepted."""
    started_at: Annotated[datetime | None, Field(examples=[WHEN])]
    """When a worker first claimed a part of it."""
    finished_at: Annotated[datetime | None, Field(examples=[WHEN])]
    """When it reached its final state."""


class BestSummary(Body):
    """The winner of a job, in a list."""

    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial whose weights it has."""
    name: Annotated[str | None, Field(examples=["dropout"])]
    """Its configuration's name, cut after 100 letters."""
    value: Annotated[float | None, Field(examples=[0.31])]
    """The job's objective, the mean over the configuration's repeats and folds."""


class ErrorSummary(Body):
    """Why a job failed, in a list."""

    code: Annotated[str, Field(examples=["diverged"])]
    """The kind of error, for programs."""
    message: Annotated[str, Field(examples=["The loss is not finite."])]
    """The error in words, cut after 200 letters."""


class JobSummary(JobBase):
    """A job in a list, in a few kB whatever was posted."""

    dataset: Annotated[str | None, Field(examples=["ds_5f0c9a3e1b7d2468ace0f135"])]
    """The data set's id, or the name of a built-in one."""
    target: Annotated[str | None, Field(examples=["class"])]
    """The column that it predicts, cut after 100 letters; of jobs of earlier releases, if it was
    posted."""
    best: BestSummary | None
    """The winner, or the best so far while the job runs."""
    error: ErrorSummary | None
    """Why it failed, if it did."""
    advice_count: Annotated[int, Field(examples=[0])]
    """How much advice there is on it."""
    waiting_for: Annotated[str | None, Field(examples=["its turn: 3 fleets are before it"])]
    """What it waits for that is no fault of its own, or why no worker has it yet; null where it
    goes on."""


class QueuePlaceView(Body):
    """Where a queued job stands."""

    position: Annotated[int, Field(ge=1, examples=[3])]
    """1: its fleet is the next that a worker takes. Tenants take turns, so that it may grow
    when others post."""
    expected_start: Annotated[datetime | None, Field(examples=[WHEN])]
    """When that may be, by the estimates of those before it; null where no worker is there, or its
    pace is not known."""


class JobView(JobBase):
    """A training job: what was asked, how it was understood, how far it is, and what came of it."""

    spec: Annotated[Json, SchemaOf(JobSpec)]
    """What was posted, in the long form, without techniques that are off. Of a list of rows, or of
    values to search, the first 100 entries; `…_count` beside it says how many there are. What a job
    of an earlier release was posted with is not known: it shows its defaults too."""
    resolved: Annotated[
        Annotated[Json, SchemaOf(JobSpec)] | None, Field(exclude_if=lambda value: value is None)
    ] = None
    """With `include=resolved`: the complete specification, defaults included, and what a search
    chose for itself."""
    understood: Understood | None
    """Target, task and classes, rows and columns, and why; null for jobs of earlier releases."""
    advice: list[Advice]
    """What is worth knowing: findings about the data, then about the specification and its
    results."""
    best: Best | None
    """The winner, or the best so far while the job runs."""
    waiting_for: Annotated[str | None, Field(examples=["artefact store: read-only file system"])]
    """What it waits for that is no fault of its own. It goes on by itself, however long that takes,
    and is then null again."""
    queue: QueuePlaceView | None = None
    """Where it stands in the queue; null unless it is `queued`."""
    exact: Annotated[bool, Field(examples=[True])]
    """Whether its weights are those of an undisturbed run to the bit. False once a part of it went
    on from a checkpoint of another device, number of threads, processor or version of torch."""
    error: JobError | None
    """Why it failed, if it did."""


class Estimate(Body):
    """What a job will cost, roughly."""

    seconds: Annotated[float | None, Field(examples=[0.9])]
    """Time from its first claim to its end on this machine's CPU, if it has the machine for itself,
    fleet after fleet; where trials may stop early, between the earliest and the latest end; no more
    than a budget of time. Null where `reason` says why it is not known."""
    low: Annotated[float | None, Field(examples=[0.4])]
    """It will hardly take less; null as `seconds`."""
    high: Annotated[float | None, Field(examples=[1.7])]
    """It will hardly take more; null as `seconds`."""
    reason: Annotated[str | None, Field(examples=[None])]
    """Why the time is not known, if it is not."""
    bytes: Annotated[int, Field(examples=[176064])]
    """What the trainer of the largest fleet holds at its peak: its data, and either what reading
    them takes, or the weights, gradients, optimizer moments and kept weights of all its trials, a
    batch's activations and their gradients, checkpoints and the measuring at the end; and the
    process itself. docs/performance.md has it beside measured peaks."""
    method: Annotated[Literal["probe", "formula"], Field(examples=["probe"])]
    """`probe`: extrapolated from a few steps of the fleet that takes longest. `formula`: from the
    number of multiplications, where a probe would take too long or another job is being probed."""


class Validation(Body):
    """What would be trained, if this specification were posted as a job."""

    valid: Annotated[Literal[True], Field(examples=[True])] = True
    """Always true: a specification that is not valid is answered with a problem."""
    understood: Understood
    """Target, task and classes, rows and columns, and why."""
    advice: list[Advice]
    """What is worth knowing before posting it: findings about the data, then about the job."""
    trials: Annotated[int, Field(examples=[4])]
    """Number of trials; the most there may be, where a budget of time ends a search."""
    fleets: Annotated[int, Field(examples=[1])]
    """Number of tensor programs that they form."""
    parameters: Annotated[int, Field(examples=[2751])]
    """Trainable parameters of the largest network."""
    steps: Annotated[int, Field(examples=[5000])]
    """Training steps of all trials together, if none stops early: epochs × batches, or epochs × a
    solver's iterations."""
    estimate: Estimate
    """What it will cost, roughly."""


class TrialView(Body):
    """One configuration, trained once."""

    id: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier."""
    object: Annotated[Literal["trial"], Field(examples=["trial"])] = "trial"
    """Always `trial`."""
    name: Annotated[str, Field(examples=["dropout"])]
    """Its configuration's name, shared by repeats and folds."""
    configuration: Annotated[int, Field(examples=[3])]
    """Its configuration's number within the job."""
    repeat: Annotated[int, Field(examples=[0])]
    """Which repeat."""
    fold: Annotated[int | None, Field(examples=[None])]
    """Which fold validates, in a cross-validation; where folds are dealt again (`split.repeats`),
    fold f of repeat r is r · folds + f. `GET …/splits` has its rows."""
    state: Annotated[JobState, Field(examples=["succeeded"])]
    """Where it stands."""
    metrics: Annotated[Metrics, Field(examples=[FINAL])]
    """Its final metrics; empty before it ended."""
    epochs: Annotated[int, Field(examples=[50])]
    """Epochs that it trained."""
    best_epoch: Annotated[int | None, Field(examples=[43])]
    """The epoch whose weights it ended with, if early stopping chose one."""
    halved_at: Annotated[int | None, Field(examples=[None])] = None
    """The epoch after which `halving` let it go; its metrics and weights are of then."""
    network: SparsitySummary | None
    """What is left of its network, in short; the job's report has all of it."""
    settings: Annotated[Json, Field(examples=[{"name": "dropout", "configuration": 3}])]
    """The complete configuration: network, regularization and training."""
    overrides: Annotated[Json | None, Field(examples=[None])] = None
    """In a search, what the configuration changes in the job: path → value."""
    advice: list[Advice]
    """What is worth knowing about its result."""
    error: JobError | None
    """Why it failed, if it did."""


class EventView(Body):
    """One line of a job's log."""

    model_config = ConfigDict(from_attributes=True)

    id: Annotated[int, Field(examples=[17])]
    """Grows from event to event: the cursor `after`."""
    object: Annotated[Literal["event"], Field(examples=["event"])] = "event"
    """Always `event`."""
    level: Annotated[str, Field(examples=["info"])]
    """`info`, `warning` or `error`."""
    type: Annotated[str, Field(examples=["job.succeeded"])]
    """What happened, for programs."""
    message: Annotated[str, Field(examples=["The job succeeded."])]
    """What happened, in words."""
    data: Annotated[Json, Field(examples=[{"trials": 4}])]
    """Its figures."""
    created_at: Annotated[datetime, Field(examples=[WHEN])]
    """When it happened."""


class CheckpointView(Body):
    """A whole, verified training state, from which a fleet can go on."""

    id: Annotated[str, Field(examples=["ckp_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier."""
    object: Annotated[Literal["checkpoint"], Field(examples=["checkpoint"])] = "checkpoint"
    """Always `checkpoint`."""
    fleet: Annotated[str, Field(examples=["flt_5f0c9a3e1b7d2468ace0f135"])]
    """The fleet whose state it is."""
    epoch: Annotated[int, Field(examples=[20])]
    """Epochs that were done."""
    bytes: Annotated[int, Field(examples=[88412])]
    """Its size."""
    sha256: Annotated[
        str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    """SHA-256 of its manifest, which lists its files with theirs."""
    created_at: Annotated[datetime, Field(examples=[WHEN])]
    """When it was written."""
