"""Names do not move between configurations, and a fleet's trial is the network alone."""

from typing import Any

import pytest
import torch

from tests.techniques import network, rows

NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "linear": ({"kind": "linear"}, (4,)),
    "mlp": ({"kind": "mlp", "hidden": [6, 5]}, (4,)),
    "residual_mlp": ({"kind": "residual_mlp", "blocks": 2, "width": 6}, (4,)),
    "images": ({"kind": "cnn", "channels": [4, 6], "hidden": [5]}, (2, 8, 8)),
    "series": ({"kind": "cnn", "channels": [4, 6], "hidden": [5]}, (2, 9)),
}
COMMON: list[dict[str, Any]] = [
    {"batch_norm": {}},
    {"layer_norm": {}},
    {"dropout": {"p": 0.5, "input_p": 0.1, "shape": "funnel"}, "batch_norm": {"momentum": 0.2}},
    {"noise": {"input": 0.1, "weights": 0.1, "activations": 0.1, "distribution": "uniform"}},
    {"noise": {"input": 0.2}, "alpha_dropout": {}, "drop_connect": {}},
    {"batch_norm": {}, "layer_norm": {}, "noise": {"activations": 0.3}},
    {},
]
SPECIAL: dict[str, list[dict[str, Any]]] = {
    "residual_mlp": [
        {"stochastic_depth": {}},
        {"shake_drop": {"p": 0.3}, "stochastic_depth": {}},
        {"shake_shake": {}, "batch_norm": {}},
        {"shake_shake": {"backward": "keep"}, "shake_drop": {}},
    ],
    "images": [{"spatial_dropout": {}}],
    "series": [{"spatial_dropout": {"p": [0.1, 0.3], "input_p": 0.1}}],
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_trial_of_a_fleet_can_be_served_alone(kind: str) -> None:
    """Rows of the fleet's tensors, by name, give the fleet's answers in eval mode."""
    spec, shape = NETWORKS[kind]
    members = [*COMMON, *SPECIAL.get(kind, [])]
    fleet = network(spec, shape, *members, seeds=range(len(members)))
    x = rows(len(members), 16, *shape)
    fleet(x)  # moves the running averages
    state = fleet.state_dict()
    scores = fleet.eval()(x)
    for trial, member in enumerate(members):
        alone = network(spec, shape, member).eval()
        alone.load_state_dict({name: state[name][trial : trial + 1] for name in alone.state_dict()})
        torch.testing.assert_close(alone(x[:1])[0], scores[trial], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
def test_off_beside_others_is_off(kind: str) -> None:
    """In training mode too: masks of 1, noise of 0, norms passed by, one branch."""
    spec, shape = NETWORKS[kind]
    members = [*COMMON, *SPECIAL.get(kind, [])]
    off = members.index({})
    x = rows(len(members), 16, *shape)
    torch.testing.assert_close(
        network(spec, shape, *members)(x)[off], network(spec, shape, {})(x[:1])[0]
    )


@pytest.mark.parametrize("kind", NETWORKS)
def test_same_seed_same_weights_whatever_the_techniques(kind: str) -> None:
    spec, shape = NETWORKS[kind]
    bare = dict(network(spec, shape, {}).named_parameters())
    for member in [*COMMON, *SPECIAL.get(kind, [])]:
        parameters = dict(network(spec, shape, member).named_parameters())
        for name, tensor in bare.items():
            assert torch.equal(parameters[name], tensor), (member, name)


def test_what_is_off_everywhere_costs_nothing() -> None:
    """No layer is there that no trial needs."""
    spec, shape = NETWORKS["residual_mlp"]
    built = network(spec, shape, {"dropout": {"p": 0.0}}, {"noise": {"input": 0.0}})
    kinds = {type(module).__name__ for module in built.modules()}
    assert kinds == {"ResidualMlp", "ModuleList", "ModuleDict", "Dense", "Identity"}
