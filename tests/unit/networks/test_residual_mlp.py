"""The residual network, by its formula."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.techniques import network, network_spec, rows
from worker.networks import count_parameters
from worker.regularization import Regularization

SPEC = {"kind": "residual_mlp", "blocks": 2, "width": 6}


def test_is_its_formula() -> None:
    """h ← h + W₂·act(W₁·act(h)); act before the output."""
    built = network(SPEC, (4,), {}, {}, seeds=[1, 2])
    x = rows(2, 3, 4)

    def dense(layer: int, h: Tensor) -> Tensor:
        weight, bias = (built.get_parameter(f"layers.{layer}.{n}") for n in ("weight", "bias"))
        return h @ weight + bias[:, None]

    h = dense(0, x)
    for block in range(2):
        h = h + dense(2 * block + 2, dense(2 * block + 1, h.relu()).relu())
    torch.testing.assert_close(built(x), dense(5, h.relu()))


def test_nine_layers_of_512_units_by_default() -> None:
    """As in the cocktail paper; with two branches the blocks have twice the weights."""
    spec = network_spec(kind="residual_mlp")
    assert (spec.depth, spec.width, spec.dropout_sites, spec.residual_blocks) == (9, 512, 4, 4)
    first, hidden, output = 21 * 512, 8 * (512 * 512 + 512), 513 * 2
    off = Regularization()
    assert count_parameters(spec, (20,), 2, off) == first + hidden + output
    shaken = Regularization.model_validate({"shake_shake": {}})
    assert count_parameters(spec, (20,), 2, shaken) == first + 2 * hidden + output


def test_images_are_flattened() -> None:
    built, x = network(SPEC, (3, 4, 5), {}), rows(1, 2, 3, 4, 5)
    flat = network(SPEC, (60,), {})
    assert torch.equal(built(x), flat(x.flatten(2)))


def test_selu_stays_normalized() -> None:
    """LeCun's normal keeps variance near 1 through eight layers of SELU."""
    mlp = {"kind": "mlp", "hidden": [256] * 8, "activation": "selu"}
    built = network(mlp, (256,), {})
    h = rows(1, 200, 256)
    for layer in range(8):
        weight = built.get_parameter(f"layers.{layer}.weight")
        h = functional.selu(h @ weight)
    assert 0.7 < h.var().item() < 1.3
