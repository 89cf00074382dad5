"""ShakeDrop: its values forward and backward, its mean, its p saved with the weights."""

import pytest
import torch

from tests.streams import stream
from tests.techniques import network, rows
from worker.regularization.ramp import Ramp
from worker.regularization.shake_drop import ShakeDrop

RESIDUAL = {"kind": "residual_mlp", "blocks": 2, "width": 4}


def test_forward_and_backward_take_their_own_numbers() -> None:
    """b + α − bα forward, b + β − bβ backward, by hand."""
    h = torch.tensor([[[2.0], [2.0]]], requires_grad=True)
    b = torch.tensor([[[1.0], [0.0]]])
    alpha, beta = torch.full((1, 2, 1), -0.5), torch.full((1, 2, 1), 0.25)
    shaken = ShakeDrop.shake(h, b, alpha, beta)
    assert shaken.flatten().tolist() == [2.0, -1.0]
    shaken.sum().backward()
    assert h.grad is not None
    assert h.grad.flatten().tolist() == [1.0, 0.25]


def test_mean_in_training_is_the_scale_of_eval_mode() -> None:
    p = torch.tensor([0.0, 0.3, 0.8])
    layer = ShakeDrop.layer(p, (None,) * 3, 3, stream(3))
    shaken = layer(torch.ones(3, 20_000, 2))
    assert torch.equal(shaken, shaken[..., :1].expand_as(shaken))
    assert shaken.abs().max() <= 1
    assert torch.equal(shaken[0], torch.ones(20_000, 2))
    assert shaken.mean((1, 2)).tolist() == pytest.approx((1 - p).tolist(), abs=0.02)
    evaluated = layer.eval()(torch.ones(3, 1, 1)).flatten().tolist()
    assert evaluated == pytest.approx((1 - p).tolist())


def test_p_of_the_moment_is_saved_with_the_weights() -> None:
    """Eval mode scales by it, so a model of an early epoch needs that epoch's p."""
    ramp = Ramp(kind="linear").model_dump()
    built = network(RESIDUAL, (3,), {"shake_drop": {"p": 0.8, "schedule": ramp}})
    built.start_epoch(1, 3)
    state = built.state_dict()
    assert state["branches.1.shake_drop.amount"].item() == pytest.approx(0.4)
    served = network(RESIDUAL, (3,), {"shake_drop": {"p": 0.8, "schedule": ramp}})
    served.load_state_dict(state)
    x = rows(1, 5, 3)
    assert torch.equal(served.eval()(x), built.eval()(x))
