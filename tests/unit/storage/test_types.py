"""What is typed in the core is typed in its rows, and JSON in the database."""

import json
from typing import Any

from sqlalchemy import text

from tests.rows import RESULT, accept, claimed, error, good
from worker.results.sparsity import NetworkReport
from worker.results.trial import Advice, JobError, Single, Winner
from worker.storage import fleets, jobs
from worker.storage.database import Database
from worker.storage.tables import Job


def raw(database: Database, column: str) -> Any:
    with database.read() as session:
        value = session.execute(text(f"SELECT {column} FROM job")).scalar_one()
    return json.loads(value) if isinstance(value, str) else value


def test_a_record_is_stored_as_json_and_read_as_itself(database: Database) -> None:
    reason = JobError(code="diverged", message="no", param="training", epoch=3)
    with database.write() as session:
        job, (fleet,) = accept(session)
        fleets.fail(session, claimed(session, fleet.id), reason)
    assert raw(database, "error") == {
        "code": "diverged",
        "message": "no",
        "param": "training",
        "epoch": 3,
    }
    with database.read() as session:
        stored = jobs.find_job(session, job.id)
    assert stored.error == reason
    assert stored.error is not None
    assert stored.error.detail("epoch") == 3


def test_each_kind_of_record_is_read_as_it_was_written(database: Database) -> None:
    """No member is lost: of a report, of findings and of the winner, filled to the last one."""
    finding = Advice(
        severity="info", code="x", field="training", message="m", evidence={"a": 1.5}, fix="f"
    )
    units = {"units": 4, "dead": 1, "no_way_in": 1, "no_way_out": 2}
    layer = {"name": "layers.0", "layer": 0, "weights": 8, "zeros": 2, "norm": 1.5, "largest": 0.9}
    columns = {"columns": 2, "columns_unused": 1, "used": ["p"], "unused": ["q"]}
    inputs = {"inputs": 3, "inputs_unused": 1, "unused_inputs": ["p=1"]}
    counted = {"part": "train", "rows": 200, "thresholds": [0.0, 0.1], "sparsity": [0.25, 0.5]}
    measures = ("loss", "accuracy", "balanced_accuracy", "recall", "rmse", "r2")
    measured = {name: [0.1 * place, 0.9] for place, name in enumerate(measures)}
    part = {
        "rows": 3,
        "confusion": [[1, 0], [1, 1]],
        "roc": {"fpr": [0.0, 1.0], "tpr": [0.0, 1.0], "threshold": [None, 0.2]},
        "pr": {"recall": [0.5, 1.0], "precision": [1.0, 0.5], "threshold": [0.9, 0.2]},
        "calibration": {"probability": [0.4], "frequency": [0.5], "rows": [3]},
    }
    curved = {"classes": ["a", "b"], "positive": "b", "threshold": 0.4}
    fitted = {"task": "binary", "rows": 30, "measured": 20, "classes": 2, "target_sd": None}
    fitted |= {"mean_weight": 1.0, "weighted": False, "offset": False}
    document = {
        "weights": 8,
        "zeros": 2,
        "sparsity": 0.25,
        "units": 4,
        "dead_units": 1,
        "layers": [{**layer, **units}],
        "features": {**columns, **inputs},
        "pruning": {**counted, **measured},
        "curves": {**curved, "parts": {"validation": part}},
        "fitted": fitted,
    }
    report = NetworkReport.model_validate(document)
    result = good(0.25).model_copy(update={"advice": [finding], "report": report})
    with database.write() as session:
        job, (fleet,) = accept(session)
        fleets.finish(session, claimed(session, fleet.id), [result], RESULT)
    with database.read() as session:
        stored = jobs.find_job(session, job.id)
        (row,) = jobs.trials(session, stored)
    assert row.report == report
    assert report.model_dump(mode="json") == document
    assert (row.advice, stored.advice) == ([finding], [finding])
    assert stored.best == Winner(
        trial=row.id,
        name="a",
        configuration=0,
        objective="validation_loss",
        value=0.25,
        metrics={"validation_loss": 0.25},
        single=Single(trial=row.id, metrics={"validation_loss": 0.25}),
    )


def test_nothing_is_stored_as_null(database: Database) -> None:
    with database.write() as session:
        _, (fleet,) = accept(session)
        fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)
        session.flush()
        assert session.query(Job).where(Job.error.is_(None)).count() == 1
    assert raw(database, "error") is None
    assert raw(database, "advice") == []


def test_a_changed_record_is_written(database: Database) -> None:
    with database.write() as session:
        job, _ = accept(session)
    with database.write() as session:
        jobs.find_job(session, job.id).error = error("first")
    with database.write() as session:
        jobs.find_job(session, job.id).error = error("second")
    assert raw(database, "error")["code"] == "second"


def test_members_of_an_earlier_release_are_skipped(database: Database) -> None:
    finding = Advice(
        severity="info", code="x", field=None, message="m", evidence={"a": 1}, fix="f"
    ).model_dump()
    old = json.dumps([{**finding, "weight": 7}])
    with database.write() as session:
        job, _ = accept(session)
        session.execute(text("UPDATE job SET advice = :old"), {"old": old})
    with database.read() as session:
        assert jobs.find_job(session, job.id).advice == [Advice(**finding)]
