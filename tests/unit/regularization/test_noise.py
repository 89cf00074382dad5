"""Noise: its deviation and its places, silent in eval mode."""

from typing import Any

import pytest
import torch

from tests.techniques import network, rows
from worker.regularization.families.noise import NoiseLayer

MLP = {"kind": "mlp", "hidden": [6, 5]}


def places(built: torch.nn.Module) -> list[str]:
    return [name for name, module in built.named_modules() if isinstance(module, NoiseLayer)]


@pytest.mark.parametrize("distribution", ["gaussian", "uniform"])
def test_deviation_is_that_of_the_trial(distribution: str) -> None:
    noisy = [{"noise": {"input": s, "distribution": distribution}} for s in (0.0, 0.1, 2.0)]
    layer = network(MLP, (500,), *noisy).get_submodule("input")
    h = torch.ones(3, 400, 500)
    deviation, mean = torch.std_mean(layer(h), dim=(1, 2))
    assert deviation.tolist() == pytest.approx([0, 0.1, 2], rel=0.01)
    assert mean.tolist() == pytest.approx([1, 1, 1], abs=0.02)
    assert torch.equal(layer.eval()(h), h)
    if distribution == "uniform":
        assert (layer.train()(h) - 1).abs().amax((1, 2)).tolist() == pytest.approx(
            [0, 0.1 * 3**0.5, 2 * 3**0.5], rel=0.001
        )


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        ({}, ["input"]),
        ({"input": 0.0, "activations": 0.1}, ["dropouts.0", "dropouts.1"]),
        ({"input": 0.0, "weights": 0.1}, [f"layers.{layer}.disturb" for layer in range(3)]),
    ],
)
def test_where_it_acts(noise: dict[str, Any], expected: list[str]) -> None:
    built = network(MLP, (4,), {"noise": noise}, {})
    assert places(built) == expected
    x = rows(2, 8, 4)
    assert not torch.equal(*built(x))
    assert torch.equal(*built.eval()(x))


def test_both_distributions_in_one_fleet() -> None:
    """Each trial has noise of its own distribution and no other."""
    kinds = [{"noise": {"input": 1.0, "distribution": d}} for d in ("gaussian", "uniform")]
    layer = network(MLP, (500,), *kinds, {}).get_submodule("input")
    noise = layer(torch.zeros(3, 400, 500))
    assert noise[0].abs().max() > 3
    assert noise[1].abs().max() <= 3**0.5
    assert noise[1].std().item() == pytest.approx(1, rel=0.01)
    assert (noise[2] == 0).all()


def test_deviation_may_follow_a_schedule() -> None:
    noise = {"noise": {"input": 1.0, "schedule": {"kind": "linear", "start": 1.0, "end": 0.0}}}
    built = network(MLP, (500,), noise)
    deviations = []
    for epoch in range(3):
        built.start_epoch(epoch, 3)
        deviations.append(built.get_submodule("input")(torch.zeros(1, 400, 500)).std().item())
    assert deviations == pytest.approx([1, 0.5, 0], abs=0.01)
