"""The log of a job: what happened, in order. Polls, streams and webhooks read it."""

from pydantic_core import to_jsonable_python
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.caller import DEFAULT_TENANT
from worker.schema import Json
from worker.storage import counters
from worker.storage.page import Page
from worker.storage.tables import Event, Job


def append(
    session: Session,
    job: Job,
    kind: str,
    message: str,
    *,
    level: str = "info",
    data: Json | None = None,
) -> Event:
    """Add one line of type ``kind``; records in ``data`` are written as JSON.

    The caller holds the job's row, so that a job's ids grow in the order of the commits.
    """
    event = Event(
        tenant=job.tenant,
        job_id=job.id,
        level=level,
        type=kind,
        message=message,
        data=to_jsonable_python(data or {}),
    )
    session.add(event)
    counters.add(session, counters.EVENT + kind)
    return event


def event_page(
    session: Session,
    job_id: str,
    *,
    after: int = 0,
    limit: int = 100,
    tenant: str = DEFAULT_TENANT,
) -> Page[Event]:
    """The job's events with an id above ``after``, oldest first."""
    query = (
        select(Event)
        .where(Event.job_id == job_id, Event.tenant == tenant, Event.id > after)
        .order_by(Event.id)
        .limit(limit + 1)
    )
    rows = list(session.scalars(query))
    return Page(items=rows[:limit], has_more=len(rows) > limit)


def last_logged(session: Session) -> int:
    """The id of the newest line of any job's log; 0 before the first."""
    return session.scalar(select(func.max(Event.id))) or 0


def logged_after(session: Session, after: int, *, limit: int) -> list[Event]:
    """The lines of all jobs, of any tenant, with an id above ``after``, oldest first."""
    return list(
        session.scalars(select(Event).where(Event.id > after).order_by(Event.id).limit(limit))
    )
