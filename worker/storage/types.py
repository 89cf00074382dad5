"""What all tables share: column types, identifiers, clocks, and the base class that names them."""

import secrets
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Integer,
    MetaData,
    func,
    literal,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from worker.results import Advice, Appraisal, JobError, Metrics, NetworkReport, Understood, Winner
from worker.schema import Json
from worker.storage.documents import Document


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, kept in UTC: SQLite has no time zones, so they are added on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware instant into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("give an aware datetime, as from worker.storage.types.utc_now()")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """The present instant by this host's clock, aware, in UTC: for what is told, not compared."""
    return datetime.now(UTC)


def database_now(session: Session) -> ColumnElement[datetime]:
    """The present instant by the clock that all hosts share, as an expression.

    It is the PostgreSQL server's. A file of SQLite is used by one host, whose clock it is.
    """
    if session.get_bind().dialect.name == "postgresql":
        return func.clock_timestamp(type_=UtcDateTime())
    return literal(utc_now(), UtcDateTime())


def read_clock(session: Session) -> datetime:
    """The present instant by the clock that all hosts share."""
    return session.scalars(select(database_now(session))).one()


def new_id(prefix: str) -> str:
    """An unguessable identifier of 96 random bits: ``new_id("job")`` → ``job_5f0c…``."""
    return f"{prefix}_{secrets.token_hex(12)}"


class JsonRecord(Document):
    """A document whose value is typed in the core: a record, or a list of records.

    What earlier releases stored is read by the same types: see ``worker.schema.Stored``.
    """

    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Turn records into JSON."""
        plain = None if value is None else self._adapter.dump_python(value, mode="json")
        return super().process_bind_param(plain, dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Give back records."""
        plain = super().process_result_value(value, dialect)
        return None if plain is None else self._adapter.validate_python(plain)


# SQLite numbers rows by itself only in a column declared INTEGER.
Cursor = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Base of all tables; constraints are named so that migrations can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime(),
        Json: Document(),
        list[Json]: Document(),
        Metrics: Document(),
        JobError: JsonRecord(JobError),
        Winner: JsonRecord(Winner),
        Appraisal: JsonRecord(Appraisal),
        NetworkReport: JsonRecord(NetworkReport),
        list[Advice]: JsonRecord(list[Advice]),
        Understood: JsonRecord(Understood),
    }
