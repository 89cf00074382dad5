"""The tables. Whatever belongs to a user carries its tenant."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from worker.caller import DEFAULT_TENANT
from worker.results import (
    UNSCORED,
    Advice,
    Appraisal,
    JobError,
    Metrics,
    NetworkReport,
    Standing,
    Understood,
    Winner,
)
from worker.schema import Json
from worker.storage.states import Kind, State
from worker.storage.types import Base, Cursor, utc_now


class Dataset(Base):
    """An uploaded data set: its columns here, its rows as one Parquet artefact, and the file as it
    was sent as another. Releases before 0004 kept no such file, and nothing that was said of it.
    """

    __tablename__ = "dataset"
    __table_args__ = (Index("ix_dataset_tenant_created_at", "tenant", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    name: Mapped[str]
    target: Mapped[str | None]
    rows: Mapped[int] = mapped_column(BigInteger)
    columns: Mapped[list[Json]]
    """The report of each column, with its first categories; earlier releases kept name, kind,
    shape, missing and all categories."""
    summary: Mapped[Json | None]
    """What lists show of columns and findings: the first ones, and how many there are."""
    format: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    path: Mapped[str]
    reading: Mapped[Json | None]
    """What was said at upload of how the file is to be read."""
    filename: Mapped[str | None]
    source_path: Mapped[str | None]
    source_sha256: Mapped[str | None]
    source_bytes: Mapped[int | None] = mapped_column(BigInteger)
    findings: Mapped[list[Advice] | None]
    """What was found in its table, and of its own target."""
    understood: Mapped[Understood | None]
    """What its own target was understood as, where it has one that can be learned."""
    statistics: Mapped[Json | None] = mapped_column(deferred=True)
    """What was counted of its table, so that jobs are checked without it. Of data sets of releases
    before 0011 it is counted when a job first needs it. Loaded when it is asked for."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Job(Base):
    """What a user posted, and how far it is. Of a prediction, which is a job of another kind, what
    is its own is in its row of ``prediction``.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_tenant_created_at", "tenant", "created_at"),
        Index("ix_job_tenant_kind_created_at", "tenant", "kind", "created_at"),
        Index("ix_job_tenant_state", "tenant", "state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    kind: Mapped[str] = mapped_column(default=Kind.TRAINING)
    name: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default=State.QUEUED)
    spec: Mapped[Json]
    """Complete: defaults included, and what a search chose for itself."""
    posted: Mapped[Json | None]
    """What was posted, as answers show it; none of jobs of earlier releases."""
    summary: Mapped[Json | None]
    """What lists show of ``posted``, which may be long; none of jobs of earlier releases."""
    dataset_id: Mapped[str | None] = mapped_column(index=True)
    advice: Mapped[list[Advice]] = mapped_column(default=list)
    understood: Mapped[Understood | None]
    """Target, task, rows and columns; none of jobs of earlier releases."""
    error: Mapped[JobError | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    pause_requested: Mapped[bool] = mapped_column(default=False)
    """Whether its fleets are kept from being claimed."""
    device: Mapped[str | None]
    """Where it wishes to train, `cpu` or `gpu`; none: wherever a worker is free."""
    priority: Mapped[int] = mapped_column(default=0)
    """Fleets of a job with more of it are claimed first."""
    estimated_seconds: Mapped[float | None] = mapped_column(Double)
    """What all of it will take, by the formula of its cost; none where nobody knows."""
    retry_of: Mapped[str | None]
    """The job that had not come to its end, and is done once more by this one."""
    model_name: Mapped[str | None]
    model_version: Mapped[int | None]
    trials_total: Mapped[int] = mapped_column(default=0)
    trials_planned: Mapped[int] = mapped_column(default=0)
    """Those that have rows; a search plans the rest as fleets end."""
    trials_finished: Mapped[int] = mapped_column(default=0)
    trials_failed: Mapped[int] = mapped_column(default=0)
    best: Mapped[Winner | None]
    appraisal: Mapped[Appraisal | None] = mapped_column(deferred=True)
    """What can be said of its networks together: set as it ends, none of jobs without rows held
    back, and of jobs of earlier releases."""
    ensemble_path: Mapped[str | None]
    """The file that is served where it is not a fleet's: of an ensemble, or of one trial with what
    it keeps of rows that did not train it."""
    ensemble_sha256: Mapped[str | None]
    ensemble_bytes: Mapped[int | None] = mapped_column(BigInteger)
    objective: Mapped[str]
    maximize: Mapped[bool] = mapped_column(default=False)
    epoch: Mapped[int] = mapped_column(default=0)
    epochs: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Fleet(Base):
    """Trials that train as one tensor program: the unit of claim, lease and checkpoint."""

    __tablename__ = "fleet"
    __table_args__ = (
        UniqueConstraint("job_id", "number"),
        Index("ix_fleet_state_created_at", "state", "created_at"),
        Index("ix_fleet_turn", "state", "device", "tenant", "rank", "turn", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(default=State.QUEUED)
    device: Mapped[str | None]
    """Its job's."""
    rank: Mapped[int] = mapped_column(default=0)
    """Minus its job's priority: a tenant's fleets are claimed by ``rank``, then by ``turn``."""
    turn: Mapped[float] = mapped_column(Double, default=0.0, server_default="0")
    """When it was queued, in seconds since 1970, plus ``estimated_seconds``. See ``turns``."""
    estimated_seconds: Mapped[float] = mapped_column(Double, default=0.0, server_default="0")
    """What it will take, by the formula of its job's cost; 0 where nobody knows."""
    claimed: Mapped[float] = mapped_column(Double, default=0.0, server_default="0")
    """When it was claimed, in seconds since 1970, by the database's clock; 0 unless it runs."""
    yields_to: Mapped[str | None]
    """The tenant that it was asked to make room for, if it was."""
    token: Mapped[int] = mapped_column(default=0)
    """The fencing token: grows by one with each claim; a write with another one changes nothing."""
    hb_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    """Counts heartbeats. Observers watch it move; they compare no clocks."""
    owner: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(default=0)
    stalled_attempts: Mapped[int] = mapped_column(default=0)
    """Attempts since the last checkpoint that went further than any before."""
    waiting_for: Mapped[str | None]
    """The fault of the place that it waits out; none where nothing is at fault."""
    place_faults: Mapped[int] = mapped_column(default=0)
    """Faults of the place in a row: by them its pauses grow, and nothing else."""
    exact: Mapped[bool] = mapped_column(default=True)
    """Whether it trained on one device, with one number of threads and one torch from its start, so
    that its weights are those of an undisturbed run to the bit."""
    progress_epoch: Mapped[int] = mapped_column(default=0)
    """The furthest epoch that any checkpoint reached."""
    checkpoint_id: Mapped[str | None]
    not_before: Mapped[datetime | None]
    first_step_at: Mapped[datetime | None]
    plan: Mapped[Json] = mapped_column(default=dict)
    """Of no use: earlier releases repeated its trials' settings here."""
    epoch: Mapped[int] = mapped_column(default=0)
    epochs: Mapped[int] = mapped_column(default=0)
    curves: Mapped[bytes | None] = mapped_column(deferred=True)
    """The metrics of its epochs, packed, once its job has ended: see ``curves``."""
    result_path: Mapped[str | None]
    result_sha256: Mapped[str | None]
    result_bytes: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[JobError | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class TrialRow(Base):
    """One configuration, trained once: its place in the fleet, and what came of it."""

    __tablename__ = "trial"
    __table_args__ = (
        UniqueConstraint("fleet_id", "position"),
        Index("ix_trial_job_id_configuration", "job_id", "configuration"),
        Index("ix_trial_job_id_standing", "job_id", "standing", "score", "configuration"),
        Index("ix_trial_job_id_state", "job_id", "state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    fleet_id: Mapped[str] = mapped_column(ForeignKey("fleet.id", ondelete="CASCADE"))
    position: Mapped[int]
    name: Mapped[str]
    configuration: Mapped[int]
    repeat: Mapped[int] = mapped_column(default=0)
    fold: Mapped[int | None]
    settings: Mapped[Json] = mapped_column(JSON(none_as_null=True))
    """SQL looks into them, so that they lie as text."""
    overrides: Mapped[Json | None]
    """In a search, what it changes in the job: path → value."""
    state: Mapped[str] = mapped_column(default=State.QUEUED)
    standing: Mapped[int] = mapped_column(default=Standing.BEHIND)
    """Its part of the leaderboard, a :class:`~worker.results.ranking.Standing`."""
    score: Mapped[float] = mapped_column(Double, default=UNSCORED)
    """Its objective, negative where more is better; ``UNSCORED`` without one."""
    metrics: Mapped[Metrics] = mapped_column(default=dict)
    report: Mapped[NetworkReport | None]
    """What is left of its network: zeros, norms, dead units, features; set when it succeeded."""
    advice: Mapped[list[Advice]] = mapped_column(default=list)
    error: Mapped[JobError | None]
    epochs: Mapped[int] = mapped_column(default=0)
    best_epoch: Mapped[int | None]
    halved_at: Mapped[int | None]
    """The epoch after which halving let it go, with the metrics and weights that it had."""


class EpochMetrics(Base):
    """A fleet's epoch, ``{metric: [value for each position]}``, until its job has ended."""

    __tablename__ = "epoch_metrics"

    fleet_id: Mapped[str] = mapped_column(
        ForeignKey("fleet.id", ondelete="CASCADE"), primary_key=True
    )
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    values: Mapped[Json] = mapped_column(JSON(none_as_null=True))
    """Text: a trainer writes it all along, and what stays is in ``Fleet.curves``."""


class Event(Base):
    """One line of a job's log. Its id grows, and is the cursor of polls and streams."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_job_id_id", "job_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Cursor, primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    level: Mapped[str] = mapped_column(default="info")
    type: Mapped[str]
    message: Mapped[str]
    data: Mapped[Json] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Checkpoint(Base):
    """A whole, verified training state; ``sha256`` is that of its manifest."""

    __tablename__ = "checkpoint"
    __table_args__ = (Index("ix_checkpoint_fleet_id_created_at", "fleet_id", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    fleet_id: Mapped[str] = mapped_column(ForeignKey("fleet.id", ondelete="CASCADE"))
    epoch: Mapped[int]
    path: Mapped[str]
    sha256: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class CatalogueState(Base):
    """One row: how often models, versions and aliases have changed, all together.

    A transaction that changes one takes the next number, and holds this row until it is committed.
    So numbers become visible in their order, and who has seen one has seen all before it.
    """

    __tablename__ = "catalogue_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[int] = mapped_column(BigInteger, default=0)
    """The revision at which a model was last deleted: who has not seen it reads all models."""


class Model(Base):
    """A name under which winners of jobs are registered."""

    __tablename__ = "model"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    name: Mapped[str]
    revision: Mapped[int] = mapped_column(BigInteger, default=0, index=True)
    """The catalogue's when it, a version or an alias of it last changed."""
    unloaded: Mapped[bool] = mapped_column(default=False)
    """Whether it was taken out of service."""
    newest: Mapped[int] = mapped_column(default=0)
    """The highest number of those that were deleted: none is given twice."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ModelVersion(Base):
    """The winner of one job: which member (``position``) of which fleet's result file.

    It outlives its job; then its manifest has what is told of that.
    """

    __tablename__ = "model_version"

    model_id: Mapped[str] = mapped_column(
        ForeignKey("model.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    job_id: Mapped[str] = mapped_column(unique=True)
    fleet_id: Mapped[str]
    trial_id: Mapped[str]
    position: Mapped[int]
    path: Mapped[str]
    sha256: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    metrics: Mapped[Metrics] = mapped_column(default=dict)
    manifest: Mapped[Json] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ModelAlias(Base):
    """A name for a version, such as ``production``."""

    __tablename__ = "model_alias"

    model_id: Mapped[str] = mapped_column(
        ForeignKey("model.id", ondelete="CASCADE"), primary_key=True
    )
    alias: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    version: Mapped[int]


class PredictionJob(Base):
    """A data set that is scored by a version of a model: what its job does not say.

    The version is found by the model's id: another model may get its name meanwhile. The file that
    comes of it is the result of the job's fleet.
    """

    __tablename__ = "prediction"

    id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    """That of its job."""
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    model_id: Mapped[str]
    model_name: Mapped[str]
    version: Mapped[int]
    rows_total: Mapped[int] = mapped_column(BigInteger)
    rows_done: Mapped[int] = mapped_column(BigInteger, default=0)
    """Those of the parts that are stored."""
    part_rows: Mapped[int]
    """Rows of each part but the last."""
    metrics: Mapped[Metrics | None]
    """How good the answers are, where the data set has the target."""


class PredictionPart(Base):
    """A part of a prediction that is done: a whole, verified folder of files. ``sha256`` is that of
    its manifest. Those of a prediction that has ended go, files first.
    """

    __tablename__ = "prediction_part"

    prediction_id: Mapped[str] = mapped_column(
        ForeignKey("prediction.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0, in the order of the rows."""
    tenant: Mapped[str] = mapped_column(default=DEFAULT_TENANT)
    rows: Mapped[int]
    path: Mapped[str]
    sha256: Mapped[str]
