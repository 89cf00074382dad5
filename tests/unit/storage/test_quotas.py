"""What a tenant may have of the place: counted, told, refused with the numbers."""

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from tests.rows import RESULT, accept, claimed, good
from worker.errors import QuotaError
from worker.shares import EQUAL, Shares, TenantLimits, TenantOverrides
from worker.storage import datasets, fleets, quotas
from worker.storage.database import Database

Admit = Callable[[Session, Shares], None]


def upload(session: Session, tenant: str, size: int) -> None:
    datasets.add_dataset(
        session,
        name="d",
        target=None,
        rows=1,
        columns=[],
        format="parquet",
        bytes=size,
        sha256="0" * 64,
        path="x",
        tenant=tenant,
    )


def test_what_a_tenant_has_is_counted(database: Database) -> None:
    with database.write() as session:
        upload(session, "a", 100)
        upload(session, "b", 5_000)
        accept(session, tenant="b")
        accept(session, tenant="a")
        _, (running,) = accept(session, tenant="a")
        _, (ended,) = accept(session, tenant="a")
        claimed(session, running.id)
        fleets.finish(session, claimed(session, ended.id), [good()], RESULT)
        assert quotas.usage(session, "a") == quotas.TenantUsage(
            running_fleets=1, queued_jobs=1, datasets=1, stored_bytes=100 + RESULT.bytes
        )
        assert quotas.usage(session, "nobody") == quotas.TenantUsage(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("limits", "admit", "value"),
    [
        (TenantLimits(queued_jobs=2), lambda s, shares: quotas.admit_job(s, "a", shares), 2),
        (TenantLimits(datasets=1), lambda s, shares: quotas.admit_dataset(s, "a", shares), 1),
        (
            TenantLimits(stored_bytes=119),
            lambda s, shares: quotas.admit_dataset(s, "a", shares, 20),
            100,
        ),
        (TenantLimits(stored_bytes=99), lambda s, shares: quotas.admit_job(s, "a", shares), 100),
    ],
    ids=["queued_jobs", "datasets", "stored_bytes", "stored_bytes of a job"],
)
def test_what_is_too_much_is_refused_with_the_numbers(
    database: Database, limits: TenantLimits, admit: Admit, value: int
) -> None:
    (measure,) = (name for name, limit in vars(limits).items() if limit and name != "weight")
    limit = vars(limits)[measure]
    with database.write() as session:
        upload(session, "a", 100)
        accept(session, tenant="a")
        accept(session, tenant="a")
        with pytest.raises(QuotaError) as refused:
            admit(session, Shares(limits))
        admit(session, EQUAL)
        admit(session, Shares(limits, {"a": TenantOverrides(**{measure: limit + 1_000})}))
    told = refused.value
    assert (told.extra["measure"], told.extra["value"], told.extra["limit"]) == (
        measure,
        value,
        limit,
    )
    assert f"PARSIMONY_TENANT_{measure.upper()}" in told.message
    assert (told.extra["seconds"] is not None) == (measure == "queued_jobs")
