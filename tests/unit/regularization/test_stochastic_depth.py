"""Stochastic depth: whole branches, row by row, more often in later blocks."""

import pytest
import torch

from tests.streams import stream
from tests.techniques import network
from worker.regularization.families.dropout import DropoutLayer
from worker.regularization.random_streams import LEVELS
from worker.regularization.stochastic_depth import StochasticDepth


def test_linear_decay_rule() -> None:
    assert StochasticDepth(p=0.4).rates(4) == pytest.approx((0.1, 0.2, 0.3, 0.4))


def test_rows_lose_the_whole_branch_or_nothing() -> None:
    layer = StochasticDepth.layer(torch.tensor([0.0, 0.4]), (None, None), 3, stream(2))
    shaken = layer(torch.ones(2, 5000, 3))
    assert torch.equal(shaken, shaken[..., :1].expand_as(shaken))
    assert torch.equal(shaken[0], torch.ones(5000, 3))
    assert (shaken[1] == 0).float().mean().item() == pytest.approx(0.4, abs=0.03)
    assert shaken[1].mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(layer.eval()(shaken), shaken)


def test_acts_on_every_branch() -> None:
    built = network(
        {"kind": "residual_mlp", "blocks": 3, "width": 4}, (2,), {"stochastic_depth": {}}
    )
    layers = {name: m for name, m in built.named_modules() if isinstance(m, DropoutLayer)}
    assert list(layers) == ["branches.0", "branches.1", "branches.2"]
    amounts = [float(layer.amount) for layer in layers.values()]
    assert amounts == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=1 / LEVELS)
