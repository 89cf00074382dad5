"""Pages of rows, newest first, continued after the last id of the page before."""

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from worker.errors import NotFoundError


class _Listed(Protocol):
    id: InstrumentedAttribute[str]
    created_at: InstrumentedAttribute[object]


@dataclass(frozen=True)
class Page[Row]:
    """Some rows, and whether more follow."""

    items: list[Row]
    has_more: bool
