"""Tenants have turns: where a fleet stands among its tenant's, and what each tenant had. And they
are told of the ends of their jobs.
"""

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
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("events", sa.String(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("given_up", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("held_until", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
    )
    op.create_index("ix_webhook_tenant", "webhook", ["tenant"])
    op.create_table(
        "webhook_delivery",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhook.id"],
            name="fk_webhook_delivery_webhook_id_webhook",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
    )
    op.create_index("ix_webhook_delivery_webhook_id_id", "webhook_delivery", ["webhook_id", "id"])


def downgrade() -> None:
    """Take it away: fleets are claimed by priority and age again."""
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
    op.drop_table("tenant_use")
    op.drop_index("ix_fleet_turn", "fleet")
    op.create_index(
        "ix_fleet_state_device_rank", "fleet", ["state", "device", "rank", "created_at"]
    )
    for name in ("yields_to", *reversed(SECONDS)):
        op.drop_column("fleet", name)
    op.drop_column("job", "estimated_seconds")
