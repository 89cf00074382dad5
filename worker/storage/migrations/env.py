"""Read by Alembic: runs the migrations on the connection that ``upgrade`` opened."""

from alembic import context

from worker.storage import audit, idempotency, keys, tables, turns, webhooks
from worker.storage.types import Base

DEFINED = (audit, idempotency, keys, tables, turns, webhooks)
"""The modules whose tables the metadata then has."""

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
