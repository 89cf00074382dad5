"""The database: SQLite beside the service, or PostgreSQL, by the same code."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlalchemy.orm import Session, sessionmaker

from worker.errors import UnavailableError

SAFE_SQLITE = (3, 51, 3)
"""Earlier versions may corrupt a WAL database that several connections write."""
BUSY_MILLISECONDS = 5000


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


class Database:
    """Sessions on one database.

    ``write`` is one transaction, committed at its end and rolled back by an exception; under SQLite
    it takes the write lock at once (``BEGIN IMMEDIATE``), so that no transaction fails half-way.
    ``read`` sees one consistent state and writes nothing. A database that cannot be reached raises
    ``UnavailableError``.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.url = url
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        options: dict[str, Any] = {
            "json_serializer": lambda value: orjson.dumps(value).decode(),
            "json_deserializer": orjson.loads,
        }
        if self.is_sqlite:
            options["module"] = sqlite_module()
            options["connect_args"] = {"check_same_thread": False}
        else:
            options["pool_pre_ping"] = True
        self.engine: Engine = create_engine(parsed, **options)
        if not self.is_sqlite:
            # Before SQLAlchemy's own look at the connection, which fails at another encoding.
            event.listen(self.engine, "connect", _check_encoding, insert=True)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _on_sqlite_connect)
            event.listen(self.engine, "begin", _on_sqlite_begin)
        self._writers = sessionmaker(
            self.engine.execution_options(parsimony_writes=True), expire_on_commit=False
        )
        self._readers = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that may write."""
        with _reachable(), self._writers.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One transaction that reads. What it loaded may be used afterwards."""
        with _reachable(), self._readers() as session:
            yield session

    def migrate(self) -> None:
        """Bring the schema to this release's; refuse one that a newer release wrote."""
        from worker.storage.migrations import upgrade

        with (
            _reachable(),
            self.engine.execution_options(parsimony_writes=True).begin() as connection,
        ):
            upgrade(connection)

    def close(self) -> None:
        """Give up all pooled connections."""
        self.engine.dispose()


def _on_sqlite_connect(connection: Any, record: Any) -> None:
    # The driver would open transactions by itself, always deferred; _on_sqlite_begin does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL, because NORMAL may roll back the last committed transactions when the power fails.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _check_encoding(connection: Any, record: Any) -> None:
    """Refuse a PostgreSQL database that cannot keep every text."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnavailableError(
            f"the database's encoding is {encoding}, and it must be UTF8: make another one by "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            code="database_encoding",
        )


def _on_sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("parsimony_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise _unavailable(error) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _unavailable(error) from error
        raise


def _unavailable(error: DBAPIError) -> UnavailableError:
    return UnavailableError(
        f"the database cannot be used now ({_first_line(error)}); try again",
        code="database_unavailable",
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
