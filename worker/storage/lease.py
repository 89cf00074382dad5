"""A lease: the right to write for one fleet, until another token is given out.

Every write of a worker goes through :func:`hold`, which takes the job's row first and then asks for
the fleet with this token, still running. The order (job, then fleet) is the same everywhere, so
that PostgreSQL finds no deadlock.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.storage.states import State
from worker.storage.tables import Fleet, Job


class StaleToken(ConflictError):  # noqa: N818  (says what happened)
    """The fleet was taken back, ended or cancelled: this worker must stop, and changed nothing."""

    code = "stale_token"


@dataclass(frozen=True)
class Lease:
    """A claimed fleet and the fencing token of the claim."""

    fleet_id: str
    job_id: str
    token: int
    attempt: int = 1


def hold(session: Session, lease: Lease) -> tuple[Job, Fleet]:
    """The job and the fleet, locked; ``StaleToken`` when the lease is no longer current."""
    job = session.scalar(select(Job).where(Job.id == lease.job_id).with_for_update())
    fleet = session.scalar(
        select(Fleet)
        .where(
            Fleet.id == lease.fleet_id,
            Fleet.job_id == lease.job_id,
            Fleet.token == lease.token,
            Fleet.state == State.RUNNING,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if job is None or fleet is None:
        raise stale(lease)
    return job, fleet


def stale(lease: Lease) -> StaleToken:
    """The error that says so."""
    return StaleToken(
        f"token {lease.token} of fleet {lease.fleet_id} is no longer current: "
        "the fleet was taken back, ended or cancelled"
    )
