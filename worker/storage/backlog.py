"""What is to be done and what is being done: which fleets wait, and which run."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from worker.storage.states import State
from worker.storage.tables import Fleet
from worker.storage.types import utc_now


def due(session: Session, *, limit: int, now: datetime | None = None) -> list[str]:
    """Ids of the fleets that wait for a worker, the oldest first."""
    return list(
        session.scalars(
            select(Fleet.id)
            .where(
                Fleet.state == State.QUEUED,
                or_(Fleet.not_before.is_(None), Fleet.not_before <= (now or utc_now())),
            )
            .order_by(Fleet.created_at, Fleet.number)
            .limit(limit)
        )
    )


def waiting(
    session: Session, fleet_ids: Sequence[str], *, now: datetime | None = None
) -> list[str]:
    """Those of the fleets that could be claimed now, in the given order."""
    found = set(
        session.scalars(
            select(Fleet.id).where(
                Fleet.id.in_(fleet_ids),
                Fleet.state == State.QUEUED,
                or_(Fleet.not_before.is_(None), Fleet.not_before <= (now or utc_now())),
            )
        )
    )
    return [fleet_id for fleet_id in fleet_ids if fleet_id in found]


def running(session: Session) -> dict[str, tuple[int, int]]:
    """``{fleet: (token, hb_seq)}`` of what runs: an observer watches whether it moves."""
    rows = session.execute(
        select(Fleet.id, Fleet.token, Fleet.hb_seq).where(Fleet.state == State.RUNNING)
    )
    return {fleet_id: (token, hb_seq) for fleet_id, token, hb_seq in rows}
