"""The audit log: who did what. Lines are added, read, and removed by age; none is ever changed."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Index, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worker.caller import Caller
from worker.storage.page import Page
from worker.storage.types import Base, Cursor, utc_now
from worker.text import shortened

DONE = "done"
"""The outcome of what was done; else it is the code of the error."""
LONGEST = 200
"""Characters of a resource: names that are not there may be as long as a URL."""
AT_ONCE = 1_000


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


def add_line(
    session: Session,
    caller: Caller,
    action: str,
    resource: str | None,
    outcome: str = DONE,
    *,
    request_id: str | None = None,
) -> AuditEntry:
    """Write a line."""
    entry = AuditEntry(
        tenant=caller.tenant,
        key_id=caller.key_id,
        action=action,
        resource=None if resource is None else shortened(resource, LONGEST),
        outcome=outcome,
        request_id=request_id,
    )
    session.add(entry)
    return entry


def audit_page(
    session: Session, *, tenant: str, after: int = 0, limit: int = 100
) -> Page[AuditEntry]:
    """The tenant's lines with an id above ``after``, oldest first."""
    query = (
        select(AuditEntry)
        .where(AuditEntry.tenant == tenant, AuditEntry.id > after)
        .order_by(AuditEntry.id)
        .limit(limit + 1)
    )
    rows = list(session.scalars(query))
    return Page(items=rows[:limit], has_more=len(rows) > limit)


def audit_lines(
    session: Session, *, tenant: str | None = None, since: datetime | None = None
) -> Iterator[AuditEntry]:
    """All lines, oldest first; of one tenant, or from an instant on, if given."""
    after = 0
    while True:
        query = select(AuditEntry).where(AuditEntry.id > after)
        if tenant is not None:
            query = query.where(AuditEntry.tenant == tenant)
        if since is not None:
            query = query.where(AuditEntry.at >= since)
        rows = list(session.scalars(query.order_by(AuditEntry.id).limit(AT_ONCE)))
        yield from rows
        if len(rows) < AT_ONCE:
            return
        after = rows[-1].id


def old_lines(session: Session, instant: datetime) -> int:
    """How many lines are older than an instant."""
    return session.scalar(select(func.count()).where(AuditEntry.at < instant)) or 0


def forget_lines(session: Session, instant: datetime) -> int:
    """Remove the lines that are older than an instant; how many there were."""
    gone = delete(AuditEntry).where(AuditEntry.at < instant)
    return len(session.scalars(gone.returning(AuditEntry.id)).all())
