"""Which schema the database has, and whether this release works on it.

SQLite belongs to one machine, and whoever opens it first migrates it. PostgreSQL is shared, by
processes of two releases while they are exchanged: there only ``parsimony migrate`` changes the
schema, and whatever else is started waits for that.

Each migration says from which schema on releases go on working after it (``readable_from``), and
the database keeps the newest of these. So a release works on a schema that is newer than its own,
as long as nothing that it needs was taken away: see docs/decisions/0028.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy import update as sql_update

from worker.errors import UnavailableError
from worker.storage.database import Database
from worker.storage.types import Base

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
READABLE = Table(
    "schema_readable",
    Base.metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("since", String, nullable=False),
)
"""One row: the oldest schema whose releases work on this database."""
VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), nullable=False))
"""Alembic's own: one row, the schema."""


@dataclass(frozen=True)
class SchemaState:
    """The schema of a database, beside the one that this release has."""

    current: str | None
    """None of an empty database."""
    needed: str
    is_newer: bool
    """Whether a newer release wrote it."""
    readable_from: str | None
    """The oldest schema whose releases work on it; none where that is not said."""
    is_shared: bool
    """Whether other machines may use the database."""

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """That of a database."""
        from worker.storage.migrations import needed

        head, known = needed()
        current, since = _only(connection, VERSION), _only(connection, READABLE)
        return cls(
            current,
            head,
            current is not None and current not in known,
            since,
            connection.dialect.name != "sqlite",
        )

    @property
    def fits(self) -> bool:
        """Whether this release works on it."""
        if self.is_newer:
            return self.readable_from is not None and self.readable_from <= self.needed
        return self.current == self.needed

    @property
    def sentence(self) -> str:
        """How it is, and what is to be done."""
        if self.current is None:
            return f"the database is empty, this release needs schema {self.needed}: {_MIGRATE}"
        has = f"the database has schema {self.current}"
        if not self.is_newer:
            if self.fits:
                return f"{has}, as this release needs"
            return f"{has}, this release needs {self.needed}: {_MIGRATE}"
        if self.fits:
            return f"{has} of a newer release; this one, of {self.needed}, works on it"
        elsewhere = "PARSIMONY_DATABASE_URL at another database"
        if not self.is_shared:
            elsewhere = "PARSIMONY_STATE at another folder"
        return (
            f"{has}, which a newer release wrote; this one, of {self.needed}, cannot use it: "
            f"install that release, or point {elsewhere}"
        )


_MIGRATE = "run `parsimony migrate` once"


def state_of(database: Database) -> SchemaState:
    """The schema of a database; nothing is changed."""
    with database.read() as session:
        return SchemaState.of(session.connection())


def make_ready(
    database: Database, *, patience: float = 0.0, pause: Callable[[float], None] = time.sleep
) -> None:
    """Have the schema that this release works on: migrate SQLite, wait for another process to
    migrate PostgreSQL.

    Raises:
        UnavailableError: it is not there in time, or a newer release wrote one that does not fit.
    """
    if database.is_sqlite:
        database.migrate()
        return
    deadline = time.monotonic() + patience
    logged = False
    while not (state := state_of(database)).fits:
        if state.is_newer or time.monotonic() >= deadline:
            code = "schema_too_new" if state.is_newer else "schema_not_migrated"
            raise UnavailableError(state.sentence, code=code)
        if not logged:
            logged = True
            logger.warning("%s; waiting up to %g s for it", state.sentence, patience)
        pause(POLL_SECONDS)


def rehearse(database: Database) -> list[str]:
    """The statements of a migration, which is done and undone in one transaction."""
    from worker.storage.migrations import upgrade

    statements: list[str] = []

    def note(
        connection: object, cursor: object, statement: str, parameters: object, *_: object
    ) -> None:
        statements.append(f"{statement.strip()};" + (f"  -- {parameters}" if parameters else ""))

    with database.write() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        upgrade(connection)
        session.rollback()
    return [line for line in statements if not line.startswith(_ASKING)]


_ASKING = ("SELECT", "PRAGMA", "WITH")


def _only(connection: Connection, table: Table) -> str | None:
    """What the last column of a table's only row holds; none without the table or the row."""
    if not inspect(connection).has_table(table.name):
        return None
    return connection.scalar(select(list(table.columns)[-1]))


def record_readable_from(connection: Connection, since: str) -> None:
    """Keep from which schema on releases work on this database."""
    if connection.execute(sql_update(READABLE).values(since=since)).rowcount == 0:
        connection.execute(insert(READABLE).values(id=1, since=since))
