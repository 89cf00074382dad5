"""Averages, snapshots, constraints, schedules and solvers survive an interruption bit by bit."""

from typing import Any

import pytest

from tests.fleets import fleet, resumed, trained
from worker.training import FleetRun

TECHNIQUES: list[dict[str, Any]] = [
    {"ema": {"decay": 0.9}, "batch_norm": {}},
    {"swa": {"start": 0.3}, "batch_norm": {}},
    {"snapshot_ensemble": {"members": 3}},
    {"snapshot_ensemble": {"members": 2}, "lookahead": {"steps": 3}, "dropout": {"p": 0.3}},
    {"ema": {}, "early_stopping": {"patience": 1, "min_delta": 1.0}},
    {"ema": {"decay": 0.8}, "early_stopping": {"patience": 2, "metric": "validation_accuracy"}},
    {"group_lasso": {"strength": 1e-3}, "max_norm": {"norm": 1.0}},
    {"elastic_net": {"strength": 1e-3, "schedule": {"kind": "cosine"}}},
    *({"early_stopping": {"patience": 1, "min_delta": 1.0 + n}} for n in range(7)),
]
NETWORKS: dict[str, Any] = {
    "dataset": {"builtin": "circle", "rows": 200},
    "network": {"kind": "mlp", "hidden": [12, 8]},
    "training": {"epochs": 6, "optimizer": {"kind": "adam", "learning_rate": 0.02}},
    "compare": [{"name": f"{n}", "regularization": r} for n, r in enumerate(TECHNIQUES)],
}
SOLVED: dict[str, Any] = {
    "dataset": {"builtin": "diabetes"},
    "network": {"kind": "linear"},
    "training": {
        "epochs": 40,
        "optimizer": {"kind": "solver", "method": "proximal_gradient", "iterations": 7},
    },
    "compare": [
        {"name": f"{s}", "regularization": {"l1": {"strength": s}}} for s in (0.5, 0.1, 0.01, 0.001)
    ],
}
NEWTON: dict[str, Any] = {
    "dataset": {"builtin": "breast_cancer"},
    "network": {"kind": "linear"},
    "training": {"epochs": 40, "optimizer": {"kind": "solver", "iterations": 2}},
    "compare": [
        {"name": f"{s}", "regularization": {"l1": {"strength": s}}} for s in (0.1, 0.01, 0.001)
    ],
}


@pytest.fixture(scope="module")
def undisturbed() -> FleetRun:
    return trained(fleet(**NETWORKS))


@pytest.mark.parametrize(
    "after", [0, 5, 11, 19, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 15, 28))]
)
def test_networks(undisturbed: FleetRun, after: int) -> None:
    assert resumed(NETWORKS, after).result().dump() == undisturbed.result().dump()


@pytest.fixture(scope="module")
def solved() -> bytes:
    return trained(fleet(**SOLVED)).result().dump()


@pytest.mark.parametrize(
    "after", [14, 130, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 100))]
)
def test_solvers(solved: bytes, after: int) -> None:
    assert resumed(SOLVED, after).result().dump() == solved


def test_newton() -> None:
    run = trained(fleet(**NEWTON))
    assert run.steps > 5
    for after in (1, 5):
        assert resumed(NEWTON, after).result().dump() == run.result().dump()


def test_the_fleet_was_compacted(undisturbed: FleetRun) -> None:
    """Else the tests above would say nothing about averages of a smaller fleet."""
    assert len(undisturbed.members) <= len(TECHNIQUES) // 2
