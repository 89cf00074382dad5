"""The database: SQLite beside the service, or PostgreSQL, by the same code."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import orjson
from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from worker.errors import UnavailableError
from worker.storage.limits import MIGRATION, WORKER, CircuitBreaker, Deadlines, Limits, unavailable
from worker.storage.sqlite_file import SqliteFile

SAFE_SQLITE = (3, 51, 3)
"""Earlier versions may corrupt a WAL database that several connections write."""
CONNECT_MILLISECONDS = 1000
"""How long a new connection of SQLite may wait, which looks into the file."""
LOCK_NOT_AVAILABLE = "55P03"
POSTGRESQL = "postgresql+psycopg"
CACHED_KIB = 128
"""Pages of SQLite that each connection keeps, in KiB."""


def sqlite_module() -> ModuleType:
    """The newest SQLite at hand: the interpreter's own if it is safe, else the bundled one."""
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return sqlite3
    try:
        import pysqlite3
    except ImportError:
        return sqlite3
    module: ModuleType = pysqlite3
    return module


def sqlite_version() -> tuple[int, ...]:
    """Version of the SQLite in use."""
    return tuple(int(part) for part in sqlite_module().sqlite_version.split("."))


class LockedError(UnavailableError):
    """Another transaction holds what this one needs, for longer than it waits: a row, or a file of
    SQLite.
    """


class Database:
    """Sessions on one database.

    ``write`` is one transaction, committed at its end and rolled back by an exception; under SQLite
    it takes the write lock at once (``BEGIN IMMEDIATE``), so that no transaction fails half-way.
    ``read`` sees one consistent state and writes nothing. A database that cannot be reached, or
    does not answer within its ``limits``, raises ``UnavailableError``.

    Both take a limit in seconds of the whole transaction, ``within``, which is kept by this process
    alone, and another limit of each ``statement`` than usual. A statement that reads must begin to
    answer within the usual one all the same.
    """

    def __init__(self, url: str, limits: Limits = WORKER) -> None:
        parsed = _with_driver(make_url(url))
        self.url = url
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._deadlines = Deadlines(limits)
        self._outage = CircuitBreaker(limits.pause)
        self.engine: Engine = create_engine(
            parsed,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            pool_size=limits.kept,
            max_overflow=limits.connections - limits.kept,
            pool_timeout=limits.contact,
            pool_pre_ping=not self.is_sqlite,
            module=sqlite_module() if self.is_sqlite else None,
            connect_args={"check_same_thread": False} if self.is_sqlite else {},
        )
        if not self.is_sqlite:
            # Before SQLAlchemy's own look at the connection, which fails at another encoding.
            event.listen(self.engine, "connect", _check_encoding, insert=True)
        if self.is_sqlite:
            self._file = SqliteFile(parsed.database)
            event.listen(self.engine, "connect", _on_sqlite_connect)
            event.listen(self.engine, "connect", self._file.opened)
            event.listen(self.engine, "do_connect", self._file.check)
            event.listen(self.engine, "begin", self._on_sqlite_begin)
        else:
            self._connect_within_limits(limits)
        self._writers = sessionmaker(
            self.engine.execution_options(parsimony_writes=True), expire_on_commit=False
        )
        self._readers = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def write(
        self, *, within: float | None = None, statement: float | None = None
    ) -> Iterator[Session]:
        """One transaction that may write."""
        with self._limited(within, statement), self._writers.begin() as session:
            with self._outage.asking():
                self._reach(session)
            if statement is not None:
                self._set(session, statement_timeout=statement)
            yield session

    @contextmanager
    def read(
        self, *, within: float | None = None, statement: float | None = None
    ) -> Iterator[Session]:
        """One transaction that reads. What it loaded may be used afterwards."""
        with self._limited(within, None), self._readers() as session:
            # Who reads a file of SQLite waits for nobody.
            with nullcontext() if self.is_sqlite else self._outage.asking():
                self._reach(session)
            if statement is not None:
                # What is read at length is computed with in between, and holds no lock.
                idle = {"idle_in_transaction_session_timeout": statement}
                self._set(session, statement_timeout=statement, **idle)
            yield session

    def expect_write(self) -> None:
        """Before work that is in vain unless it is stored: ``UnavailableError`` in an outage."""
        self._outage.check()

    def migrate(self) -> None:
        """Bring the schema to this release's; refuse one that a newer release wrote."""
        from worker.storage.migrations import upgrade

        patient = Database(self.url, MIGRATION)
        try:
            with patient.write() as session:
                upgrade(session.connection())
        finally:
            patient.close()

    def close(self) -> None:
        """Give up all pooled connections."""
        self.engine.dispose()

    def _reach(self, session: Session) -> None:
        """Have a connection at hand, with a transaction begun on it."""
        with self._deadlines.contact():
            session.connection()

    def _set(self, session: Session, **limits: float) -> None:
        """Other limits of the server than usual, in seconds, until the transaction ends."""
        if not self.is_sqlite:
            changes = (
                func.set_config(name, f"{round(1000 * s)}", True) for name, s in limits.items()
            )
            session.execute(select(*changes))

    @contextmanager
    def _limited(self, within: float | None, statement: float | None) -> Iterator[None]:
        """A transaction within its limits, whose faults of the place are ``UnavailableError``."""
        try:
            with self._deadlines.transaction(within, statement):
                yield
        except PoolTimeout as error:
            raise unavailable("all its connections are in use") from error
        except OperationalError as error:
            reason = _first_line(error)
            file_is_locked = self.is_sqlite and "locked" in reason
            if file_is_locked or isinstance(error.orig, TimeoutError):
                self._outage.begin(reason)  # for all that write, or for all
            is_locked = file_is_locked or _code(error) == LOCK_NOT_AVAILABLE
            raise unavailable(reason, LockedError if is_locked else UnavailableError) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise unavailable(_first_line(error)) from error
            raise

    def _connect_within_limits(self, limits: Limits) -> None:
        from worker.storage import postgresql  # its driver is not needed elsewhere

        ours = postgresql.options(limits)

        def connect(
            dialect: Dialect, record: Any, arguments: list[Any], named: dict[str, Any]
        ) -> postgresql.LimitedConnection:
            # What the URL says comes last, and so counts.
            wanted = " ".join(filter(None, (ours["options"], named.get("options"))))
            together = {**ours, **named, "options": wanted}
            return postgresql.connect(self._deadlines, *arguments, **together)

        event.listen(self.engine, "do_connect", connect)

    def _on_sqlite_begin(self, connection: Connection) -> None:
        self._file.check()
        if connection.get_execution_options().get("parsimony_writes", False):
            milliseconds = self._deadlines.lock_milliseconds()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")


