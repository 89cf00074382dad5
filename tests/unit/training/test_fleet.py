"""A fleet is nothing but its trials: each learns what it learns alone."""

from typing import Any

import pytest
import torch

from tests.engine import batch_order
from tests.fleets import ADAM, fleet, trained
from worker.training import FleetRun

DETERMINISTIC: list[dict[str, Any]] = [
    {},
    {"l1": {"strength": 1e-3}},
    {"l1": {"strength": 1e-3, "method": "proximal", "biases": True}},
    {"l2": {"strength": 1e-2, "layers": [1]}},
    {"weight_decay": {"strength": 1e-2}},
    {"weight_decay": {"strength": 1e-2, "method": "coupled"}},
    {"batch_norm": {}},
    {"batch_norm": {"momentum": 0.3}, "l2": {"strength": 1e-3}},
    {"early_stopping": {"patience": 1}},
]
SHORT = {**ADAM, "epochs": 5}
TIGHT = {"rtol": 1e-4, "atol": 1e-5}
"""Where measured, the bits were equal: every kernel treats a trial alike, whatever K."""


def weights(run: FleetRun) -> dict[str, torch.Tensor]:
    """The final weights and buffers by name, ``[K, …]``."""
    return {n: t for n, t in run.result().tensors.items() if n.startswith(("weights.", "buffers."))}


@pytest.mark.slow
def test_trial_equals_its_fleet_of_one() -> None:
    """Every trial of a mixed fleet ends with the weights and metrics it has alone."""
    variants = [{"name": f"{i}", "regularization": r} for i, r in enumerate(DETERMINISTIC)]
    together = trained(fleet(compare=variants, training=SHORT))
    stacked, results = weights(together), together.results()
    for row, variant in enumerate(variants):
        alone = trained(fleet(compare=[variant], training=SHORT))
        for name, tensor in weights(alone).items():
            torch.testing.assert_close(tensor[0], stacked[name][row], **TIGHT)
        expected = alone.results()[0].metrics
        for name, value in results[row].metrics.items():
            assert value == pytest.approx(expected[name], rel=1e-4, abs=1e-5), (variant, name)


def test_trials_start_from_the_seed() -> None:
    """Same seed, same weights and batches; another seed, others."""
    run = fleet(repeats=2, compare=[{"name": "a"}, {"name": "b"}], training=SHORT)
    start = run.engine.parameters.values
    assert torch.equal(start[0], start[2])
    assert not torch.equal(start[0], start[1])
    order = batch_order(run, epoch=0)
    assert torch.equal(order[0], order[2])
    assert not torch.equal(order[0], order[1])
    assert torch.equal(order[0].sort().values, order[1].sort().values)


def test_dropout_trials_differ_only_by_their_p() -> None:
    """p = 0 in a fleet that drops is the network without dropout."""
    variants: list[dict[str, Any]] = [
        {"name": "none", "regularization": {}},
        {"name": "zero", "regularization": {"dropout": {"p": 0.0}}},
        {"name": "half", "regularization": {"dropout": {"p": 0.5, "input_p": 0.1}}},
    ]
    final = weights(trained(fleet(compare=variants, training=SHORT)))["weights.layers.0.weight"]
    assert torch.equal(final[0], final[1])
    assert not torch.equal(final[0], final[2])


def test_folds_validate_every_row_once() -> None:
    """Cross-validation: each row validates in exactly one fold; folds share one engine."""
    run = fleet(split={"folds": 5}, training=SHORT)
    rows = run.engine.data.parts["validation"] % 1000
    assert torch.equal(rows.flatten().sort().values, torch.arange(1000))
    report = next(run.epochs())
    assert all(value is not None for value in report.metrics["validation_loss"])


def test_stopped_trials_leave_and_the_rest_go_on() -> None:
    """A trial that stops early keeps its best weights; the fleet is rebuilt without it."""
    eager = {"early_stopping": {"patience": 1, "min_delta": 10.0}, "batch_norm": {}}
    variants = [
        *({"name": f"eager {i}", "regularization": eager} for i in range(3)),
        {"name": "patient", "regularization": {}},
    ]
    run = trained(fleet(compare=variants, training=SHORT))
    alone = trained(fleet(compare=[variants[3]], training=SHORT))
    assert [outcome.epochs for outcome in run.outcomes] == [2, 2, 2, 5]
    assert run.outcomes[0].best_epoch == 1
    assert run.members == [3]
    name = "weights.layers.1.weight"
    torch.testing.assert_close(weights(run)[name][3], weights(alone)[name][0], **TIGHT)


def test_divergence_ends_a_trial_and_no_other() -> None:
    """A loss that leaves the finite numbers is an error with the epoch, not NaN weights."""
    wild = {**SHORT, "optimizer": {"kind": "sgd", "learning_rate": 100.0}}
    calm = {**SHORT, "optimizer": {"kind": "sgd", "learning_rate": 0.01}}
    run = trained(
        fleet(
            dataset={"builtin": "diabetes"},
            compare=[{"name": "wild", "training": wild}, {"name": "calm", "training": calm}],
        )
    )
    bad, good = run.results()
    assert (bad.state, good.state) == ("failed", "succeeded")
    assert bad.error is not None
    assert bad.error.code == "diverged"
    assert bad.error.detail("epoch") >= 1
    assert bad.error.detail("last_finite_loss") > 0
    assert bad.metrics == {}
    assert good.metrics["train_loss"] is not None
    assert all(tensor.isfinite().all() for tensor in weights(run).values())
