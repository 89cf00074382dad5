"""The tables of who may ask, and of who did: keys and the audit. Nobody owns a row of them."""

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from worker.storage.base import Base, Cursor
from worker.storage.types import utc_now


class ApiKey(Base):
    """A key of the HTTP service: what recognizes it, never what it is."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    name: Mapped[str | None]
    """A label for people."""
    sha256: Mapped[str]
    """Of the whole key. It has 256 random bits, so that neither salt nor slowness would add."""
    scopes: Mapped[str]
    """In one order, with spaces between."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class KeyState(Base):
    """One row: how often keys were made or revoked. Who has seen it has seen all keys."""

    __tablename__ = "key_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)


class AuditEntry(Base):
    """Who did what: a line that is written once and never changed."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_tenant_id", "tenant", "id"),
        Index("ix_audit_at", "at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Cursor, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    tenant: Mapped[str]
    key_id: Mapped[str | None]
    """None of what was done on this machine without a key."""
    action: Mapped[str]
    """The operation's name, as the OpenAPI document has it; of a command, `cli.` and its name."""
    resource: Mapped[str | None]
    """What it was done to: an id, or a model's name."""
    outcome: Mapped[str]
    """`done`, or the code of the error."""
    request_id: Mapped[str | None]
