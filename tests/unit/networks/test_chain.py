"""The derivative that is written out, against finite differences and against autograd."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from tests.fleets import ADAM, fleet, fleets
from tests.vocabulary import EXAMPLES
from worker.networks import build_network
from worker.networks.activations import activation
from worker.networks.chain import DenseChain, by_hand
from worker.networks.embedding import PiecewiseLinearEmbedding
from worker.networks.mlp import Mlp
from worker.regularization import Regularization
from worker.regularization.families import NormalizationLayer
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


NOISE = {"input": 0.1, "weights": 0.05, "activations": 0.2}
LAYERS: list[dict[str, Any]] = [
    {"batch_norm": {"momentum": 0.3}},
    {"layer_norm": {}},
    {"batch_norm": {}, "layer_norm": {}},
    {"alpha_dropout": {"p": 0.4, "input_p": 0.2}},
    {"drop_connect": {"p": 0.4}},
    {"noise": {**NOISE, "distribution": "uniform"}, "dropout": {"p": 0.3, "input_p": 0.3}},
    {
        "noise": NOISE,
        "dropout": {"p": 0.4},
        "alpha_dropout": {"p": 0.2},
        "drop_connect": {"p": 0.3, "layers": [0, 2]},
        "batch_norm": {},
    },
]
EMBEDDINGS: list[dict[str, Any] | None] = [
    None,
    {"kind": "periodic", "frequencies": 3, "dimension": 4},
    {"kind": "piecewise_linear", "bins": 4, "dimension": 5},
    {"kind": "piecewise_linear", "bins": 4, "dimension": None},
]
"""How numbers enter: as they are, periodic, and in bins with and without a dense layer."""


@pytest.mark.parametrize("name", ["relu", "selu", "gelu"])
@pytest.mark.parametrize("techniques", LAYERS, ids=lambda given: "-".join(given))
@pytest.mark.parametrize("everywhere", [True, False])
def test_what_stands_between_layers_equals_autograd(
    name: str, techniques: dict[str, Any], everywhere: bool
) -> None:
    """To 1e-10 in float64: scores, gradients by weights and rows, and running averages."""
    agree(name, [techniques if everywhere else {}, techniques, techniques], None)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_the_slope_by_rows_through_an_embedding(embedding: dict[str, Any] | None) -> None:
    agree("tanh", [{}, {"dropout": {"p": 0.3, "input_p": 0.3}}, {"batch_norm": {}}], embedding)


def agree(name: str, settings: list[dict[str, Any]], embedding: dict[str, Any] | None) -> None:
    """Both ways of one network of three trials, of widths that are multiples of nothing."""
    spec = MlpSpec.model_validate(
        {"kind": "mlp", "hidden": [7, 5], "activation": name, "embedding": embedding}
    )
    trials = [Regularization.model_validate(each) for each in settings]
    streams = RandomStreams([0, 1, 0])
    net = build_network(spec, (3,), 2, trials, streams=streams, numbers=(0, 2))
    net.initialize([0, 1, 2])
    if isinstance(net.embedding, PiecewiseLinearEmbedding):
        net.embedding.set_edges(torch.linspace(-2, 2, 5).expand(3, 2, 5))
    net.double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in net.modules():
            if isinstance(norm, NormalizationLayer):  # γ and β that are not 1 and 0 where it is on
                norm.weight *= 1 + torch.rand(norm.weight.shape, generator=generator)
                norm.bias += norm.weight / 3
    x = 2 * torch.randn(3, 9, 3, generator=generator, dtype=torch.float64)
    g = torch.randn(3, 9, 2, generator=generator, dtype=torch.float64)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    parameters = list(net.parameters())

    x.requires_grad_()
    scores: Tensor = net(x)
    by_rows, *by_parameter = torch.autograd.grad(
        scores, [x, *parameters], g, allow_unused=True, materialize_grads=True
    )
    averages = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    net.load_state_dict(before)
    streams.rewind()
    chain = net.by_hand()
    assert isinstance(chain, DenseChain)
    with torch.no_grad():
        close(chain.forward(x.detach()), scores.detach())
        for _ in range(2):  # once more: nothing that is kept was written over
            found = chain.backward(g.clone())
            assert len(found) == len(by_parameter)
            for mine, theirs in zip(found, by_parameter, strict=True):
                close(mine.reshape(theirs.shape), theirs)
            close(chain.by_rows(), by_rows)
    for key, tensor in net.state_dict().items():
        close(tensor, averages[key])
    statistics = any("running" in key for key in averages)
    assert statistics == any("batch_norm" in each for each in settings)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_what_does_not_say_its_derivative_is_left_to_autograd() -> None:
    net = network("relu", 1)
    assert net.by_hand() is not None
    net.norms[0] = nn.LayerNorm(5)
    assert net.by_hand() is None


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
        {"name": "smooth", "regularization": {"jacobian": {"strength": 0.1}}},
        {"name": "dropout", "regularization": {"dropout": {"p": 0.1}}},
    ]
    runs = fleets(compare=compared)
    assert [run.engine.loss.is_by_hand for run in runs] == [True, False]
