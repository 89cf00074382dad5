import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.rows import accept
from worker.errors import UnavailableError
from worker.storage import jobs
from worker.storage.database import SAFE_SQLITE, Database, sqlite_version, without_sql
from worker.storage.limits import SERVICE
from worker.storage.tables import Model
from worker.storage.types import Base

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def test_migrations_make_the_schema_of_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write() as session:
        job, _ = accept(session)
    database.migrate()
    with database.read() as session:
        assert jobs.find_job(session, job.id).id == job.id


@ON_SQLITE
def test_sqlite_is_durable_and_checks_keys(database: Database) -> None:
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
    assert sqlite_version() >= SAFE_SQLITE


def test_an_exception_rolls_back(database: Database) -> None:
    def fail_after_writing() -> None:
        with database.write() as session:
            accept(session)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_after_writing()
    with database.read() as session:
        assert jobs.job_page(session).items == []


def test_writers_wait_for_each_other(database: Database) -> None:
    def write() -> None:
        for _ in range(5):
            with database.write() as session:
                accept(session)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert len(jobs.job_page(session, limit=100).items) == 20


@ON_SQLITE
def test_a_locked_database_is_unavailable(database: Database, tmp_path: Path) -> None:
    impatient = Database(f"sqlite:///{tmp_path}/test.db", replace(SERVICE, lock=0.001, pause=0.0))
    with database.write() as session:
        accept(session)
        with pytest.raises(UnavailableError, match="try again"), impatient.write() as other:
            accept(other)
    impatient.close()


@ON_POSTGRESQL
def test_a_lost_connection_is_unavailable_and_the_next_one_works(database: Database) -> None:
    def lose() -> None:
        with database.write() as session, database.write() as other:
            accept(session)
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            assert other.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            session.scalar(text("SELECT 1"))

    with pytest.raises(UnavailableError, match="try again"):
        lose()
    with database.write() as session:
        assert jobs.job_page(session).items == []
        accept(session)
    with database.read() as session:
        assert len(jobs.job_page(session).items) == 1


@ON_POSTGRESQL
def test_services_that_start_together_migrate_once(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    barrier = threading.Barrier(3)
    failures: list[Exception] = []

    def migrate() -> None:
        barrier.wait()
        try:
            database.migrate()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_what_clients_are_told_of_an_error_holds_no_statement_and_no_value(
    database: Database,
) -> None:
    def register() -> None:
        with database.write() as session:
            session.add(Model(id="mdl_secret", name="secret"))

    register()
    with pytest.raises(IntegrityError) as twice:
        register()
    with pytest.raises(DBAPIError) as unknown, database.engine.connect() as connection:
        connection.execute(text("SELECT 'secret' FROM nowhere"))
    for error in (twice.value, unknown.value):
        assert "SQL" in str(error)
        assert "secret" in str(error)
        message = without_sql(error)
        assert message.startswith(f"{type(error).__name__}: ")
        assert not any(part in message for part in ("SQL:", "INSERT", "SELECT", "secret", "\n"))
    assert without_sql(ValueError("two\nlines")) == "ValueError: two\nlines"


@pytest.mark.database_kinds("postgresql")
def test_a_url_of_postgresql_needs_no_driver_in_it(database: Database) -> None:
    plain = Database(database.url.replace("+psycopg", ""))
    try:
        with plain.read() as session:
            assert session.scalar(text("SELECT 1")) == 1
    finally:
        plain.close()


@pytest.mark.parametrize("url", ["postgresql://db/parsimony", "postgresql+psycopg://db/parsimony"])
def test_postgresql_without_its_driver_is_refused_with_the_remedy(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UnavailableError, match=r"pip install 'parsimony\[postgresql\]'"):
        Database(url)
