"""The linear network, solved: scikit-learn's coefficients, 50 strengths as one fleet."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

from tests.fleets import fleet, fleets, trained
from worker.models import TrainedModel, certify

Array = NDArray[np.float64]
STRENGTHS = np.logspace(-3, 0, 50)
TRAINING = {"epochs": 300, "optimizer": {"kind": "solver"}}
pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Solved:
    """Coefficients ``[50, F]``, intercepts ``[50]`` and the rows that they were fitted to."""

    coefficients: Array
    intercepts: Array
    x: Array
    y: Array

    def __getitem__(self, some: slice) -> "Solved":
        """Of some of the strengths."""
        return replace(self, coefficients=self.coefficients[some], intercepts=self.intercepts[some])


def job(builtin: str, regularizations: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A grid of strengths, as a user posts it."""
    variants = [{"name": f"{n}", "regularization": r} for n, r in enumerate(regularizations)]
    return {
        "dataset": {"builtin": builtin},
        "network": {"kind": "linear"},
        "training": TRAINING,
        "compare": variants,
        **more,
    }


def solve(builtin: str, regularizations: list[dict[str, Any]]) -> Solved:
    """Solve a grid as one fleet."""
    run = trained(fleet(**job(builtin, regularizations)))
    assert all(outcome.solved for outcome in run.outcomes)
    tensors = run.result().tensors
    rows = run.prepared.splits[0].train
    return Solved(
        tensors["weights.layers.0.weight"][..., 0].double().numpy(),
        tensors["weights.layers.0.bias"][:, 0].double().numpy(),
        run.prepared.x[0][rows].astype(np.float64),
        run.prepared.y[0][rows].astype(np.float64),
    )


def rows(builtin: str) -> int:
    """How many training rows a data set has."""
    return fleet(**job(builtin, [{}])).engine.data.rows("train")


def agree(found: Solved, models: list[Any]) -> None:
    """Relative to the largest coefficient, 1e-4; and the same zeros."""
    expected = np.array([np.ravel(model.coef_) for model in models])
    intercepts = np.array([float(np.ravel(model.intercept_)[0]) for model in models])
    size = np.abs(expected).max(1).clip(1e-12)
    assert (np.abs(found.coefficients - expected).max(1) <= 1e-4 * size).all()
    nonzero = expected != 0
    assert np.array_equal(found.coefficients != 0, nonzero)
    each = np.abs(found.coefficients - expected)[nonzero] / np.abs(expected)[nonzero]
    assert each.max() <= 1e-4
    some = nonzero.any(1)  # saga leaves an empty model before its intercept has settled
    np.testing.assert_allclose(found.intercepts[some], intercepts[some], rtol=1e-4, atol=1e-5)


def test_lasso() -> None:
    """λ = 2·alpha."""
    alphas = 0.6 * STRENGTHS
    found = solve("diabetes", [{"l1": {"strength": 2 * a, "method": "proximal"}} for a in alphas])
    models = [Lasso(alpha=a, tol=1e-13, max_iter=10**6).fit(found.x, found.y) for a in alphas]
    agree(found, models)
    assert 0 < (found.coefficients == 0).mean() < 1


def test_ridge() -> None:
    """λ = alpha / rows."""
    alphas, n = 1000 * STRENGTHS, rows("diabetes")
    found = solve("diabetes", [{"l2": {"strength": a / n}} for a in alphas])
    agree(found, [Ridge(alpha=a, solver="cholesky").fit(found.x, found.y) for a in alphas])


@pytest.mark.parametrize("ratio", [0.2, 0.8])
def test_elastic_net(ratio: float) -> None:
    """λ = alpha·(1 + r), ρ = 2r / (1 + r)."""
    alphas, rho = 0.6 * STRENGTHS, 2 * ratio / (1 + ratio)
    settings = [{"strength": a * (1 + ratio), "l1_ratio": rho} for a in alphas]
    found = solve("diabetes", [{"elastic_net": {**s, "method": "proximal"}} for s in settings])
    models = [ElasticNet(alpha=a, l1_ratio=ratio, tol=1e-13, max_iter=10**6) for a in alphas]
    agree(found, [model.fit(found.x, found.y) for model in models])


