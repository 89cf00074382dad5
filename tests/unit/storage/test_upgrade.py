"""Databases of earlier releases, with rows in every table, come to today's schema unharmed."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tests.stored_state import ARCHIVES, unpack
from worker.storage.database import Database
from worker.storage.tables import UNSCORED
from worker.storage.types import Base

ACCESS = {"api_key", "audit"}
SHARES = {"tenant_use", "webhook", "webhook_delivery"}
SINCE = {
    ARCHIVES[0]: {"prediction", "prediction_part", "worker", "increment"} | ACCESS | SHARES,
    ARCHIVES[1]: {"prediction", "prediction_part", "worker", "increment"} | ACCESS | SHARES,
    ARCHIVES[2]: {"worker", "increment"} | ACCESS | SHARES,
}
"""Tables that a stored database has no rows of, since they are newer."""
Rows = dict[str, list[dict[str, Any]]]


def contents(folder: Path) -> Rows:
    """All rows of all tables, in the order in which they were written."""
    with closing(sqlite3.connect(folder / "parsimony.db")) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
            for (name,) in names
        }


@pytest.fixture(params=ARCHIVES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    unpack(request.param, tmp_path)
    return tmp_path


def migrated(folder: Path) -> Rows:
    """The rows after the migration to today's schema, which is that of the tables."""
    database = Database(f"sqlite:///{folder}/parsimony.db")
    database.migrate()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
    database.close()
    return contents(folder)


def test_rows_keep_what_they_say(folder: Path) -> None:
    before = contents(folder)
    after = migrated(folder)
    versions = before.pop("alembic_version")
    assert versions[0]["version_num"] <= after["alembic_version"][0]["version_num"]
    for table, rows in before.items():
        assert rows, f"the stored database has nothing in {table}"
        assert len(after[table]) == len(rows)
        for old, new in zip(rows, after[table], strict=True):
            assert {name: new[name] for name in old} == old, table


@pytest.mark.parametrize("archive", ARCHIVES)
def test_each_table_of_today_has_rows(archive: str, tmp_path: Path) -> None:
    unpack(archive, tmp_path)
    after = migrated(tmp_path)
    assert {name for name in Base.metadata.tables if not after[name]} == SINCE[archive]


def test_trials_of_the_first_release_find_their_place(tmp_path: Path) -> None:
    """What 0002 added follows from the rows: finished trials have their objective as a score."""
    unpack(ARCHIVES[0], tmp_path)
    after = migrated(tmp_path)
    jobs = {job["id"]: job for job in after["job"]}
    assert all(job["trials_planned"] == job["trials_total"] > 0 for job in jobs.values())
    standings: dict[str, list[int]] = {}
    for trial in after["trial"]:
        name = jobs[trial["job_id"]]["name"]
        standings.setdefault(name, []).append(trial["standing"])
        assert (trial["score"] < UNSCORED) == (trial["state"] == "succeeded")
    assert {name: sorted(found) for name, found in standings.items()} == {
        "whole": [0] * 6,
        "attributed": [0] + [2] * 3,
        "failed": [1],
        "interrupted": [1] * 6,
        "cancelled": [1] * 6,
        "waiting": [1] * 6,
    }
