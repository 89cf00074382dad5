"""Quotas: how much each tenant stores and runs, and how much it may.

What is refused is counted in the transaction that would add to it. Requests of the same moment do
not see each other: a tenant may go beyond by as many as it sends at once.
"""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.errors import QuotaError
from worker.shares import Shares, TenantLimits
from worker.storage.states import OPEN, State
from worker.storage.tables import Checkpoint, Dataset, Fleet, Job, ModelVersion

RETRY_SECONDS = 30
"""When a tenant may ask again whose queue is full."""


@dataclass(frozen=True)
class TenantUsage:
    """What a tenant has now."""

    running_fleets: int
    queued_jobs: int
    datasets: int
    stored_bytes: int


def usage(session: Session, tenant: str) -> TenantUsage:
    """What a tenant has now."""
    running = select(func.count()).where(Fleet.state == State.RUNNING, Fleet.tenant == tenant)
    return TenantUsage(
        running_fleets=session.scalar(running) or 0,
        queued_jobs=_queued_jobs(session, tenant),
        datasets=_datasets(session, tenant),
        stored_bytes=stored_bytes(session, tenant),
    )


def stored_bytes(session: Session, tenant: str) -> int:
    """Bytes of a tenant's data sets, as they are read and as they were sent; of the results of its
    jobs, which versions of models refer to; of versions whose job is gone; of checkpoints.
    """
    sums = (
        select(func.sum(Dataset.bytes + func.coalesce(Dataset.source_bytes, 0))).where(
            Dataset.tenant == tenant
        ),
        select(func.sum(Fleet.result_bytes)).where(
            Fleet.job_id.in_(select(Job.id).where(Job.tenant == tenant))
        ),
        select(func.sum(Job.ensemble_bytes)).where(Job.tenant == tenant),
        select(func.sum(ModelVersion.bytes)).where(
            ModelVersion.tenant == tenant,
            ~select(Job.id).where(Job.id == ModelVersion.job_id).exists(),
        ),
        select(func.sum(Checkpoint.bytes)).where(
            Checkpoint.job_id.in_(select(Job.id).where(Job.tenant == tenant, Job.state.in_(OPEN)))
        ),
    )
    return sum(int(session.scalar(each) or 0) for each in sums)


def admit_job(session: Session, tenant: str, shares: Shares) -> None:
    """Refuse a job of a tenant that has too much already; ``QuotaError``."""
    limits = shares.of(tenant)
    if limits.queued_jobs is not None:
        queued = _queued_jobs(session, tenant)
        if queued >= limits.queued_jobs:
            raise _refused(
                "queued_jobs",
                queued,
                limits,
                "jobs wait for a worker",
                "Wait until some have begun, or cancel some",
                seconds=RETRY_SECONDS,
            )
    _admit_bytes(session, tenant, limits, 0)


def admit_dataset(session: Session, tenant: str, shares: Shares, new_bytes: int = 0) -> None:
    """Refuse a data set of a tenant that has too much already, or would; ``QuotaError``."""
    limits = shares.of(tenant)
    if limits.datasets is not None:
        kept = _datasets(session, tenant)
        if kept >= limits.datasets:
            raise _refused("datasets", kept, limits, "data sets are kept", "Delete some")
    _admit_bytes(session, tenant, limits, new_bytes)


def _admit_bytes(session: Session, tenant: str, limits: TenantLimits, new_bytes: int) -> None:
    if limits.stored_bytes is None:
        return
    stored = stored_bytes(session, tenant)
    if stored + new_bytes > limits.stored_bytes or stored == limits.stored_bytes:
        fact = "bytes are stored"
        if new_bytes:
            fact += f", and this would be {new_bytes:,} more"
        remedy = "Delete data sets, jobs or versions of models that are not needed"
        raise _refused("stored_bytes", stored, limits, fact, remedy)


def _refused(
    measure: str,
    value: int,
    limits: TenantLimits,
    fact: str,
    remedy: str,
    seconds: int | None = None,
) -> QuotaError:
    limit = vars(limits)[measure]
    return QuotaError(
        f"{value:,} {fact}; this tenant may have {limit:,}. {remedy}; the limit is the service's "
        f"setting PARSIMONY_TENANT_{measure.upper()}, or this tenant's own in PARSIMONY_TENANTS.",
        measure=measure,
        value=value,
        limit=limit,
        seconds=seconds,
    )


def _queued_jobs(session: Session, tenant: str) -> int:
    queued = select(func.count()).where(Job.tenant == tenant, Job.state == State.QUEUED)
    return session.scalar(queued) or 0


def _datasets(session: Session, tenant: str) -> int:
    return session.scalar(select(func.count()).where(Dataset.tenant == tenant)) or 0
