"""The header ``Idempotency-Key``: a request that is sent twice makes one job, of any kind."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from worker.caller import DEFAULT_TENANT
from worker.errors import ConflictError
from worker.storage import jobs
from worker.storage.states import Kind
from worker.storage.tables import Job
from worker.storage.types import Base, utc_now


class Idempotency(Base):
    """Which job a key of the header ``Idempotency-Key`` made, and from which body."""

    __tablename__ = "idempotency"

    tenant: Mapped[str] = mapped_column(primary_key=True, default=DEFAULT_TENANT)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[str]
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class KeyReused(ConflictError):  # noqa: N818  (says what happened)
    """The key was given before, with another body."""

    code = "idempotency_key_reused"


def find(
    session: Session,
    key: str,
    body_sha256: str,
    *,
    kind: Kind = Kind.TRAINING,
    tenant: str = DEFAULT_TENANT,
) -> Job | None:
    """The job that this key made, if any; ``KeyReused`` when its body was another one.

    The hash of a body depends on the kind of the job, so that one key makes no two kinds.
    """
    row = session.get(Idempotency, (tenant, key))
    if row is None:
        return None
    if row.body_sha256 != body_sha256:
        raise KeyReused(
            "this Idempotency-Key was used for another body; give each new request its own key",
            param="Idempotency-Key",
        )
    return jobs.find_job(session, row.job_id, kind=kind, tenant=tenant)


def remember(
    session: Session, key: str, body_sha256: str, job_id: str, *, tenant: str = DEFAULT_TENANT
) -> None:
    """Bind the key to the job, in the transaction that creates the job."""
    session.add(Idempotency(tenant=tenant, key=key, body_sha256=body_sha256, job_id=job_id))
    session.flush()
