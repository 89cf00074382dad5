"""Losses of numbers, weights and offsets of rows: derivatives, closed forms, other libraries."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import huber as half_huber
from sklearn.linear_model import QuantileRegressor
from torch import Tensor

from worker.data import Outline, Table, prepare
from worker.data.table import numeric
from worker.models import TrainedModel, certify
from worker.search import plan
from worker.spec import HuberLoss, JobSpec, LossSpec, PoissonLoss, QuantileLoss
from worker.training import FleetRun
from worker.training.losses import cross_entropy, cross_entropy_slope, data_loss

Array = NDArray[np.float64]
pytestmark = pytest.mark.usefixtures("one_thread")
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((120, 2))
NOISE = RANDOM.standard_t(1.5, 120)
Y = X @ [1.0, -0.5] + 0.5 + 0.3 * NOISE
WEIGHT = RANDOM.integers(0, 3, 120).astype(float)
OFFSET = RANDOM.uniform(-1, 1, 120)
SOLVED: dict[str, Any] = {"epochs": 5, "optimizer": {"kind": "solver"}}
SGD: dict[str, Any] = {"kind": "sgd", "learning_rate": 0.05}
RAW = {"numeric": "none", "target": "none"}


def trained(columns: dict[str, Array], training: dict[str, Any], **job: Any) -> FleetRun:
    """A fleet of one on x0, x1, y and further columns, all rows of which train."""
    table = Table.of([numeric(name, values) for name, values in columns.items()])
    spec = JobSpec.model_validate(
        {
            "dataset": "ds_12345678",
            "target": "y",
            "task": "regression",
            "network": {"kind": "linear"},
            "split": {"validation": 0, "test": 0},
            "preprocessing": RAW,
            "training": training,
            **job,
        }
    )
    (fleet,) = plan(spec, Outline.of(table, spec))
    run = FleetRun(fleet.trials, prepare(table, spec))
    for _ in run.epochs():
        pass
    return run


def columns(rows: Any = slice(None), **further: Array) -> dict[str, Array]:
    named = {"x0": X[:, 0], "x1": X[:, 1], "y": Y, **further}
    return {name: values[rows] for name, values in named.items()}


def weights(run: FleetRun) -> Array:
    """Coefficients, then the intercept."""
    tensors = run.result().tensors
    w, b = (tensors[f"weights.layers.0.{name}"][0].flatten() for name in ("weight", "bias"))
    return torch.cat([w, b]).double().numpy()


@pytest.mark.parametrize("loss", [PoissonLoss(kind="poisson"), HuberLoss(kind="huber", delta=0.7)])
def test_derivatives_are_those_of_autograd(loss: LossSpec) -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 33, 1, dtype=torch.float64, requires_grad=True)
    y = torch.randint(0, 4, (2, 33)).double()
    of = data_loss("regression", loss)
    (slope,) = torch.autograd.grad(of.value(scores, y).sum(), scores, create_graph=True)
    torch.testing.assert_close(of.slope(scores, y), slope)
    (bend,) = torch.autograd.grad(slope.sum(), scores)
    near = bend != 0  # beyond δ it is 0, and a bound is taken
    assert near.any()
    torch.testing.assert_close(of.curvature(scores, y)[near], bend[near])


def test_the_slope_of_a_pinball_is_its_quantile() -> None:
    y = torch.tensor([[1.0, 1.0]])
    scores = torch.tensor([[[0.0], [2.0]]])
    slope = data_loss("regression", QuantileLoss(kind="quantile", q=0.3)).slope(scores, y)
    torch.testing.assert_close(slope[0, :, 0], torch.tensor([-0.3, 0.7]))


@pytest.mark.parametrize("method", ["newton", "proximal_gradient"])
def test_huber_regression(method: str) -> None:
    """SciPy's minimum, with weights and an offset; its Huber has a half."""
    training = {
        "epochs": 30,
        "optimizer": {"kind": "solver", "method": method},
        "loss": {"kind": "huber", "delta": 0.3},
    }
    named = columns(w=WEIGHT, o=OFFSET)
    regularization = {"l2": {"strength": 0.05}}
    run = trained(named, training, sample_weight="w", offset="o", regularization=regularization)
    assert run.outcomes[0].solved

    def objective(v: Array) -> float:
        left = X @ v[:2] + v[2] + OFFSET - Y
        data = (WEIGHT * 2 * half_huber(0.3, left)).sum() / WEIGHT.sum()
        return float(data + 0.05 * (v[:2] ** 2).sum())

    expected = minimize(objective, np.zeros(3), tol=1e-12, method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(weights(run), expected.x, atol=1e-5)


def test_a_quantile_comes_near_that_of_linear_programming() -> None:
    training = {
        "epochs": 150,
        "batch_size": 120,
        "optimizer": {"kind": "adam", "learning_rate": 0.02},
        "loss": {"kind": "quantile", "q": 0.8},
    }
    run = trained(columns(), training)
    peer = QuantileRegressor(quantile=0.8, alpha=0).fit(X, Y)
    left = Y - peer.predict(X)
    best = np.maximum(0.8 * left, -0.2 * left).mean()
    (result,) = run.results()
    assert result.metrics["train_loss"] == result.metrics["train_pinball"]
    assert best - 1e-6 <= (result.metrics["train_loss"] or 0) <= 1.02 * best


@pytest.mark.parametrize("optimizer", [{"kind": "solver"}, SGD])
@pytest.mark.parametrize("loss", [None, {"kind": "huber"}, {"kind": "poisson"}])
def test_a_weight_is_how_often_a_row_occurs(
    optimizer: dict[str, Any], loss: dict[str, Any] | None
) -> None:
    """Of 0, 1 and 2: the same as the rows left out, or there twice."""
    training = {"epochs": 5, "batch_size": 500, "optimizer": optimizer, "loss": loss}
    copies = np.repeat(np.arange(120), WEIGHT.astype(int))
    target = {} if loss != {"kind": "poisson"} else {"y": np.floor(np.abs(Y))}
    one = trained(columns(w=WEIGHT, **target), training, sample_weight="w")
    other = trained({n: v[copies] for n, v in columns(**target).items()}, training)
    np.testing.assert_allclose(weights(one), weights(other), rtol=1e-4, atol=1e-6)
    mine, theirs = one.results()[0].metrics, other.results()[0].metrics
    for name in ("train_loss", "train_rmse", "train_r2"):
        assert mine[name] == pytest.approx(theirs[name], rel=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "residual_mlp", "linear"])
