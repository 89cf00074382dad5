"""The derivative that is written out, against finite differences and against autograd."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from tests.fleets import ADAM, fleet, fleets
from tests.vocabulary import EXAMPLES
from worker.networks import build_network
from worker.networks.activations import activation
from worker.networks.chain import DenseChain, by_hand
from worker.networks.mlp import Mlp
from worker.regularization import Regularization
from worker.regularization.random_streams import RandomStreams
from worker.spec import Activation, MlpSpec


def network(name: str, outputs: int) -> Mlp:
    """Two trials of 3-5-4 with dropout in one of them."""
    settings = [{}, {"dropout": {"p": [0.5, 0.25]}}]
    spec = MlpSpec.model_validate({"kind": "mlp", "hidden": [5, 4], "activation": name})
    regularizations = [Regularization.model_validate(s) for s in settings]
    built = build_network(spec, (3,), outputs, regularizations, streams=RandomStreams([0, 1]))
    built.initialize([0, 1])
    if not isinstance(built, Mlp):
        raise TypeError("an mlp was asked for")
    return built


@pytest.mark.parametrize("name", get_args(Activation))
@pytest.mark.parametrize("outputs", [1, 3])
def test_equals_autograd(name: str, outputs: int) -> None:
    """Same masks, same scores, same gradients, whatever the activation and width."""
    net = network(name, outputs)
    x, g = torch.randn(2, 6, 3), torch.randn(2, 6, outputs)
    random: Any = next(m.random for m in net.modules() if hasattr(m, "random"))
    random.streams.rewind()
    scores: Tensor = net(x)
    expected = torch.autograd.grad(scores, list(net.parameters()), g)
    random.streams.rewind()
    chain = net.by_hand()
    assert isinstance(chain, DenseChain)
    with torch.no_grad():
        torch.testing.assert_close(chain.forward(x), scores)
        for found, by_autograd in zip(chain.backward(g), expected, strict=True):
            torch.testing.assert_close(found, by_autograd)


@pytest.mark.parametrize("name", get_args(Activation))
def test_derivatives_are_right(name: str) -> None:
    """Each activation's derivative against central differences, away from the kink."""
    function = activation(name)
    z = torch.tensor([-2.0, -0.7, 0.3, 1.9], dtype=torch.float64)
    slope = function.derive(torch.ones_like(z), z, function.apply(z))
    step = 1e-6
    differences = (function.apply(z + step) - function.apply(z - step)) / (2 * step)
    torch.testing.assert_close(slope, differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "techniques",
    [{"batch_norm": {}}, {"drop_connect": {}}, {"alpha_dropout": {}}, {"noise": {"weights": 0.1}}],
    ids=str,
)
def test_gives_way_to_autograd(techniques: dict[str, Any]) -> None:
    """What it does not know is left to autograd."""
    run = fleet(regularization=techniques, training={**ADAM, "epochs": 1})
    assert run.engine.network.by_hand() is None


def test_input_noise_and_dropout_are_no_obstacle() -> None:
    """They come before the first layer."""
    run = fleet(regularization={"noise": {"input": 0.1}, "dropout": {"p": 0.1, "input_p": 0.1}})
    assert run.engine.network.by_hand() is not None


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_the_specification_says_is_what_the_network_does(name: str) -> None:
    """For each setting of each technique alone, wherever it can act."""
    example = EXAMPLES[name]
    for stage in example.stages:
        for settings in example.settings:
            (run,) = stage({name: settings})
            assert by_hand(run.trials[0]) == run.engine.loss.is_by_hand


def test_lowered_precision_is_left_to_autograd() -> None:
    run = fleet(training={**ADAM, "precision": "bfloat16"})
    assert not run.engine.loss.is_by_hand
    assert not by_hand(run.trials[0])


def test_trials_that_need_autograd_have_a_fleet_of_their_own() -> None:
    """Else all would go through it: several times slower, and with other roundings."""
    compared = [
        {"name": "plain"},
        {"name": "norm", "regularization": {"batch_norm": {}}},
        {"name": "dropout", "regularization": {"dropout": {"p": 0.1}}},
        {"name": "attacked", "regularization": {"adversarial": {}}},
    ]
    runs = fleets(compare=compared)
    assert [run.engine.loss.is_by_hand for run in runs] == [True, False]
