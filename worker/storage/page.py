"""Pages of rows, newest first, continued after the last id of the page before."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import Session

from worker.errors import NotFoundError
from worker.storage.tables import Dataset, Job, Model

Row = TypeVar("Row")
Listed = TypeVar("Listed", Dataset, Job, Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and whether more follow."""

    items: list[Row]
    has_more: bool


def newest_first(
    session: Session,
    table: type[Listed],
    query: Select[Listed],
    *,
    tenant: str,
    limit: int,
    after: str | None,
) -> Page[Listed]:
    """The ``limit`` rows of the query that follow the row with id ``after``.

    Raises ``NotFoundError`` (param ``after``) when the tenant has no such row.
    """
    query = query.where(table.tenant == tenant)
    if after is not None:
        last = session.get(table, after)
        if last is None or last.tenant != tenant:
            raise NotFoundError(
                f"after: there is no {after}; give the id of the last item of the page before",
                param="after",
            )
        query = query.where(tuple_(table.created_at, table.id) < tuple_(last.created_at, last.id))
    query = query.order_by(table.created_at.desc(), table.id.desc()).limit(limit + 1)
    rows = list(session.scalars(query))
    return Page(items=rows[:limit], has_more=len(rows) > limit)
