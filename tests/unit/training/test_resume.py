"""A run that is stopped and resumed ends with the same bits."""

from typing import Any

import pytest

from tests.fleets import fleet, resumed, trained
from worker.training import FleetRun

JOB: dict[str, Any] = {
    "dataset": {"builtin": "circle", "rows": 200},
    "training": {
        "epochs": 6,
        "optimizer": {"kind": "adam", "learning_rate": 0.02},
        "schedule": {"kind": "cosine"},
    },
    "compare": [
        {"name": "dropout", "regularization": {"dropout": {"p": 0.4, "input_p": 0.1}}},
        {"name": "noise", "regularization": {"noise": {"input": 0.2}, "batch_norm": {}}},
        {
            "name": "stops",
            "regularization": {"early_stopping": {"patience": 1, "min_delta": 1.0}},
        },
        {"name": "proximal", "regularization": {"l1": {"strength": 1e-3, "method": "proximal"}}},
    ],
}


@pytest.fixture(scope="module")
def undisturbed() -> FleetRun:
    return trained(fleet(**JOB))


@pytest.mark.parametrize(
    "after", [0, 4, 6, 21, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 5, 13, 29))]
)
def test_resume_is_bit_identical(undisturbed: FleetRun, after: int) -> None:
    """Whatever the step, mid-epoch or between epochs, before or after a trial has stopped."""
    run = resumed(JOB, after)
    assert run.result().dump() == undisturbed.result().dump()
    assert run.outcomes == undisturbed.outcomes
    assert run.results() == undisturbed.results()
