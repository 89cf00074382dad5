"""A probe weighs what a fleet holds, and times its steps."""

from typing import Any

import pytest

from tests.fleets import ADAM, fleet
from worker.training.probe import Probe, probe


def probed(**job: Any) -> Probe:
    run = fleet(**job)
    return probe(run.trials, run.prepared, 0.01)


def test_it_times_and_weighs() -> None:
    found = probed(training=ADAM)
    assert 0 < found.step_seconds < 1
    assert 0 < found.measure_seconds < 1
    weights, gradient, moments, final = 1, 1, 2, 1
    parameters = 4 * 2751 * (weights + gradient + moments + final)
    assert parameters <= found.state_bytes < parameters + 200


def test_more_is_held_for_more() -> None:
    plain = probed(training=ADAM)
    many = probed(training=ADAM, repeats=4)
    assert many.state_bytes == pytest.approx(4 * plain.state_bytes, rel=0.01)
    kept = probed(training=ADAM, regularization={"early_stopping": {}, "ema": {}})
    assert kept.state_bytes > plain.state_bytes + 2 * 4 * 2751


def test_a_solver_is_probed_too() -> None:
    found = probed(
        dataset={"builtin": "diabetes"},
        network={"kind": "linear"},
        regularization={"l1": {"strength": 0.02}},
        training={"optimizer": {"kind": "solver"}},
    )
    assert found.step_seconds > 0
