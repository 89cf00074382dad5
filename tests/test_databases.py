"""What tests are given as a new database is one, though another test has had it."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, func, select, text

from tests.databases import KINDS, Databases
from tests.rows import accept
from worker.errors import UnavailableError
from worker.storage import schema
from worker.storage.database import Database

SCHEMA_CHANGES = [
    "ALTER TABLE job ADD COLUMN more INTEGER",
    "ALTER TABLE job ALTER COLUMN objective DROP NOT NULL",
    "ALTER TABLE job ALTER COLUMN priority SET DEFAULT 7",
    "ALTER TABLE job ADD CONSTRAINT urgent CHECK (priority > -100)",
    "CREATE INDEX further ON job (objective)",
    "CREATE TABLE further (id INTEGER)",
    "CREATE SCHEMA further",
]


def counts(connection: Connection) -> dict[str, int]:
    tables = MetaData()
    tables.reflect(connection)
    return {
        name: connection.scalar(select(func.count()).select_from(table)) or 0
        for name, table in tables.tables.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_gone(databases: Databases, tmp_path: Path, kind: str) -> None:
    found = []
    for _ in range(2):
        with databases.new(kind, tmp_path) as database:
            with database.read() as session:
                found.append(counts(session.connection()))
            with database.write() as session:
                accept(session)
                session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            assert found[0]["job"] == 0 < found[0]["alembic_version"]
    assert found[0] == found[1]
    with databases.new(kind, tmp_path) as database:
        assert schema.state_of(database).fits


@pytest.mark.parametrize("change", SCHEMA_CHANGES)
def test_one_with_another_schema_is_not_given_out_again(
    databases: Databases, tmp_path: Path, change: str
) -> None:
    oids = []
    for statement in (change, "SELECT 1"):
        with databases.new("postgresql", tmp_path) as database, database.write() as session:
            oid = "SELECT oid FROM pg_database WHERE datname = current_database()"
            oids.append(session.scalar(text(oid)))
            session.execute(text(statement))
    assert oids[0] != oids[1]


def test_who_had_it_before_does_not_reach_it(databases: Databases, tmp_path: Path) -> None:
    with databases.new("postgresql", tmp_path) as database:
        with database.read() as session:
            session.execute(text("SELECT 1"))
        late = Database(database.url)
        with late.read() as session:
            session.execute(text("SELECT 1"))
    with databases.new("postgresql", tmp_path), pytest.raises(UnavailableError), late.read():
        pytest.fail("it was reached")
    late.close()
