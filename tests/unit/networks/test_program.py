"""A network's program gives the network's scores; a network that holds anything else has none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.networks_at_rest import at_rest
from worker.networks import write_programs

SILENT = {"dropout": {"p": 0.3, "input_p": 0.1}, "noise": {"input": 0.1, "weights": 0.1}}
BOTH = {"batch_norm": {"epsilon": 1e-3}, "layer_norm": {"epsilon": 1e-3}}
MLP = {"kind": "mlp", "hidden": [33, 7]}
CNN = {"kind": "cnn", "channels": [3, 5], "hidden": [9]}
RESIDUAL = {"kind": "residual_mlp", "width": 24, "blocks": 3}
NETWORKS: list[tuple[dict[str, Any], tuple[int, ...], dict[str, Any]]] = [
    ({"kind": "linear"}, (13,), {}),
    ({"kind": "linear"}, (2, 3, 4), {"dropout": {"input_p": 0.2}}),
    *((MLP | {"activation": name}, (13,), {}) for name in ("relu", "tanh", "gelu", "silu")),
    (MLP | {"activation": "selu"}, (13,), {"alpha_dropout": {"p": 0.1}}),
    (MLP | {"activation": "leaky_relu"}, (3, 5), {"drop_connect": {"p": 0.2}}),
    (MLP, (13,), {"batch_norm": {}} | SILENT),
    (MLP, (13,), {"layer_norm": {}}),
    (MLP | {"activation": "tanh"}, (13,), BOTH),
    ({"kind": "mlp", "hidden": [1, 17]}, (1,), {"batch_norm": {}}),
    (RESIDUAL, (13,), {}),
    (RESIDUAL, (13,), {"batch_norm": {}, "stochastic_depth": {"p": 0.4}}),
    (RESIDUAL | {"activation": "silu"}, (13,), BOTH | {"shake_drop": {"p": 0.5}}),
    (RESIDUAL, (13,), {"shake_shake": {}, "batch_norm": {}} | SILENT),
    (RESIDUAL, (13,), {"shake_shake": {}, "shake_drop": {"p": 0.3}, "layer_norm": {}}),
    (CNN, (1, 9, 7), {}),
    (CNN, (2, 9, 7), {"batch_norm": {}, "spatial_dropout": {"p": 0.2}}),
    (CNN | {"activation": "gelu", "pool": 1}, (2, 9, 7), {"layer_norm": {}}),
    (CNN, (2, 30), BOTH),
]


@pytest.mark.parametrize(("spec", "shape", "techniques"), NETWORKS)
def test_a_program_gives_the_networks_scores(
    spec: dict[str, Any], shape: tuple[int, ...], techniques: dict[str, Any]
) -> None:
    network = at_rest(spec, shape, 3, techniques, members=2)
    programs = write_programs(network, shape)
    assert programs is not None
    x = torch.randn(12, *shape, generator=torch.Generator().manual_seed(1))
    given = x.clone()
    expected = network(x.expand(2, *x.shape))
    found = torch.stack([program(x) for program in programs])
    assert torch.equal(x, given), "rows stay as they are"
    assert not torch.equal(found[0], found[1])
    scale = float(expected.abs().max())
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=2e-6 * scale)


def test_a_program_knows_its_work() -> None:
    """One product a dense layer; a kernel's at each position of its maps."""
    (dense,) = write_programs(at_rest(MLP, (13,), 3), (13,)) or ()
    assert dense.flops == 2 * (13 * 33 + 33 * 7 + 7 * 3)
    (maps,) = write_programs(at_rest(CNN, (1, 8, 4), 3), (1, 8, 4)) or ()
    assert maps.flops == 2 * (9 * 3 * 32 + 27 * 5 * 8 + (5 * 2) * 9 + 9 * 3)


class Doubled(nn.Module):
    """A layer that no program knows."""

    def forward(self, h: Tensor) -> Tensor:
        return 2 * h


def replaced(network: nn.Module) -> None:
    network.get_submodule("dropouts")[0] = Doubled()  # type: ignore[operator]


def own_forward(network: nn.Module) -> None:
    layer = network.get_submodule("layers.1")
    layer.forward = lambda h: 2 * h @ layer.weight  # type: ignore[method-assign, operator]


@pytest.mark.parametrize(
    "change",
    [
        replaced,
        own_forward,
        lambda network: network.get_submodule("norms.0").train(),
        lambda network: network.register_forward_hook(lambda _, __, scores: 2 * scores),
        lambda network: network.get_submodule("layers.0").register_forward_pre_hook(
            lambda _, rows: (2 * rows[0],)
        ),
    ],
)
def test_a_network_with_anything_unknown_has_no_program(
    change: Callable[[nn.Module], object],
) -> None:
    network = at_rest(MLP, (13,), 3, {"batch_norm": {}})
    assert write_programs(network, (13,))
    change(network)
    assert write_programs(network, (13,)) is None
