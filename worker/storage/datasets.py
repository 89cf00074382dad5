"""Uploaded data sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session, defer

from worker.caller import DEFAULT_TENANT
from worker.errors import ConflictError, NotFoundError
from worker.results import Advice, Understood
from worker.schema import Json
from worker.storage.page import Page, newest_first
from worker.storage.states import OPEN
from worker.storage.tables import Dataset, Job
from worker.storage.types import new_id


@dataclass(frozen=True)
class SourceFile:
    """The file as it was sent, where its artefact is already written."""

    path: str
    sha256: str
    bytes: int
    filename: str | None
    """The name that the sender gave it; its ending helps to tell its format."""
    reading: Json
    """What was said of it."""


def add_dataset(
    session: Session,
    *,
    name: str,
    target: str | None,
    rows: int,
    columns: Sequence[Json],
    format: str,  # noqa: A002  (the column's name)
    bytes: int,  # noqa: A002
    sha256: str,
    path: str,
    source: SourceFile | None = None,
    summary: Json | None = None,
    findings: Sequence[Advice] = (),
    understood: Understood | None = None,
    statistics: Json | None = None,
    tenant: str = DEFAULT_TENANT,
    dataset_id: str | None = None,
) -> Dataset:
    """Register a data set whose artefact is already written at ``path``."""
    dataset = Dataset(
        id=dataset_id or new_id("ds"),
        tenant=tenant,
        name=name,
        target=target,
        rows=rows,
        columns=list(columns),
        format=format,
        bytes=bytes,
        sha256=sha256,
        path=path,
        summary=summary,
        findings=list(findings),
        understood=understood,
        statistics=statistics,
        **(
            {}
            if source is None
            else {
                "reading": source.reading,
                "filename": source.filename,
                "source_path": source.path,
                "source_sha256": source.sha256,
                "source_bytes": source.bytes,
            }
        ),
    )
    session.add(dataset)
    session.flush()
    return dataset


def find_dataset(
    session: Session,
    dataset_id: str,
    *,
    tenant: str = DEFAULT_TENANT,
    lock: Literal["keep", "delete"] | None = None,
) -> Dataset:
    """The tenant's data set of this id; ``NotFoundError`` without one.

    Locked to ``keep`` it, it cannot be deleted before this transaction ends; any number may do so.
    """
    keep = lock == "keep"
    locking = None if lock is None else {"read": keep, "key_share": keep}
    dataset = session.get(Dataset, dataset_id, with_for_update=locking)
    if dataset is None or dataset.tenant != tenant:
        raise NotFoundError(
            f"there is no data set {dataset_id}; GET /v1/datasets lists yours", param="id"
        )
    return dataset


def present(session: Session, dataset_ids: Sequence[str]) -> set[str]:
    """Those of these data sets, of all tenants, that are there."""
    return set(session.scalars(select(Dataset.id).where(Dataset.id.in_(dataset_ids))))


def statistics_of(session: Session, dataset_id: str) -> Json | None:
    """What was counted of a data set; none of one of an earlier release, or that is gone."""
    return session.scalar(select(Dataset.statistics).where(Dataset.id == dataset_id))


def keep_statistics(session: Session, dataset_id: str, statistics: Json) -> None:
    """Keep what was counted of a data set, unless it is gone."""
    session.execute(update(Dataset).where(Dataset.id == dataset_id).values(statistics=statistics))


def dataset_page(
    session: Session, *, limit: int = 20, after: str | None = None, tenant: str = DEFAULT_TENANT
) -> Page[Dataset]:
    """The tenant's data sets, newest first. What their summaries stand for is not read."""
    query = select(Dataset).options(
        *map(defer, (Dataset.columns, Dataset.reading, Dataset.findings, Dataset.understood))
    )
    return newest_first(session, Dataset, query, tenant=tenant, limit=limit, after=after)


def delete(session: Session, dataset_id: str, *, tenant: str = DEFAULT_TENANT) -> Dataset:
    """Forget a data set; the caller deletes its artefact after the commit.

    Raises ``ConflictError`` while a job that has not ended needs it.
    """
    # Locked before jobs are looked for: one that is being accepted is waited for.
    dataset = find_dataset(session, dataset_id, tenant=tenant, lock="delete")
    user = session.scalar(
        select(Job.id).where(Job.dataset_id == dataset_id, Job.state.in_(OPEN)).limit(1)
    )
    if user is not None:
        raise ConflictError(
            f"data set {dataset_id} is in use by {user}; wait for that job, or cancel it",
            code="dataset_in_use",
            param="id",
        )
    session.delete(dataset)
    session.flush()
    return dataset