def _with_driver(url: URL) -> URL:
    """The same URL with our driver of PostgreSQL, where it names none.

    Raises:
        UnavailableError: it is PostgreSQL's, and the driver is not installed.
    """
    if url.get_backend_name() != "postgresql":
        return url
    if find_spec("psycopg") is None:
        raise UnavailableError(
            "database_url is PostgreSQL's, and its driver psycopg is not installed: "
            "pip install 'parsimony[postgresql]', or pip install 'psycopg[binary]'",
            code="no_driver",
        )
    return url.set(drivername=POSTGRESQL) if url.drivername == "postgresql" else url


def _on_sqlite_connect(connection: Any, record: Any) -> None:
    # The driver would open transactions by itself, always deferred; _on_sqlite_begin does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {CONNECT_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL, because NORMAL may roll back the last committed transactions when the power fails.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    # By default each of the connections comes to hold 2 MB of the pages, which the
    # operating system holds already: what grew with the number of jobs (docs/reliability.md).
    cursor.execute(f"PRAGMA cache_size = -{CACHED_KIB}")
    cursor.close()


def _code(error: DBAPIError) -> str | None:
    """PostgreSQL's code of an error."""
    return getattr(error.orig, "sqlstate", None)


def _check_encoding(connection: Any, record: Any) -> None:
    """Refuse a PostgreSQL database that cannot keep every text."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnavailableError(
            f"the database's encoding is {encoding}, and it must be UTF8: make another one by "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            code="database_encoding",
        )


def without_sql(error: BaseException) -> str:
    """An error in one line that may be shown to clients: its class, and what it says.

    Of a database's error that is the driver's first line: SQLAlchemy's own text holds the statement
    with its parameters, and the driver's next lines hold values.
    """
    text = str(error)
    if isinstance(error, StatementError):
        text = _first_line(error)
    return f"{type(error).__name__}: {text}"


def _first_line(error: StatementError) -> str:
    return str(error.orig).partition("\n")[0]
