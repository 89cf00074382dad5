"""Data sets know what was counted of them, so that jobs are checked without reading them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
readable_from = "0006"
"""A process of the release before adds data sets without it: it is counted at first use."""


def upgrade() -> None:
    """Nothing was counted of those that are there."""
    op.add_column("dataset", sa.Column("statistics", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("dataset", "statistics")
