"""A probe weighs what a fleet holds, and times its steps."""

from time import thread_time
from typing import Any

import pytest
import torch

from tests.fleets import ADAM, fleet
from worker.training.probe import Probe, probe


def probed(**job: Any) -> Probe:
    run = fleet(**job)
    return probe(run.trials, run.prepared, 0.01)


def test_it_times_and_weighs() -> None:
    found = probed(training=ADAM)
    assert 0 < found.step_seconds < 1
    assert 0 < found.epoch_seconds < 1
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


def test_it_has_one_thread_and_only_meanwhile() -> None:
    run, before = fleet(training=ADAM), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        probe(run.trials, run.prepared, 0.01)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_it_does_not_count_the_work_of_others() -> None:
    """What it counts is no more than that thread's own time."""
    run = fleet(training=ADAM)
    begin = thread_time()
    found = probe(run.trials, run.prepared, 0.05)
    assert found.step_seconds < thread_time() - begin
