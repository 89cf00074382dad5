"""Searches: how far a job is planned, what its trials change, and their place by the objective."""

import math

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Add the columns and their indexes, and place the trials that there are."""
    with op.batch_alter_table("job") as table:
        table.add_column(
            sa.Column("trials_planned", sa.Integer(), nullable=False, server_default="0")
        )
    with op.batch_alter_table("trial") as table:
        table.add_column(sa.Column("overrides", JSON, nullable=True))
        table.add_column(sa.Column("halved_at", sa.Integer(), nullable=True))
        table.add_column(sa.Column("standing", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("score", sa.Double(), nullable=False, server_default="1.7e308"))
    op.create_index(
        "ix_trial_job_id_standing", "trial", ["job_id", "standing", "score", "configuration"]
    )
    op.create_index("ix_trial_job_id_state", "trial", ["job_id", "state"])
    op.execute("UPDATE job SET trials_planned = trials_total")
    _place()


def _place() -> None:
    job = sa.table("job", sa.column("id"), sa.column("objective"), sa.column("maximize"))
    trial = sa.table(
        "trial",
        sa.column("id"),
        sa.column("job_id"),
        sa.column("state"),
        sa.column("metrics", JSON),
        sa.column("settings", JSON),
        sa.column("standing"),
        sa.column("score"),
    )
    connection = op.get_bind()
    rows = connection.execute(
        sa.select(
            trial.c.id,
            trial.c.state,
            trial.c.metrics,
            trial.c.settings,
            job.c.objective,
            job.c.maximize,
        ).join(job, job.c.id == trial.c.job_id)
    ).all()
    for row in rows:
        value = row.metrics.get(row.objective) if row.state == "succeeded" else None
        standing, score = (0 if row.settings.get("without") is None else 2), 1.7e308
        if isinstance(value, int | float) and math.isfinite(value):
            score = -float(value) if row.maximize else float(value)
        else:
            standing += 1
        connection.execute(
            trial.update().where(trial.c.id == row.id).values(standing=standing, score=score)
        )


def downgrade() -> None:
    """Take them away again."""
    op.drop_index("ix_trial_job_id_state", table_name="trial")
    op.drop_index("ix_trial_job_id_standing", table_name="trial")
    with op.batch_alter_table("trial") as table:
        table.drop_column("score")
        table.drop_column("standing")
        table.drop_column("halved_at")
        table.drop_column("overrides")
    with op.batch_alter_table("job") as table:
        table.drop_column("trials_planned")
