"""Data sets: the file as it was sent, how it was to be read, what was found and understood. Jobs:
what was understood.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

DATASET = (
    ("reading", sa.JSON(none_as_null=True)),
    ("filename", sa.String()),
    ("source_path", sa.String()),
    ("source_sha256", sa.String()),
    ("source_bytes", sa.BigInteger()),
    ("summary", sa.JSON(none_as_null=True)),
    ("findings", sa.JSON(none_as_null=True)),
    ("understood", sa.JSON(none_as_null=True)),
)
JOB = ("understood", "summary")


def upgrade() -> None:
    """Add the columns; of what there is, the file was not kept, and nobody asked."""
    with op.batch_alter_table("dataset") as table:
        for name, kind in DATASET:
            table.add_column(sa.Column(name, kind, nullable=True))
    with op.batch_alter_table("job") as table:
        for name in JOB:
            table.add_column(sa.Column(name, sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take them away again."""
    with op.batch_alter_table("job") as table:
        for name in reversed(JOB):
            table.drop_column(name)
    with op.batch_alter_table("dataset") as table:
        for name, _ in reversed(DATASET):
            table.drop_column(name)
