"""An error of the database in the middle of training: what is tried again, and what clients see."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.unit.runtime.work import Work, accepted
from worker.settings import ServiceSettings
from worker.storage import jobs
from worker.storage.database import Database
from worker.training import FleetRun


def let_training_execute(
    monkeypatch: pytest.MonkeyPatch, database: Database, statement: str
) -> None:
    """Execute a statement after the first epoch of every fleet."""
    whole = FleetRun.epochs

    def epochs(self: FleetRun, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for report in whole(self, *args, **kwargs):
            yield report
            with database.engine.begin() as connection:
                connection.execute(text(statement))

    monkeypatch.setattr(FleetRun, "epochs", epochs)


def test_a_job_that_it_fails_shows_no_statement(
    work: Work,
    settings: ServiceSettings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_training_execute(monkeypatch, database, "SELECT 'secret' FROM nowhere")
    job_id = accepted(settings, database)
    assert work() == ["failed"]
    with database.read() as session:
        job = jobs.find_job(session, job_id)
        rows = jobs.trials(session, job)
    for error in (job.error, rows[0].error):
        assert error is not None
        assert error.code == "internal_error"
        assert "no such table" in error.message
        assert "secret" not in error.message
        assert "SELECT" not in error.message


def test_transactions_that_collided_are_tried_again(
    work: Work,
    settings: ServiceSettings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twice = (
        "INSERT INTO model (id, tenant, name, created_at, revision, unloaded) "
        "SELECT 'a' || n, 'default', 'a', '2026-01-01', 0, FALSE FROM (%s)"
    )
    rows = "SELECT 1 AS n UNION SELECT 2"
    let_training_execute(monkeypatch, database, twice % rows)
    job_id = accepted(settings, database)
    with pytest.raises(IntegrityError):
        work()
    with database.read() as session:
        assert jobs.find_job(session, job_id).state == "running"
