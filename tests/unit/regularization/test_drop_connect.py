"""DropConnect: weights are dropped, and their mean is what eval mode uses."""

import pytest
import torch

from tests.techniques import network, rows
from worker.networks.affine import Affine
from worker.regularization import DropConnect
from worker.regularization.families.dropout import DropoutLayer

MLP = {"kind": "mlp", "hidden": [6, 5]}


def dropping(built: torch.nn.Module) -> list[str]:
    return [
        name
        for name, module in built.named_modules()
        if isinstance(module, Affine) and isinstance(module.disturb, DropoutLayer)
    ]


@pytest.mark.slow
def test_mean_over_masks_is_the_answer_of_eval_mode() -> None:
    """A linear model: the mean over masks of x (M ⊙ W) / (1 − p) + b is x W + b."""
    built = network({"kind": "linear"}, (5,), {"drop_connect": {"p": 0.5}}, {})
    x = rows(2, 4, 5)
    sampled = torch.stack([built(x) for _ in range(4000)])
    expected = built.eval()(x)
    torch.testing.assert_close(sampled.mean(0), expected, rtol=0, atol=0.05)
    assert sampled[:, 0].std() > 0.1
    assert torch.equal(sampled[0, 1], expected[1])


def test_one_mask_serves_all_rows_of_a_batch() -> None:
    built = network({"kind": "linear"}, (5,), {"drop_connect": {"p": 0.5}})
    scores = built(torch.ones(1, 9, 5))[0]
    assert torch.equal(scores, scores[:1].expand_as(scores))


def test_share_of_dropped_weights() -> None:
    built = network({"kind": "linear"}, (300,), {"drop_connect": {"p": 0.3}}, outputs=50)
    layer = built.get_submodule("layers.0")
    assert isinstance(layer, Affine)
    assert (layer.disturb(layer.weight) == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)


def test_all_layers_but_the_output_unless_asked() -> None:
    assert dropping(network(MLP, (4,), {"drop_connect": {}})) == ["layers.0", "layers.1"]
    assert dropping(network(MLP, (4,), {"drop_connect": {"layers": [2]}})) == ["layers.2"]
    assert DropConnect(p=0.4, layers=(1,)).rates(2) == (0.0, 0.4, 0.0)


def test_convolutions_drop_weights_too() -> None:
    built = network({"kind": "cnn", "hidden": []}, (1, 8, 8), {"drop_connect": {}})
    assert dropping(built) == ["layers.0", "layers.1"]
    x = rows(1, 3, 1, 8, 8)
    assert not torch.equal(built(x), built(x))
    assert torch.equal(built.eval()(x), built(x))
