"""Backpropagation by hand trains the same networks as autograd: a whole training, not one step."""

from typing import Any

import pytest
import torch

from tests.fleets import fleet, trained
from worker.networks.mlp import Mlp

PLAIN: list[dict[str, Any]] = [
    {},
    {"dropout": {"p": 0.0}},
    {"dropout": {"p": [0.5, 0.2], "input_p": 0.1}},
    {"l1": {"strength": 1e-3, "method": "proximal"}, "max_norm": {"norm": 1.0}},
    {"noise": {"input": 0.1}, "weight_decay": {"strength": 1e-2}},
]
SOFT: list[dict[str, Any]] = [{}, {"mixup": {}}, {"label_smoothing": {"smoothing": 0.2}}]
WEIGHTED: list[dict[str, Any]] = [{}, {"class_weights": {}, "cutout": {}}]
ATTACKED: list[dict[str, Any]] = [
    {},
    {"adversarial": {"epsilon": 0.1}, "dropout": {"p": 0.2, "input_p": 0.1}},
    {
        "adversarial": {"epsilon": 0.2},
        "batch_norm": {},
        "class_weights": {},
        "confidence_penalty": {"strength": 0.1},
    },
]
"""An attack, which knows neither weights of rows nor penalties of answers."""
TRAINING: dict[str, Any] = {
    "epochs": 8,
    "batch_size": 16,
    "optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.5},
}


@pytest.mark.parametrize(
    ("builtin", "activation", "techniques"),
    [
        ("circle", "relu", PLAIN),
        ("circle", "tanh", SOFT + WEIGHTED),
        pytest.param("wine", "tanh", PLAIN, marks=pytest.mark.slow),
        ("wine", "gelu", SOFT),
        ("wine", "relu", WEIGHTED),
        ("wine", "tanh", ATTACKED),
        pytest.param("circle", "tanh", ATTACKED, marks=pytest.mark.slow),
        pytest.param("diabetes", "selu", PLAIN, marks=pytest.mark.slow),
        ("diabetes", "relu", SOFT[:2]),
    ],
)
def test_same_training(
    builtin: str,
    activation: str,
    techniques: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Same masks and noise, since neither way draws anything of its own."""
    job: dict[str, Any] = {
        "dataset": {"builtin": builtin} | ({"rows": 160} if builtin == "circle" else {}),
        "network": {"kind": "mlp", "hidden": [7, 5], "activation": activation},
        "training": TRAINING,
        "compare": [{"name": f"{n}", "regularization": r} for n, r in enumerate(techniques)],
    }
    run = fleet(**job)
    assert run.engine.network.by_hand() is not None
    before = run.engine.parameters.values.clone()
    by_hand = trained(run).engine.parameters.values
    monkeypatch.setattr(Mlp, "by_hand", lambda _: None)
    other = trained(fleet(**job))
    assert other.engine.network.by_hand() is None
    torch.testing.assert_close(other.engine.parameters.values, by_hand, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before, by_hand, atol=0.05)
    if techniques is PLAIN:  # p = 0 drops nothing
        torch.testing.assert_close(by_hand[0], by_hand[1], rtol=1e-4, atol=1e-5)
