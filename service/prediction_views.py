"""From the rows of a prediction to its bodies."""

from service.schemas.jobs import ErrorSummary
from service.schemas.predictions import (
    PredictionBase,
    PredictionResult,
    PredictionSummary,
    PredictionView,
)
from service.views import LONGEST_MESSAGE
from worker.storage.predictions import PredictionRows
from worker.storage.states import TERMINAL, State
from worker.text import shortened


def prediction_view(rows: PredictionRows) -> PredictionView:
    """A prediction as it is now."""
    job = rows.job
    waiting_for = None if job.state in TERMINAL else rows.fleet.waiting_for
    return PredictionView(
        **vars(_common(rows)),
        keep=job.spec["keep"],
        # Those of earlier releases say nothing of the rest.
        calibrated=job.spec.get("calibrated", False),
        mc_samples=job.spec.get("mc_samples", 0),
        seed=job.spec.get("seed", 0),
        coverage=job.spec.get("coverage"),
        members=job.spec.get("members", False),
        waiting_for=waiting_for,
        error=job.error,
    )


def prediction_summary(rows: PredictionRows) -> PredictionSummary:
    """A prediction in a list."""
    error = rows.job.error
    return PredictionSummary(
        **vars(_common(rows)),
        error=None
        if error is None
        else ErrorSummary(code=error.code, message=shortened(error.message, LONGEST_MESSAGE)),
    )


def _common(rows: PredictionRows) -> PredictionBase:
    job, prediction = rows.job, rows.prediction
    brief = job.summary or {}
    return PredictionBase(
        id=job.id,
        name=job.name,
        state=State(job.state).value,
        model=prediction.model_name,
        version=prediction.version,
        dataset=brief["dataset"],
        format=brief["format"],
        rows_total=prediction.rows_total,
        rows_done=prediction.rows_done,
        result=_result(rows),
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def _result(rows: PredictionRows) -> PredictionResult | None:
    fleet, prediction = rows.fleet, rows.prediction
    if rows.job.state != State.SUCCEEDED or fleet.result_sha256 is None:
        return None
    return PredictionResult(
        rows=prediction.rows_total,
        bytes=fleet.result_bytes or 0,
        sha256=fleet.result_sha256,
        url=f"/v1/predictions/{prediction.id}/result",
        metrics=prediction.metrics,
    )
