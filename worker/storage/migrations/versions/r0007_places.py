"""What operations need: faults of the place, paused jobs, wishes of jobs, workers that are."""

import sqlalchemy as sa
from alembic import op

from worker.storage.types import UtcDateTime

revision = "0007"
down_revision = "0006"
readable_from = "0006"
"""What is new is added with defaults, so that a process of the release before goes on writing."""


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
        "schema_readable",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schema_readable"),
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("schema_readable")
    op.drop_table("worker")
    op.drop_index("ix_fleet_state_device_rank", "fleet")
    for table, column in (
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
