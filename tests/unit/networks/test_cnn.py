"""The convolutional network is what torch.nn would build, K times."""

import pytest
import torch
from torch import nn

from tests.techniques import network, rows

CNN = {"kind": "cnn", "channels": [4, 6], "hidden": [5], "kernel_size": 3, "pool": 2}


ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "silu": nn.SiLU}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_equals_the_same_of_torch_s_modules(name: str) -> None:
    """Those that rise come after the pooling; the others may not."""
    built = network({**CNN, "activation": name}, (2, 9, 8), {}, {}, seeds=[1, 2])
    act = ACTIVATIONS[name]
    x = rows(2, 3, 2, 9, 8)
    scores = built(x)
    for trial in range(2):
        modules = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), act(), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1), act(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(6 * 2 * 2, 5), act(), nn.Linear(5, 3),
        )  # fmt: skip
        layers = [m for m in modules if isinstance(m, nn.Conv2d | nn.Linear)]
        for number, layer in enumerate(layers):
            weight = built.get_parameter(f"layers.{number}.weight")[trial]
            dense = isinstance(layer, nn.Linear)
            bias = built.get_parameter(f"layers.{number}.bias")[trial]
            layer.load_state_dict({"weight": weight.T if dense else weight, "bias": bias})
        torch.testing.assert_close(scores[trial], modules(x[trial]), rtol=1e-4, atol=1e-6)


def test_series_and_no_dense_layer() -> None:
    series = network({**CNN, "hidden": [], "pool": 8}, (3, 20), {}, {"batch_norm": {}})
    assert series(rows(2, 5, 3, 20)).shape == (2, 5, 3)
    assert [tuple(p.shape[1:]) for n, p in series.named_parameters() if "layers" in n] == [
        (4, 3, 3), (4,), (6, 4, 3), (6,), (6, 3), (3,),
    ]  # fmt: skip


def test_widest_layer_is_counted() -> None:
    assert network(CNN, (2, 9, 8), {}).widest == 4 * 9 * 8
