"""The catalogue's revision, and models that were taken out of service."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Number the changes from here on; all models are in service."""
    state = op.create_table(
        "catalogue_state",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalogue_state"),
    )
    op.bulk_insert(state, [{"id": 1, "revision": 0}])
    # Without a batch, which would copy the table for SQLite: to drop the old one is to delete its
    # versions and aliases with it.
    op.add_column(
        "model", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("model", sa.Column("unloaded", sa.Boolean(), nullable=False, server_default="0"))
    op.create_index("ix_model_revision", "model", ["revision"])


def downgrade() -> None:
    """Take them away again."""
    op.drop_index("ix_model_revision", "model")
    op.drop_column("model", "unloaded")
    op.drop_column("model", "revision")
    op.drop_table("catalogue_state")
