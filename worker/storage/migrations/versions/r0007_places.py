"""What operations need: faults of the place, paused jobs, wishes of jobs, workers that are; and
what it takes to delete jobs and models.
"""

import sqlalchemy as sa
from alembic import op

from worker.storage.types import UtcDateTime

revision = "0007"
down_revision = "0006"
readable_from = "0006"
"""What is new is added with defaults, so that a process of the release before goes on writing."""

OF_A_JOB = {
    "fk_model_version_job_id_job": ("job_id", "job"),
    "fk_model_version_fleet_id_fleet": ("fleet_id", "fleet"),
    "fk_model_version_trial_id_trial": ("trial_id", "trial"),
}
"""What kept a version's job from being deleted before it."""


def upgrade() -> None:
    """Nothing waits for its place, nothing is paused, and no worker was seen so far."""
    # Without a batch, which would copy the table for SQLite, as in 0006.
    op.add_column("fleet", sa.Column("waiting_for", sa.String(), nullable=True))
    op.add_column(
        "fleet", sa.Column("place_faults", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("fleet", sa.Column("exact", sa.Boolean(), nullable=False, server_default="1"))
    op.add_column("fleet", sa.Column("device", sa.String(), nullable=True))
    op.add_column("fleet", sa.Column("rank", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(
        "ix_fleet_state_device_rank", "fleet", ["state", "device", "rank", "created_at"]
    )
    op.add_column(
        "job", sa.Column("pause_requested", sa.Boolean(), nullable=False, server_default="0")
    )
    op.add_column("job", sa.Column("device", sa.String(), nullable=True))
    op.add_column("job", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("fleet", sa.Column("curves", sa.LargeBinary(), nullable=True))
    op.add_column("job", sa.Column("retry_of", sa.String(), nullable=True))
    op.add_column("model", sa.Column("newest", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "catalogue_state", sa.Column("deleted", sa.BigInteger(), nullable=False, server_default="0")
    )
    # Nothing refers to this table, so that SQLite may copy it.
    with op.batch_alter_table("model_version") as versions:
        for name in OF_A_JOB:
            versions.drop_constraint(name, type_="foreignkey")
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
    )
    op.create_table(
        "increment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_increment"),
    )
    op.create_table(
        "schema_readable",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schema_readable"),
    )


def downgrade() -> None:
    """Take them away again, and with them the curves of ended jobs."""
    op.drop_table("schema_readable")
    op.drop_table("increment")
    op.drop_table("worker")
    with op.batch_alter_table("model_version") as versions:
        for name, (column, table) in OF_A_JOB.items():
            versions.create_foreign_key(name, table, [column], ["id"])
    op.drop_index("ix_fleet_state_device_rank", "fleet")
    for table, column in (
        ("catalogue_state", "deleted"),
        ("model", "newest"),
        ("job", "retry_of"),
        ("fleet", "curves"),
        ("job", "priority"),
        ("job", "device"),
        ("job", "pause_requested"),
        ("fleet", "rank"),
        ("fleet", "device"),
        ("fleet", "exact"),
        ("fleet", "place_faults"),
        ("fleet", "waiting_for"),
    ):
        op.drop_column(table, column)
