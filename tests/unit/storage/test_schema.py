"""The schema: where it is shared, a command migrates it; the release before goes on using it."""

import itertools
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Connection,
    MetaData,
    create_engine,
    func,
    insert,
    make_url,
    select,
    text,
)

from tests.stored_state import unpack
from worker.errors import UnavailableError
from worker.settings import ServiceSettings
from worker.storage import schema
from worker.storage.database import Database
from worker.storage.limits import MIGRATION
from worker.storage.migrations import upgrade

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
BEFORE = "0006"
"""The schema of the release before this one."""
HEAD = "0011"
Rows = dict[str, list[dict[str, Any]]]
_numbers = itertools.count()


@contextmanager
def empty(database: Database, folder: Path, encoding: str = "UTF8") -> Iterator[str]:
    """URL of an empty database of the same kind."""
    if database.is_sqlite:
        yield f"sqlite:///{folder}/empty.db"
        return
    name = f"empty_{next(_numbers)}"
    server = create_engine(database.url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(
            text(
                f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0"
                " LC_COLLATE 'C' LC_CTYPE 'C'"
            )
        )
    yield make_url(database.url).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def unmigrated(database: Database, tmp_path: Path) -> Iterator[Database]:
    with empty(database, tmp_path) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """All rows of the stored database of the release before, with their types."""
    folder = tmp_path_factory.mktemp("stored")
    unpack(f"state-{BEFORE}.zip", folder)
    engine = create_engine(f"sqlite:///{folder}/parsimony.db")
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in tables.sorted_tables
            if table.name != "alembic_version"
        }
    engine.dispose()
    return rows


@pytest.fixture
def of_before(unmigrated: Database, stored: Rows) -> Database:
    """A database as the release before left it, with rows in every table."""
    patient = Database(unmigrated.url, MIGRATION)
    with patient.write() as session:
        upgrade(session.connection(), BEFORE)
        write(session.connection(), stored)
    patient.close()
    return unmigrated


def write(connection: Connection, rows: Rows) -> None:
    """Write tables anew with rows, saying nothing of columns that these do not have."""
    tables = MetaData()
    tables.reflect(connection)
    ours = [table for table in tables.sorted_tables if table.name in rows]
    for table in reversed(ours):
        connection.execute(table.delete())
    for table in ours:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
        connection.execute(insert(table), rows[table.name])


def counts(database: Database, names: Iterable[str]) -> dict[str, int]:
    tables = MetaData()
    with database.read() as session:
        tables.reflect(session.connection())
        return {
            name: session.scalar(select(func.count()).select_from(tables.tables[name])) or 0
            for name in names
        }


def test_this_release_works_on_its_own_schema(database: Database) -> None:
    state = schema.state_of(database)
    assert (state.current, state.needed, state.fits) == (HEAD, HEAD, True)
    schema.make_ready(database)


def test_rows_of_the_release_before_are_kept(of_before: Database, stored: Rows) -> None:
    assert not schema.state_of(of_before).fits
    of_before.migrate()
    assert schema.state_of(of_before).fits
    expected = {name: len(rows) for name, rows in stored.items()}
    assert min(expected.values()) > 0
    assert counts(of_before, stored) == expected


def test_the_release_before_goes_on_writing_after_the_migration(
    of_before: Database, stored: Rows
) -> None:
    """It says nothing of new columns, and knows nothing of new tables."""
    of_before.migrate()
    with of_before.write() as session:
        write(session.connection(), stored)
    assert counts(of_before, stored) == {name: len(rows) for name, rows in stored.items()}


@ON_POSTGRESQL
def test_a_shared_database_is_migrated_by_the_command_alone(of_before: Database) -> None:
    with pytest.raises(UnavailableError) as refused:
        schema.make_ready(of_before)
    assert refused.value.message == (
        "the database has schema 0006, this release needs 0011: run `parsimony migrate` once"
    )
    assert schema.state_of(of_before).current == BEFORE


@ON_POSTGRESQL
def test_a_start_waits_for_the_command(
    of_before: Database, caplog: pytest.LogCaptureFixture
) -> None:
    pauses = []

    def migrate_meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            of_before.migrate()

    schema.make_ready(of_before, patience=60.0, pause=migrate_meanwhile)
    assert len(pauses) == 3
    assert [record.message for record in caplog.records if record.name == schema.__name__] == [
        "the database has schema 0006, this release needs 0011: run `parsimony migrate` once; "
        "waiting up to 60 s for it"
    ]


@ON_SQLITE
def test_a_file_is_migrated_by_whoever_opens_it(of_before: Database) -> None:
    schema.make_ready(of_before)
    assert schema.state_of(of_before).current == HEAD


def test_a_newer_schema_that_took_nothing_away_serves(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0012'"))
        schema.record_readable_from(session.connection(), HEAD)
    schema.make_ready(database)
    database.migrate()
    state = schema.state_of(database)
    assert (state.current, state.fits) == ("0012", True)
    assert "newer release" in state.sentence


@pytest.mark.parametrize("since", ["0012", "0013"])
def test_a_newer_schema_without_what_this_release_needs_is_refused(
    database: Database, since: str
) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0012'"))
        schema.record_readable_from(session.connection(), since)
    for act in (schema.make_ready, Database.migrate):
        with pytest.raises(UnavailableError, match=r"0012.* newer release") as refused:
            act(database)
        # The remedy is one for this kind of database.
        remedy = "PARSIMONY_STATE" if database.is_sqlite else "PARSIMONY_DATABASE_URL"
        other = "PARSIMONY_DATABASE_URL" if database.is_sqlite else "PARSIMONY_STATE"
        assert remedy in refused.value.message
        assert other not in refused.value.message
    assert schema.state_of(database).current == "0012"


def test_a_rehearsal_shows_the_statements_and_changes_nothing(
    of_before: Database, stored: Rows
) -> None:
    statements = schema.rehearse(of_before)
    assert any(line.startswith("CREATE TABLE worker") for line in statements)
    assert any("0011" in line and "alembic_version" in line for line in statements)
    assert schema.state_of(of_before).current == BEFORE
    of_before.migrate()  # nothing is held, and nothing was left behind


def test_an_empty_database_is_made(unmigrated: Database) -> None:
    assert "is empty" in schema.state_of(unmigrated).sentence
    unmigrated.migrate()
    assert schema.state_of(unmigrated).fits


@ON_POSTGRESQL
def test_a_database_of_another_encoding_is_refused_in_a_line(
    database: Database, tmp_path: Path
) -> None:
    with empty(database, tmp_path, "SQL_ASCII") as url:
        opened = Database(url)
        for act in (opened.migrate, lambda: schema.state_of(opened)):
            with pytest.raises(UnavailableError, match=r"SQL_ASCII.*must be UTF8") as refused:
                act()
            assert "\n" not in refused.value.message
        opened.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["-m", "service", "api"], ["-m", "worker.runtime"], ["-m", "service", "up"]]
)
@ON_POSTGRESQL
def test_each_part_refuses_to_start_in_a_line(
    unmigrated: Database, tmp_path: Path, command: list[str]
) -> None:
    settings = ServiceSettings(
        state=tmp_path / "state", database_url=unmigrated.url, migration_seconds=0.0, port=0
    )
    done = subprocess.run(
        [sys.executable, *command],
        env=settings.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    # The worker logs, Alembic's imports included.
    lines = [line for line in done.stderr.splitlines() if line and " INFO " not in line]
    assert lines == [
        "parsimony: the database is empty, this release needs schema 0011: "
        "run `parsimony migrate` once"
    ]
