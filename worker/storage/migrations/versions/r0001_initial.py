"""The first schema: data sets, jobs, fleets, trials, their metrics and events, models."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

JSON = sa.JSON(none_as_null=True)
INSTANT = sa.DateTime(timezone=True)
CURSOR = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "dataset",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("columns", JSON, nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dataset"),
    )
    op.create_index("ix_dataset_tenant_created_at", "dataset", ["tenant", "created_at"])
    op.create_table(
        "job",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("spec", JSON, nullable=False),
        sa.Column("dataset_id", sa.String(), nullable=True),
        sa.Column("advice", JSON, nullable=False),
        sa.Column("error", JSON, nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("model_name", sa.String(), nullable=True),
        sa.Column("model_version", sa.Integer(), nullable=True),
        sa.Column("trials_total", sa.Integer(), nullable=False),
        sa.Column("trials_finished", sa.Integer(), nullable=False),
        sa.Column("trials_failed", sa.Integer(), nullable=False),
        sa.Column("best", JSON, nullable=True),
        sa.Column("objective", sa.String(), nullable=False),
        sa.Column("maximize", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index("ix_job_dataset_id", "job", ["dataset_id"])
    op.create_index("ix_job_tenant_created_at", "job", ["tenant", "created_at"])
    op.create_index("ix_job_tenant_state", "job", ["tenant", "state"])
    op.create_table(
        "model",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model"),
        sa.UniqueConstraint("tenant", "name", name="uq_model_tenant_name"),
    )
    op.create_table(
        "event",
        sa.Column("id", CURSOR, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="fk_event_job_id_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_job_id_id", "event", ["job_id", "id"])
    op.create_table(
        "fleet",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("hb_seq", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stalled_attempts", sa.Integer(), nullable=False),
        sa.Column("progress_epoch", sa.Integer(), nullable=False),
        sa.Column("checkpoint_id", sa.String(), nullable=True),
        sa.Column("not_before", INSTANT, nullable=True),
        sa.Column("first_step_at", INSTANT, nullable=True),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("result_path", sa.String(), nullable=True),
        sa.Column("result_sha256", sa.String(), nullable=True),
        sa.Column("result_bytes", sa.BigInteger(), nullable=True),
        sa.Column("error", JSON, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="fk_fleet_job_id_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fleet"),
        sa.UniqueConstraint("job_id", "number", name="uq_fleet_job_id_number"),
    )
    op.create_index("ix_fleet_state_created_at", "fleet", ["state", "created_at"])
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("body_sha256", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="fk_idempotency_job_id_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant", "key", name="pk_idempotency"),
    )
    op.create_table(
        "model_alias",
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name="fk_model_alias_model_id_model", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "alias", name="pk_model_alias"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("fleet_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["fleet_id"], ["fleet.id"], name="fk_checkpoint_fleet_id_fleet", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="fk_checkpoint_job_id_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoint"),
    )
    op.create_index("ix_checkpoint_fleet_id_created_at", "checkpoint", ["fleet_id", "created_at"])
    op.create_index("ix_checkpoint_job_id", "checkpoint", ["job_id"])
    op.create_table(
        "epoch_metrics",
        sa.Column("fleet_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("values", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["fleet_id"], ["fleet.id"], name="fk_epoch_metrics_fleet_id_fleet", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fleet_id", "epoch", name="pk_epoch_metrics"),
    )
    op.create_table(
        "trial",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("fleet_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("fold", sa.Integer(), nullable=True),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("metrics", JSON, nullable=False),
        sa.Column("report", JSON, nullable=True),
        sa.Column("advice", JSON, nullable=False),
        sa.Column("error", JSON, nullable=True),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("best_epoch", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["fleet_id"], ["fleet.id"], name="fk_trial_fleet_id_fleet", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="fk_trial_job_id_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_trial"),
        sa.UniqueConstraint("fleet_id", "position", name="uq_trial_fleet_id_position"),
    )
    op.create_index("ix_trial_job_id_configuration", "trial", ["job_id", "configuration"])
    op.create_table(
        "model_version",
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("fleet_id", sa.String(), nullable=False),
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("metrics", JSON, nullable=False),
        sa.Column("manifest", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["fleet_id"], ["fleet.id"], name="fk_model_version_fleet_id_fleet"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_model_version_job_id_job"),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name="fk_model_version_model_id_model", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_model_version_trial_id_trial"),
        sa.PrimaryKeyConstraint("model_id", "version", name="pk_model_version"),
        sa.UniqueConstraint("job_id", name="uq_model_version_job_id"),
    )


def downgrade() -> None:
    """Drop all tables."""
    op.drop_table("model_version")
    op.drop_index("ix_trial_job_id_configuration", table_name="trial")
    op.drop_table("trial")
    op.drop_table("epoch_metrics")
    op.drop_index("ix_checkpoint_job_id", table_name="checkpoint")
    op.drop_index("ix_checkpoint_fleet_id_created_at", table_name="checkpoint")
    op.drop_table("checkpoint")
    op.drop_table("model_alias")
    op.drop_table("idempotency")
    op.drop_index("ix_fleet_state_created_at", table_name="fleet")
    op.drop_table("fleet")
    op.drop_index("ix_event_job_id_id", table_name="event")
    op.drop_table("event")
    op.drop_table("model")
    op.drop_index("ix_job_tenant_state", table_name="job")
    op.drop_index("ix_job_tenant_created_at", table_name="job")
    op.drop_index("ix_job_dataset_id", table_name="job")
    op.drop_table("job")
    op.drop_index("ix_dataset_tenant_created_at", table_name="dataset")
    op.drop_table("dataset")