def test_l2_logistic_regression() -> None:
    """λ = 1 / (2·C·rows)."""
    inverse, n = 10 * STRENGTHS, rows("breast_cancer")
    found = solve("breast_cancer", [{"l2": {"strength": 1 / (2 * c * n)}} for c in inverse])
    models = [LogisticRegression(C=c, solver="newton-cholesky", tol=1e-10) for c in inverse]
    agree(found, [model.fit(found.x, found.y) for model in models])


@pytest.mark.parametrize(
    "every", [25, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_l1_logistic_regression(every: int) -> None:
    """λ = 1 / (C·rows); C where scikit-learn's saga converges in reasonable time.

    The saga takes half a second for two of them. liblinear is quicker, but penalizes the intercept.
    """
    inverse, n = np.logspace(-2.3, -1.6, 50), rows("breast_cancer")
    strengths = [{"strength": 1 / (c * n), "method": "proximal"} for c in inverse]
    found = solve("breast_cancer", [{"l1": one} for one in strengths])
    models = [
        LogisticRegression(C=c, l1_ratio=1.0, solver="saga", tol=1e-9, max_iter=50_000)
        for c in inverse[::every]
    ]
    agree(found[::every], [model.fit(found.x, found.y) for model in models])
    empty = (found.coefficients == 0).all(1)
    assert 0 < empty.sum() < 50
    share = found.y.mean()
    np.testing.assert_allclose(found.intercepts[empty], np.log(share / (1 - share)), rtol=1e-6)


@pytest.mark.slow
def test_l1_logistic_regression_is_optimal_where_others_do_not_converge() -> None:
    """The gradient is −λ·sign(w) on every coefficient that is left, within ±λ on every zero."""
    strengths = np.logspace(-1, -3.5, 50)
    found = solve("breast_cancer", [{"l1": {"strength": float(s)}} for s in strengths])
    scores = found.x @ found.coefficients.T + found.intercepts
    residual = 1 / (1 + np.exp(-scores)) - found.y[:, None]
    gradient = (found.x.T @ residual / len(found.x)).T
    kept = found.coefficients != 0
    expected = -strengths[:, None] * np.sign(found.coefficients)
    assert np.abs(gradient - expected)[kept].max() <= 1e-6
    assert (np.abs(gradient) <= strengths[:, None] + 1e-6).all()
    assert np.abs(residual.mean(0)).max() <= 1e-6, "the intercept is not penalized"
    assert kept[0].sum() < kept[-1].sum()


def test_l2_softmax_regression() -> None:
    """Three classes: λ = 1 / (2·C·rows), the same probabilities."""
    inverse = [0.1, 1.0, 10.0]
    n = rows("iris")
    run = trained(fleet(**job("iris", [{"l2": {"strength": 1 / (2 * c * n)}} for c in inverse])))
    assert all(outcome.solved for outcome in run.outcomes)
    part = run.prepared.splits[0].train
    x, y = run.prepared.x[0][part].astype(np.float64), run.prepared.y[0][part]
    data = run.result().dump()
    for number, c in enumerate(inverse):
        model = TrainedModel.load(data, number)
        assert certify(model).passed
        found = model.answer(x.astype(np.float32)).probabilities
        expected = LogisticRegression(C=c, solver="newton-cg", tol=1e-10).fit(x, y)
        np.testing.assert_allclose(found, expected.predict_proba(x), atol=1e-5)


TUMOURS = ("benign", "malignant")
WEIGHTS: list[Any] = ["balanced", {"benign": 1.0, "malignant": 5.0}, {"malignant": 0.02}, None]


def test_class_weights_are_those_of_scikit_learn() -> None:
    """λ = 1 / (2·C·rows·m), m the mean weight of a row: `balanced` has 1.

    In one fleet, beside one without: each is solved for its own.
    """
    n, c = rows("breast_cancer"), 0.03
    ridge = {"l2": {"strength": 1 / (2 * c * n)}}
    found = solve(
        "breast_cancer",
        [ridge | ({"class_weights": {"weights": w}} if w else {}) for w in WEIGHTS],
    )
    models = []
    for weights in WEIGHTS:
        given, mean = weights, 1.0
        if isinstance(weights, dict):
            given = {number: weights.get(name, 1.0) for number, name in enumerate(TUMOURS)}
            mean = float(np.mean([given[int(number)] for number in found.y]))
        models.append(
            LogisticRegression(
                C=c / mean, class_weight=given, solver="newton-cholesky", tol=1e-10
            ).fit(found.x, found.y)
        )
    agree(found, models)


def test_class_weights_of_three_classes_and_of_exact_zeros() -> None:
    """Softmax by the probabilities; L1 by the optimality conditions of the weighted loss."""
    n = rows("iris")
    weighted = {"class_weights": {"weights": {"setosa": 1.0, "versicolor": 4.0, "virginica": 0.5}}}
    ridge, lasso = ({name: {"strength": s}} for name, s in (("l2", 0.5 / n), ("l1", 0.02)))
    run = trained(fleet(**job("iris", [ridge | weighted, lasso | weighted])))
    assert all(outcome.solved for outcome in run.outcomes)
    part = run.prepared.splits[0].train
    x, y = run.prepared.x[0][part].astype(np.float64), run.prepared.y[0][part]
    each = np.array([1.0, 4.0, 0.5])[y]
    each /= each.mean()
    model = TrainedModel.load(run.result().dump(), 0)
    expected = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-10)
    expected.fit(x, y, sample_weight=each)
    probabilities = model.answer(x.astype(np.float32)).probabilities
    np.testing.assert_allclose(probabilities, expected.predict_proba(x), atol=1e-5)
    sparse = TrainedModel.load(run.result().dump(), 1)
    w = run.result().tensors["weights.layers.0.weight"][1].double().numpy()
    p = sparse.answer(x.astype(np.float32)).probabilities.astype(np.float64)
    gradient = x.T @ (each[:, None] * (p - np.eye(3)[y])) / n
    assert 0 < (w == 0).sum() < w.size
    np.testing.assert_allclose(gradient[w != 0], -0.02 * np.sign(w[w != 0]), atol=1e-5)
    assert np.abs(gradient).max() <= 0.02 + 1e-5


def test_company_with_class_weights_changes_no_bit() -> None:
    """I9: a trial without them, and one with them, end as they do alone."""
    plain, weighted = {"l2": {"strength": 0.1}}, {"l1": {"strength": 0.1}, "class_weights": {}}
    together = solve("breast_cancer", [plain, weighted])
    for number, settings in enumerate((plain, weighted)):
        alone = solve("breast_cancer", [settings])
        assert np.array_equal(alone.coefficients[0], together.coefficients[number])


def test_folds_are_solved_on_their_own_rows() -> None:
    """Cross-validation in one fleet: every fold has its own data and its own step size."""
    settings = [{"l1": {"strength": 0.05}}, {"l2": {"strength": 0.05}}]
    more = {"split": {"folds": 3}, "preprocessing": {"numeric": "robust"}}
    solved = 0
    for run in map(trained, fleets(**job("breast_cancer", settings, **more))):
        weight = run.result().tensors["weights.layers.0.weight"][..., 0].double().numpy()
        for row, trial in enumerate(run.trials):
            fold = trial.fold or 0
            part = run.prepared.splits[fold].train
            x, y = run.prepared.x[fold][part].astype(np.float64), run.prepared.y[fold][part]
            if trial.regularization.l2 is not None:
                peer = LogisticRegression(C=1 / (0.1 * len(x)), solver="newton-cholesky", tol=1e-10)
                expected = peer.fit(x, y).coef_[0]
                np.testing.assert_allclose(weight[row], expected, rtol=1e-3, atol=1e-5)
                solved += 1
    assert solved == 3


def test_one_that_is_not_solved_says_so() -> None:
    """Too few iterations: the trial ends, with advice."""
    training = {"epochs": 2, "optimizer": {"kind": "solver", "iterations": 2}}
    run = trained(fleet(**job("breast_cancer", [{"l2": {"strength": 1e-4}}], training=training)))
    (result,) = run.results()
    assert result.state == "succeeded"
    assert "not_solved" in [advice.code for advice in result.advice]


@pytest.mark.parametrize("groups", ["inputs", "units"])
def test_group_lasso_for_one_output(groups: str) -> None:
    """A group of one weight is the lasso; all weights into the only unit vanish together."""
    lasso, grouped = (
        solve("diabetes", [{name: {"strength": s, **extra}} for s in (0.05, 5.0)])
        for name, extra in [("l1", {}), ("group_lasso", {"groups": groups})]
    )
    if groups == "inputs":
        np.testing.assert_allclose(grouped.coefficients, lasso.coefficients, atol=1e-7)
    else:
        assert (grouped.coefficients[0] != 0).all()
        assert (grouped.coefficients[1] == 0).all()
