"""Jobs: what was posted, beside the complete specification."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; of jobs that there are, nobody knows what was left to defaults."""
    with op.batch_alter_table("job") as table:
        table.add_column(sa.Column("posted", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take it away again."""
    with op.batch_alter_table("job") as table:
        table.drop_column("posted")
