"""Tenants have turns: where a fleet stands among its tenant's, and what each tenant had."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
readable_from = "0006"
"""What is new is added with defaults. A fleet of a process of the release before goes first, for it
has no ``turn``."""

SECONDS = ("turn", "estimated_seconds", "claimed")


def upgrade() -> None:
    """Nobody has had anything, and what waits keeps its order."""
    op.add_column("job", sa.Column("estimated_seconds", sa.Double(), nullable=True))
    for name in SECONDS:
        op.add_column("fleet", sa.Column(name, sa.Double(), nullable=False, server_default="0"))
    op.add_column("fleet", sa.Column("yields_to", sa.String(), nullable=True))
    op.drop_index("ix_fleet_state_device_rank", "fleet")
    op.create_index(
        "ix_fleet_turn", "fleet", ["state", "device", "tenant", "rank", "turn", "created_at"]
    )
    op.create_table(
        "tenant_use",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_tenant_use"),
    )


def downgrade() -> None:
    """Take it away: fleets are claimed by priority and age again."""
    op.drop_table("tenant_use")
    op.drop_index("ix_fleet_turn", "fleet")
    op.create_index(
        "ix_fleet_state_device_rank", "fleet", ["state", "device", "rank", "created_at"]
    )
    for name in ("yields_to", *reversed(SECONDS)):
        op.drop_column("fleet", name)
    op.drop_column("job", "estimated_seconds")
