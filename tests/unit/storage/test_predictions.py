"""Predictions are claimed, kept, given back and ended as fleets are; a part counts once."""

import pytest
from sqlalchemy.orm import Session

from tests.rows import RESULT, accept, claimed, error, good
from worker.errors import NotFoundError
from worker.results import Metrics
from worker.storage import events, fleets, jobs, models, predictions, queries, retention, turns
from worker.storage.database import Database
from worker.storage.fleets import Lease, StaleToken
from worker.storage.predictions import PartFile, PredictionRows
from worker.storage.states import Kind
from worker.storage.tables import ModelVersion, PredictionPart

METRICS: Metrics = {"accuracy": 0.5, "auc": None}


def version(session: Session) -> ModelVersion:
    """A registered version of a model."""
    _, (fleet,) = accept(session, model_name="graded")
    fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)
    return models.resolve(session, "graded")


def asked(session: Session, rows: int = 250) -> PredictionRows:
    """A prediction of three parts."""
    return predictions.add_prediction(
        session,
        spec={"dataset": {"builtin": "iris"}, "format": "csv", "keep": None},
        version=version(session),
        model_name="graded",
        rows=rows,
        part_rows=100,
    )


def part(number: int, rows: int = 100) -> PartFile:
    return PartFile(rows, f"predictions/x/parts/{number}", "0" * 64)


def test_a_prediction_waits_as_a_fleet_does_and_is_no_job(database: Database) -> None:
    with database.write() as session:
        made = asked(session)
    with database.read() as session:
        assert turns.due(session, limit=9) == [made.fleet.id]
        assert queries.kind_of(session, made.job.id) == Kind.PREDICTION
        assert (made.fleet.epochs, made.prediction.rows_done) == (3, 0)
        assert made.job.id not in [job.id for job in jobs.job_page(session).items]
        with pytest.raises(NotFoundError, match="there is no job"):
            jobs.find_job(session, made.job.id)
        with pytest.raises(NotFoundError, match="there is no prediction"):
            predictions.find_prediction(session, jobs.job_page(session).items[0].id)
        with pytest.raises(NotFoundError):
            predictions.find_prediction(session, made.job.id, tenant="other")
        (listed,) = predictions.prediction_page(session, state="queued").items
        assert (listed.job.id, listed.fleet.id) == (made.job.id, made.fleet.id)
        assert predictions.prediction_page(session, state="running").items == []


def leased(session: Session, made: PredictionRows) -> Lease:
    return claimed(session, made.fleet.id)


def test_parts_count_once_and_are_progress(database: Database) -> None:
    with database.write() as session:
        made = asked(session)
        lease = leased(session, made)
        assert made.fleet.stalled_attempts == 1
        predictions.save_part(session, lease, 0, part(0))
        predictions.save_part(session, lease, 2, part(2, 50))
        predictions.save_part(session, lease, 0, PartFile(100, "again", "1" * 64))
    with database.read() as session:
        now = predictions.find_prediction(session, made.job.id)
        assert (now.prediction.rows_done, now.fleet.epoch, now.job.state) == (150, 2, "running")
        assert now.fleet.stalled_attempts == 0
        stored = predictions.stored_parts(session, made.job.id)
        assert (stored[0].path, sorted(stored)) == ("again", [0, 2])


def test_the_end_has_result_and_metrics_and_spends_its_parts(database: Database) -> None:
    with database.write() as session:
        made = asked(session)
        lease = leased(session, made)
        for number in range(3):
            predictions.save_part(session, lease, number, part(number))
        assert retention.spent_parts(session, limit=9) == []
        predictions.store_result(session, lease, RESULT, METRICS)
    with database.write() as session:
        (spent,) = retention.spent_parts(session, limit=9)
        assert (spent.folder, spent.count) == (predictions.parts_folder(made.job.id), 3)
        retention.forget_parts(session, spent.owner)
    with database.read() as session:
        now = predictions.find_prediction(session, made.job.id)
        assert (now.job.state, now.prediction.metrics) == ("succeeded", METRICS)
        assert now.fleet.result_sha256 == RESULT.sha256
        assert now.job.finished_at is not None
        assert session.query(PredictionPart).count() == 0
        kinds = [event.type for event in events.event_page(session, made.job.id).items]
        assert kinds == ["accepted", "started", "succeeded"]
        assert len(models.describe(session, "graded").versions) == 1


def test_a_stale_token_changes_nothing(database: Database) -> None:
    with database.write() as session:
        made = asked(session)
        stale = leased(session, made)
        fleets.crashed(session, stale, "killed", max_attempts=2)
        current = leased(session, made)
    for write in (
        lambda s: predictions.save_part(s, stale, 0, part(0)),
        lambda s: predictions.store_result(s, stale, RESULT, None),
        lambda s: fleets.fail(s, stale, error()),
    ):
        with pytest.raises(StaleToken), database.write() as session:
            write(session)
    with database.write() as session:
        assert predictions.find_prediction(session, made.job.id).prediction.rows_done == 0
        predictions.store_result(session, current, RESULT, None)


def test_what_no_worker_survives_fails_with_the_reason(database: Database) -> None:
    with database.write() as session:
        made = asked(session)
        for _ in range(2):
            fleets.crashed(session, leased(session, made), "killed", max_attempts=2, killed=True)
    with database.read() as session:
        now = predictions.find_prediction(session, made.job.id)
        assert now.job.state == "failed"
        assert now.job.error is not None
        assert now.job.error.code == "poison"


def test_a_lost_lease_is_taken_back_and_a_cancelled_one_ends(database: Database) -> None:
    with database.write() as session:
        made = asked(session)
        lease = leased(session, made)
        predictions.save_part(session, lease, 0, part(0))
        assert fleets.take_back(session, made.fleet.id, (lease.token, 0))
        assert predictions.find_prediction(session, made.job.id).job.state == "queued"
        lease = leased(session, made)
        jobs.request_cancel(session, made.job.id, kind=Kind.PREDICTION)
        assert fleets.heartbeat(session, lease) == "cancelled"
        fleets.cancel(session, lease)
        now = predictions.find_prediction(session, made.job.id)
        assert (now.job.state, now.prediction.rows_done) == ("cancelled", 100)
        assert [spent.owner for spent in retention.spent_parts(session, limit=9)] == [now.job.id]
