"""What a network will be, without building it."""

from typing import Any

import pytest
import torch

from tests.techniques import network, network_spec
from worker.networks import count_parameters
from worker.networks.layout import lay_out
from worker.networks.parameters import Parameters
from worker.regularization import Regularization

CASES: list[tuple[dict[str, Any], tuple[int, ...], dict[str, Any]]] = [
    ({"kind": "linear"}, (300,), {}),
    ({"kind": "mlp", "hidden": [40, 30]}, (5,), {"batch_norm": {}}),
    ({"kind": "mlp", "hidden": [40, 30], "activation": "selu"}, (5,), {}),
    ({"kind": "cnn", "channels": [8, 16], "hidden": [20]}, (3, 9, 8), {"layer_norm": {}}),
    ({"kind": "residual_mlp", "width": 20, "blocks": 2}, (5,), {"shake_shake": {}}),
]


@pytest.mark.parametrize(("spec", "shape", "techniques"), CASES)
def test_it_is_that_of_the_network(
    spec: dict[str, Any], shape: tuple[int, ...], techniques: dict[str, Any]
) -> None:
    parameters = Parameters(network(spec, shape, techniques))
    layout = lay_out(network_spec(**spec), shape, 3, Regularization.model_validate(techniques))
    assert layout.parameters == parameters.count
    assert layout.parameters == count_parameters(
        network_spec(**spec), shape, 3, Regularization.model_validate(techniques)
    )
    for biases in (True, False):
        for layers in (None, [0], [1, 2]):
            columns = parameters.index.chosen(biases=biases, layers=layers)
            blocks = layout.chosen(biases=biases, layers=layers)
            assert sum(block.count for block in blocks) == int(columns.sum())
    weights = parameters.values[0]
    for moment, drawn in (("size", weights.abs()), ("square", weights.square())):
        expected = sum(block.count * getattr(block, moment) for block in layout.blocks)
        assert expected == pytest.approx(float(drawn.sum()), rel=0.1)


def test_a_convolution_uses_its_weights_at_each_position() -> None:
    spec = network_spec(kind="cnn", channels=[4, 8], hidden=[], kernel_size=3, pool=2)
    layout = lay_out(spec, (3, 9, 8), 2, Regularization())
    assert layout.positions == (72, 16, 1)
    first, second, output = 3 * 4 * 9, 4 * 8 * 9, 8 * 2 * 2 * 2
    assert layout.units == 72 * 4 + 16 * 8 + 2
    assert layout.multiplications == 72 * first + 16 * second + output


def test_nothing_is_allocated() -> None:
    """Sixteen layers of 16,384 units would take 17 GB."""
    spec = network_spec(kind="mlp", hidden=[16_384] * 17)
    assert lay_out(spec, (10,), 1, Regularization()).parameters > 4_000_000_000
    assert torch.get_default_device().type == "cpu"
