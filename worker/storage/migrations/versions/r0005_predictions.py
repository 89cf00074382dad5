"""Predictions of stored data sets: jobs of another kind, what is their own, and their parts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables; all jobs that there are train."""
    with op.batch_alter_table("job") as table:
        table.add_column(sa.Column("kind", sa.String(), nullable=False, server_default="training"))
    op.create_index("ix_job_tenant_kind_created_at", "job", ["tenant", "kind", "created_at"])
    op.create_table(
        "prediction",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("part_rows", sa.Integer(), nullable=False),
        sa.Column("metrics", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["id"], ["job.id"], name="fk_prediction_id_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_prediction"),
    )
    op.create_table(
        "prediction_part",
        sa.Column("prediction_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["prediction.id"],
            name="fk_prediction_part_prediction_id_prediction",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("prediction_id", "number", name="pk_prediction_part"),
    )


def downgrade() -> None:
    """Drop them, and with them the jobs that are predictions."""
    op.drop_table("prediction_part")
    op.drop_table("prediction")
    op.execute("DELETE FROM job WHERE kind = 'prediction'")
    op.drop_index("ix_job_tenant_kind_created_at", table_name="job")
    with op.batch_alter_table("job") as table:
        table.drop_column("kind")
