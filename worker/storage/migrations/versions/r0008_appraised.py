"""Jobs are appraised as they end: what can be said of their networks together, and the file of an
ensemble of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
readable_from = "0006"
"""What is new is empty of jobs that a process of the release before ends."""


def upgrade() -> None:
    """No job was appraised so far."""
    op.add_column("job", sa.Column("appraisal", sa.JSON(), nullable=True))
    op.add_column("job", sa.Column("ensemble_path", sa.String(), nullable=True))
    op.add_column("job", sa.Column("ensemble_sha256", sa.String(), nullable=True))
    op.add_column("job", sa.Column("ensemble_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take it away."""
    for name in ("ensemble_bytes", "ensemble_sha256", "ensemble_path", "appraisal"):
        op.drop_column("job", name)
