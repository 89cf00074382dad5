"""Results as earlier releases stored them can be read, and are sent without what only rows keep."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.schemas.jobs import Best, JobView
from worker.errors import SpecError
from worker.results.sparsity import NetworkReport
from worker.results.trial import Advice, JobError, TrialResult, Winner

LAYER = {"name": "layers.0", "layer": 0, "weights": 8, "zeros": 2, "norm": 1.5, "largest": 0.9}
UNITS = {"units": 4, "dead": 1, "no_way_in": 1, "no_way_out": 0}
REPORT: dict[str, Any] = {
    "weights": 8,
    "zeros": 2,
    "sparsity": 0.25,
    "units": 4,
    "dead_units": 1,
    "layers": [{**LAYER, **UNITS}],
    "features": None,
    "pruning": {
        "part": "validation",
        "rows": 200,
        "thresholds": [0.0, 0.1],
        "sparsity": [0.25, 0.5],
        "loss": [0.3, 0.4],
        "rmse": [1.0, 1.2],
        "r2": [0.8, 0.7],
    },
}


def test_a_report_that_an_earlier_release_stored_is_read() -> None:
    """Without the metrics of other tasks, and with members that this release does not know."""
    stored = {**REPORT, "since_removed": 1, "layers": [{**LAYER, **UNITS, "rank": 3}]}
    report = NetworkReport.model_validate(stored)
    assert report.layers[0].no_way_in == 1
    assert report.pruning is not None
    assert report.pruning.accuracy is None
    assert NetworkReport.model_validate(report.model_dump(mode="json")) == report


def test_a_layer_without_units_is_read() -> None:
    report = NetworkReport.model_validate({**REPORT, "layers": [LAYER], "units": None})
    assert report.layers[0].units is None


def test_an_error_keeps_the_members_that_depend_on_its_code() -> None:
    stored = {"code": "diverged", "message": "…", "param": None, "epoch": 3}
    error = JobError.model_validate(stored)
    assert error.detail("epoch") == 3
    assert error.detail("attempts") is None
    assert error.model_dump(mode="json") == stored


def test_an_error_of_the_core_becomes_one_of_a_job() -> None:
    error = JobError.of(SpecError("no such column", param="target", column="y"))
    assert (error.code, error.message, error.param) == ("invalid_spec", "no such column", "target")
    assert error.detail("column") == "y"


def test_advice_of_an_earlier_release_is_read() -> None:
    fields = {"severity": "info", "code": "a", "field": None, "message": "m", "fix": "f"}
    advice = Advice.model_validate({**fields, "evidence": {"n": 1}, "since_removed": True})
    later = {"column": None, "change": None, "member_change": None}
    assert advice.model_dump(mode="json") == {**fields, **later, "evidence": {"n": 1}}


def test_the_winner_is_sent_without_what_only_the_row_keeps() -> None:
    stored = {
        "trial": "trl_1",
        "name": "a",
        "configuration": 0,
        "objective": "validation_loss",
        "value": 0.5,
        "metrics": {"validation_loss": 0.5},
    }
    winner = Winner.model_validate({**stored, "since_removed": 1})
    later = {"deviations": None, "n": 1, "single": None, "refitted": False, "chosen_by": "best"}
    later["served"] = "trial"
    assert winner.model_dump(mode="json") == {**stored, **later}
    sent = JobView.model_construct(best=winner).model_dump(mode="json", include={"best"})
    assert sent["best"].keys() == Best.model_fields.keys()


def test_results_are_closed_and_do_not_change() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        TrialResult.model_validate({"state": "succeeded", "colour": "red"})
    result = TrialResult(state="cancelled")
    with pytest.raises(ValidationError, match="frozen"):
        result.epochs = 3
    assert (result.metrics, result.error, result.advice) == ({}, None, [])
