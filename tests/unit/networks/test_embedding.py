"""Embeddings of numbers beside the same written out in plain PyTorch, column by column."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from torch import Tensor

from tests.techniques import network, network_spec, rows
from worker.errors import SpecError
from worker.networks import Mlp, build_network, count_parameters, lay_out
from worker.networks.embedding import PeriodicEmbedding, PiecewiseLinearEmbedding, embed
from worker.regularization import DataFacts, Regularization
from worker.spec import Periodic, PiecewiseLinear, Trial, check_trial
from worker.spec.training import Training
from worker.training.embeddings import bin_edges

TRIALS, ROWS, NUMBERS = 3, 6, (3, 0)
PERIODIC: dict[str, Any] = {"kind": "periodic", "frequencies": 5, "dimension": 3, "sigma": 0.7}
BINS: dict[str, Any] = {"kind": "piecewise_linear", "bins": 4, "dimension": 3}


def given(count: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(TRIALS, ROWS, count, generator=generator)


def periodic() -> PeriodicEmbedding:
    """Inputs 3 and 0 of 5 are numbers."""
    built = embed(Periodic.model_validate(PERIODIC), TRIALS, 5, NUMBERS)
    assert isinstance(built, PeriodicEmbedding)
    for row, seed in enumerate((4, 5, 6)):
        built.draw(torch.tensor([row]), seed, torch.tensor([0.2 * row + 0.1]))
    return built


def written_out(embedding: PeriodicEmbedding, trial: int, x: Tensor) -> Tensor:
    """ReLU(W·[cos 2πcx, sin 2πcx] + b) of each number, in float64; then inputs 1, 2 and 4."""
    assert embedding.weight is not None
    assert embedding.bias is not None
    weight, bias = embedding.weight[trial].double(), embedding.bias[trial].double().view(2, -1)
    c = embedding.frequencies[trial].double().view(2, -1)
    parts = []
    for place, column in enumerate(NUMBERS):
        angle = 2 * math.pi * x[:, column : column + 1] * c[place]
        v = torch.cat([torch.cos(angle), torch.sin(angle)], 1)
        parts.append(torch.relu(torch.nn.functional.linear(v, weight[place].T, bias[place])))
    return torch.cat([*parts, x[:, [1, 2, 4]]], 1)


def test_a_periodic_embedding_has_the_value_and_slopes_of_one_written_out() -> None:
    embedding, x = periodic(), given()
    g = torch.randn(TRIALS, ROWS, embedding.outputs, generator=torch.Generator().manual_seed(2))
    found = embedding(x)
    learnt = list(embedding.parameters())
    slopes = torch.autograd.grad((found * g).sum(), learnt)
    with torch.no_grad():
        assert torch.equal(embedding.remember(x), found)
        by_hand = embedding.backward(g)
    for trial in range(TRIALS):
        expected = written_out(embedding, trial, x[trial].double())
        torch.testing.assert_close(found[trial].double(), expected, rtol=1e-5, atol=1e-6)
        known = torch.autograd.grad((expected * g[trial]).sum(), learnt)
        for slope, own, reference in zip(slopes, by_hand, known, strict=True):
            assert reference[trial].abs().max() > 0.1
            torch.testing.assert_close(slope[trial], reference[trial], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(own[trial], reference[trial], rtol=1e-4, atol=1e-5)


def test_a_periodic_embedding_is_differentiated_twice() -> None:
    """As what penalizes slopes needs it."""
    embedding, x = periodic(), given().requires_grad_()
    known = given().double().requires_grad_()
    expected = torch.stack([written_out(embedding, k, known[k]) for k in range(TRIALS)])
    found = []
    for scores, by in ((embedding(x), x), (expected, known)):
        (slope,) = torch.autograd.grad(scores.square().sum(), by, create_graph=True)
        of_slope = torch.autograd.grad(slope.square().sum(), [by, embedding.frequencies])
        found.append([gradient.double() for gradient in of_slope])
    for own, reference in zip(*found, strict=True):
        assert reference.abs().max() > 1
        torch.testing.assert_close(own, reference, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("by", ["quantile", "tree"])
def test_bins_encode_as_the_paper_has_it(by: Any) -> None:
    """Equation 1, case by case, on columns of which one has three values, and one is constant."""
    random = np.random.default_rng(3)
    columns = [random.normal(size=80), random.integers(0, 3, 80), np.full(80, 2.0)]
    x = np.stack(columns, axis=1).astype(np.float32)
    y = random.integers(0, 2, 80)
    edges = bin_edges(x, y, 4, by, classes=True)
    spec = PiecewiseLinear(kind="piecewise_linear", bins=4)
    embedding = embed(spec, 1, 3, None)
    assert isinstance(embedding, PiecewiseLinearEmbedding)
    embedding.set_edges(torch.from_numpy(edges)[None])
    new = np.concatenate([x, x.min(0)[None] - 1, x.max(0)[None] + 1])
    found = embedding(torch.from_numpy(new)[None])[0].view(len(new), 3, 4).numpy()
    for column in range(3):
        b = edges[column][~np.isnan(edges[column])]
        bins = max(len(b) - 1, 0)
        assert (found[:, column, bins:] == 0).all()
        for t in range(1, bins + 1):
            share = (new[:, column] - b[t - 1]) / (b[t] - b[t - 1])
            expected = np.where(
                (new[:, column] < b[t - 1]) & (t > 1),
                0.0,
                np.where((new[:, column] >= b[t]) & (t < bins), 1.0, share),
            )
            np.testing.assert_allclose(found[:, column, t - 1], expected, rtol=1e-5, atol=1e-6)
    assert found.min() < 0  # the outer bins go on
    assert found.max() > 1


def test_edges_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(4)
    x = random.normal(size=(200, 2)).astype(np.float32)
    quantiles = bin_edges(x, x[:, 0], 8, "quantile", classes=False)
    known = KBinsDiscretizer(8, strategy="quantile", quantile_method="linear", subsample=None)
    known.fit(x)
    np.testing.assert_allclose(quantiles, np.stack(known.bin_edges_.tolist()), rtol=1e-5)
    for classes, kind in ((True, DecisionTreeClassifier), (False, DecisionTreeRegressor)):
        y = (np.abs(x[:, 1]) > 0.5).astype(int) if classes else np.sin(3 * x[:, 1])
        edges = bin_edges(x, y, 8, "tree", classes=classes)[1]
        tree = kind(max_leaf_nodes=8, min_samples_leaf=200 // 32, random_state=0)
        leaves = tree.fit(x[:, 1:], y).apply(x[:, 1:])
        inner = edges[~np.isnan(edges)][1:-1]
        told = np.searchsorted(inner, x[:, 1], side="left")
        assert len(set(leaves)) == len(inner) + 1
        assert len(inner) > 1
        assert len(set(zip(leaves.tolist(), told.tolist(), strict=True))) == len(inner) + 1


@pytest.mark.parametrize("embedding", [PERIODIC, BINS, {"kind": "piecewise_linear", "bins": 4}])
def test_categories_pass_by_and_parameters_are_counted(embedding: dict[str, Any]) -> None:
    spec = network_spec(kind="mlp", hidden=[7], embedding=embedding)
    none = Regularization()
    built = build_network(spec, (5,), 2, [none], numbers=(0, 3))
    assert isinstance(built, Mlp)
    assert built.embedding is not None
    inputs = 2 * built.embedding.width + 3
    assert built.layers[0].weight.shape[1] == inputs
    own = sum(p.numel() for p in built.embedding.parameters())
    whole = own + (inputs + 1) * 7 + 8 * 2
    assert count_parameters(spec, (5,), 2, none, (0, 3)) == whole
    layout = lay_out(spec, (5,), 2, none, (0, 3))
    assert layout.parameters == whole
    weights = 0 if built.embedding.weight is None else built.embedding.weight.numel()
    assert layout.multiplications == weights + inputs * 7 + 7 * 2
    built.initialize([0])  # memory as it was may hold what is no number
    x = torch.zeros(1, 2, 5)
    x[0, 1, 1] = 3.0
    with torch.no_grad():
        h = built.embedding(x)
    assert (h[0, 1] != h[0, 0]).nonzero().flatten().tolist() == [2 * built.embedding.width]


def test_other_networks_say_why_they_have_no_embedding() -> None:
    for kind in ("linear", "cnn"):
        with pytest.raises(ValidationError, match=f"a {kind} network has no embedding of numbers"):
            network_spec(kind=kind, embedding={"kind": "periodic"})


@pytest.mark.parametrize("data", [DataFacts((1, 8, 8), ()), DataFacts((4,), (), numbers=0)])
def test_what_has_no_numbers_is_refused(data: DataFacts) -> None:
    trial = Trial(
        name="", configuration=0, network=network_spec(kind="mlp", embedding=PERIODIC),
        regularization=Regularization(), training=Training(),
    )  # fmt: skip
    with pytest.raises(SpecError, match="no column of numbers") as error:
        check_trial(trial, data)
    assert error.value.param == "network.embedding"


def test_training_disturbs_and_answering_does_not() -> None:
    """Noise and dropout on inputs act before the embedding."""
    built = network(
        {"kind": "mlp", "hidden": [4], "embedding": PERIODIC},
        (5,),
        {"dropout": {"p": 0.5, "input_p": 0.5}, "noise": {"input": 0.1}},
    )
    x = rows(1, 4, 5)
    noisy = built.train()(x)
    built.eval()
    assert torch.equal(built(x), built(x))
    assert not torch.equal(built(x), noisy)