@pytest.mark.parametrize("noise", [{}, {"adversarial": {"epsilon": 0.0}}])
def test_an_offset_is_added_to_the_score(kind: str, noise: dict[str, Any]) -> None:
    """Under a squared error it is the same as a target from which it is subtracted, by hand and by
    autograd; the model answers with it, and passes its certificate.
    """
    training = {"epochs": 2, "batch_size": 40, "optimizer": SGD}
    network = {"kind": kind, **({"hidden": [5]} if kind == "mlp" else {})}
    network |= {"width": 6, "blocks": 1} if kind == "residual_mlp" else {}
    more = {"network": network, "regularization": noise}
    run = trained(columns(o=OFFSET), training, offset="o", **more)
    plain = trained(columns() | {"y": Y - OFFSET}, training, **more)
    found, expected = run.result().tensors, plain.result().tensors
    for name, tensor in expected.items():
        if name.startswith("weights."):
            torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)
    model, other = (TrainedModel.load(one.result().dump(), 0) for one in (run, plain))
    assert certify(model).passed
    record = {"x0": 0.3, "x1": -1.0}
    (bare,), (with_it,) = (model.predict_records([record | o]) for o in ({}, {"o": 2.5}))
    (peer,) = other.predict_records([record])
    assert bare.value == pytest.approx(peer.value, rel=1e-4)
    assert with_it.value == pytest.approx((bare.value or 0) + 2.5, rel=1e-5)


def test_company_changes_no_bit_of_a_newton_solution() -> None:
    """I9, with counts, weights, kinks and squares; each alone, and among others."""
    settings: list[dict[str, Any]] = [
        {"l1": {"strength": 0.2}},
        {"l2": {"strength": 0.01}},
        {"l1": {"strength": 0.01, "factors": {"x1": 0.0}}},
        {"group_lasso": {"strength": 0.05, "groups": "units"}},
        {},
    ]
    training = {**SOLVED, "loss": {"kind": "poisson"}}
    named = columns(w=WEIGHT, y=np.floor(np.abs(Y)))

    def solutions(some: list[dict[str, Any]]) -> Tensor:
        compare = [{"name": f"{n}", "regularization": r} for n, r in enumerate(some)]
        run = trained(named, training, sample_weight="w", compare=compare)
        assert all(outcome.solved for outcome in run.outcomes)
        return run.engine.solver.point if run.engine.solver else torch.empty(0)

    together = solutions(settings)
    for number, one in enumerate(settings):
        assert torch.equal(solutions([one])[0], together[number]), number


@pytest.mark.parametrize("classes", [3, 10, 15])
def test_few_classes_are_filled_up_and_a_row_is_as_it_is_alone(classes: int) -> None:
    """By classes of no probability: of them nothing is left, and a row's place changes no bit."""
    scores, y = 40 * torch.randn(3, 37, classes), torch.randint(classes, (3, 37))
    value, slope = cross_entropy(scores, y), cross_entropy_slope(scores, y)
    exact = scores.double()
    likelihood = exact.log_softmax(2).gather(2, y.unsqueeze(2))[..., 0]
    torch.testing.assert_close(value.double(), -likelihood, rtol=1e-6, atol=1e-6)
    expected = exact.softmax(2) - torch.nn.functional.one_hot(y, classes)
    torch.testing.assert_close(slope.double(), expected, rtol=0, atol=1e-6)
    for row in (0, 17, 36):
        some = slice(row, row + 1)
        alone = scores[2:, some].clone(), y[2:, some].clone()
        assert torch.equal(cross_entropy(*alone), value[2:, some])
        assert torch.equal(cross_entropy_slope(*alone), slope[2:, some])
