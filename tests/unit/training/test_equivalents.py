"""What the report says to scikit-learn and glmnet has the same optimum, found by them."""

import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from tests.fleets import fleet, trained
from worker.advice import equivalents
from worker.results import Equivalent, Fitted
from worker.search import posted_configurations
from worker.spec import JobSpec, Preprocessing
from worker.training import FleetRun

Array = NDArray[np.float64]
SOLVER = {"epochs": 300, "optimizer": {"kind": "solver"}}
pytestmark = pytest.mark.usefixtures("one_thread")


def run_of(builtin: str, regularization: dict[str, Any], **more: Any) -> FleetRun:
    return trained(
        fleet(
            **{
                "dataset": {"builtin": builtin},
                "network": {"kind": "linear"},
                "training": SOLVER,
                "regularization": regularization,
                **more,
            }
        )
    )


def said(run: FleetRun, **preprocessing: Any) -> dict[str, Equivalent]:
    """By library."""
    report = run.results()[0].report
    assert report is not None
    assert report.fitted is not None
    settings = Preprocessing.model_validate(preprocessing)
    return {e.library: e for e in equivalents(run.trials[0], settings, report.fitted)}


def rows_of(run: FleetRun) -> tuple[Array, Array]:
    """X as encoded, and y in its own unit."""
    rows = run.prepared.splits[0].train
    y = run.prepared.y[0][rows].astype(np.float64)
    return (
        run.prepared.x[0][rows].astype(np.float64),
        y * run.prepared.target_scale[0] + run.prepared.target_center[0],
    )


def coefficients(run: FleetRun) -> Array:
    """In the target's own unit, ``[F, O]``."""
    weights: Array = run.result().tensors["weights.layers.0.weight"][0].double().numpy()
    return weights * run.prepared.target_scale[0]


def agree(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    assert np.abs(expected).max() > 0


REGRESSIONS: list[tuple[str, dict[str, Any]]] = [
    ("Lasso", {"l1": {"strength": 0.05}}),
    ("Ridge", {"l2": {"strength": 0.3}}),
    ("ElasticNet", {"elastic_net": {"strength": 0.1, "l1_ratio": 0.3}}),
    ("ElasticNet", {"l1": {"strength": 0.05}, "l2": {"strength": 0.02}}),
    ("Lasso", {"elastic_net": {"strength": 0.1, "l1_ratio": 1.0}}),
]


@pytest.mark.parametrize("target", ["standardize", "none"])
@pytest.mark.parametrize(("estimator", "regularization"), REGRESSIONS)
def test_linear_regressions(estimator: str, regularization: dict[str, Any], target: str) -> None:
    if target == "none":  # the squared error is 6,000 times as large
        regularization = {
            name: {
                **settings,
                "strength": settings["strength"] * (50 if "l1" in regularization else 1),
            }
            for name, settings in regularization.items()
        }
    preprocessing = {"target": target}
    run = run_of("diabetes", regularization, preprocessing=preprocessing)
    x, y = rows_of(run)
    by_library = said(run, **preprocessing)
    theirs = by_library["scikit-learn"]
    assert (theirs.estimator, theirs.exact) == (estimator, True)
    more = {} if estimator == "Ridge" else {"tol": 1e-12, "max_iter": 10**6}
    model = getattr(sklearn.linear_model, estimator)(**theirs.parameters, **more).fit(x, y)
    agree(coefficients(run)[:, 0], model.coef_)
    agree(coefficients(run)[:, 0], glmnet_gaussian(by_library["glmnet"], x, y))


def glmnet_gaussian(said: Equivalent, x: Array, y: Array) -> Array:
    """glmnet's published objective, of a y with deviation 1 and a lambda in its unit."""
    assert said.parameters["family"] == "gaussian"
    scale = y.std()
    model = sklearn.linear_model.ElasticNet(
        alpha=said.parameters["lambda"] / scale,
        # scikit-learn's descent refuses a ridge; a share that is nearly none is one.
        l1_ratio=max(said.parameters["alpha"], 1e-9),
        tol=1e-12,
        max_iter=10**6,
    )
    found: Array = model.fit(x, y / scale).coef_ * scale
    return found


def test_without_penalties_it_is_least_squares() -> None:
    run = run_of("diabetes", {}, training={**SOLVER, "epochs": 2000})
    by_library = said(run)
    assert by_library.keys() == {"scikit-learn"}
    assert by_library["scikit-learn"].estimator == "LinearRegression"


@pytest.mark.parametrize(
    ("regularization", "weights"),
    [
        ({"l2": {"strength": 0.02}}, None),
        ({"elastic_net": {"strength": 0.1, "l1_ratio": 0.5}}, None),
        ({"l2": {"strength": 0.02}, "class_weights": {}}, "balanced"),
        (
            {"l2": {"strength": 0.02}, "class_weights": {"weights": {"malignant": 3.0}}},
            {0: 1.0, 1: 3.0},
        ),
    ],
)
def test_logistic_regressions(regularization: dict[str, Any], weights: Any) -> None:
    run = run_of("breast_cancer", regularization)
    x, y = rows_of(run)
    by_library = said(run)
    parameters = by_library["scikit-learn"].parameters
    if weights is not None:
        parameters = {**parameters, "class_weight": weights}
    if "solver" not in parameters:
        parameters = {**parameters, "solver": "newton-cholesky"}
    model = sklearn.linear_model.LogisticRegression(**parameters, tol=1e-8, max_iter=20_000)
    agree(coefficients(run)[:, 0], model.fit(x, y).coef_[0])
    glmnet = by_library["glmnet"].parameters
    counted = np.ones(len(y))
    if isinstance(weights, dict):
        counted = np.array([weights[int(label)] for label in y])
    elif weights == "balanced":
        counted = len(y) / (2 * np.bincount(y.astype(int)))[y.astype(int)]
    is_glmnet_optimum(glmnet, x, y, counted / counted.mean(), run)


def is_glmnet_optimum(
    parameters: dict[str, Any], x: Array, y: Array, weights: Array, run: FleetRun
) -> None:
    """The subgradient of glmnet's published objective holds 0, penalties in its own words."""
    strength, ratio = parameters["lambda"], parameters["alpha"]
    w = coefficients(run)[:, 0]
    intercept = float(run.result().tensors["weights.layers.0.bias"][0, 0])
    residual = weights * (1 / (1 + np.exp(-(x @ w + intercept))) - y)
    slope = x.T @ residual / len(y) + strength * (1 - ratio) * w
    kept = w != 0
    np.testing.assert_allclose(slope[kept], -strength * ratio * np.sign(w[kept]), atol=1e-6)
    assert (np.abs(slope) <= strength * ratio + 1e-6).all()


@pytest.mark.parametrize(("builtin", "task"), [("iris", "auto"), ("breast_cancer", "multiclass")])
def test_softmax_regressions(builtin: str, task: str) -> None:
    """Also of two classes, which scikit-learn gives one score."""
    run = run_of(builtin, {"l2": {"strength": 0.02}}, task=task)
    x, y = rows_of(run)
    by_library = said(run)
    assert by_library["glmnet"].parameters["family"] == "multinomial"
    model = sklearn.linear_model.LogisticRegression(
        **by_library["scikit-learn"].parameters, solver="newton-cg", tol=1e-10
    ).fit(x, y)
    found = coefficients(run)
    if len(model.coef_) == 1:
        agree(found[:, 1] - found[:, 0], model.coef_[0])
    else:
        agree(found - found.mean(1, keepdims=True), model.coef_.T - model.coef_.T.mean(1)[:, None])


@pytest.mark.parametrize(
    ("builtin", "theirs"), [("diabetes", MLPRegressor), ("breast_cancer", MLPClassifier)]
)
def test_the_alpha_of_perceptrons(builtin: str, theirs: type) -> None:
    """scikit-learn divides it by the rows of a batch: full batches without hidden layers, a
    network that both have and whose optimum is unique, show the factor.
    """
    run = run_of(builtin, {"l2": {"strength": 0.05}})
    n = len(run.prepared.splits[0].train)
    ours = {"training": {"epochs": 1, "batch_size": n}, "network": {"kind": "mlp", "hidden": [4]}}
    told = said(run_of(builtin, {"l2": {"strength": 0.05}}, **ours))["scikit-learn"]
    assert (told.estimator, told.exact) == (theirs.__name__, False)
    assert told.parameters["batch_size"] == n
    x, y = rows_of(run)
    standardized = (y - y.mean()) / y.std() if theirs is MLPRegressor else y
    model = theirs(
        hidden_layer_sizes=(),
        alpha=told.parameters["alpha"],
        solver="lbfgs",
        tol=1e-12,
        max_iter=5000,
        max_fun=10**6,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, standardized)
    found = run.result().tensors["weights.layers.0.weight"][0].double().numpy()
    np.testing.assert_allclose(found, model.coefs_[0], atol=1e-4)


@pytest.mark.parametrize("batch", [16, 10_000])
def test_alpha_grows_with_the_batch(batch: int) -> None:
    network = {"kind": "mlp", "hidden": [4], "activation": "tanh"}
    training = {"epochs": 1, "batch_size": batch, "optimizer": {"kind": "sgd"}}
    run = run_of("iris", {"l2": {"strength": 0.01}}, network=network, training=training)
    parameters = said(run)["scikit-learn"].parameters
    assert parameters["alpha"] == pytest.approx(2 * 0.01 * min(batch, 120))
    assert (parameters["solver"], parameters["activation"]) == ("sgd", "tanh")
    # They are parameters that the estimator has.
    MLPClassifier(**parameters)


SGD = {"epochs": 1, "optimizer": {"kind": "sgd"}}


@pytest.mark.parametrize(
    ("regularization", "training", "strength"),
    [
        ({"weight_decay": {"strength": 0.1, "method": "coupled"}}, SGD, 0.05),
        ({"weight_decay": {"strength": 0.1}}, SGD, 0.05),
        ({"weight_decay": {"strength": 0.1, "method": "coupled"}}, {"epochs": 1}, 0.05),
        ({"l2": {"strength": 0.1}, "early_stopping": {}}, {"epochs": 1}, 0.1),
    ],
)
def test_decay_is_half_a_penalty(
    regularization: dict[str, Any], training: dict[str, Any], strength: float
) -> None:
    run = run_of("iris", regularization, training=training)
    told = said(run)["glmnet"]
    assert told.parameters["lambda"] == pytest.approx(2 * strength)
    assert not told.exact
    assert any("optimum" in condition for condition in told.conditions)


@pytest.mark.parametrize(
    ("regularization", "more"),
    [
        ({"l1": {"strength": 0.1, "biases": True}}, {}),
        ({"group_lasso": {"strength": 0.1}}, {}),
        ({"l2": {"strength": 0.1}, "dropout": {"input_p": 0.2}}, {"training": SGD}),
        ({"l2": {"strength": 0.1, "schedule": {"kind": "linear"}}}, {"training": SGD}),
        ({"weight_decay": {"strength": 0.1}}, {"training": {"epochs": 1}}),
        ({"l1": {"strength": 0.1, "method": "proximal"}}, {"training": {"epochs": 1}}),
        ({"l1": {"strength": 0.1}}, {"training": SGD, "network": {"kind": "mlp", "hidden": [4]}}),
        (
            {"l2": {"strength": 0.1, "layers": [0]}},
            {"training": SGD, "network": {"kind": "mlp", "hidden": [4]}},
        ),
        (
            {"l2": {"strength": 0.1}},
            {"training": SGD, "network": {"kind": "mlp", "hidden": [4], "activation": "selu"}},
        ),
        ({"l2": {"strength": 0.1}}, {"training": SGD, "network": {"kind": "residual_mlp"}}),
    ],
)
def test_what_no_other_library_has(regularization: dict[str, Any], more: dict[str, Any]) -> None:
    spec = JobSpec.model_validate(
        {
            "dataset": {"builtin": "iris"},
            "network": {"kind": "linear"},
            "regularization": regularization,
            "training": SOLVER,
            **more,
        }
    )
    fitted = Fitted(task="multiclass", rows=120, classes=3)
    assert equivalents(posted_configurations(spec)[0], Preprocessing(), fitted) == []


@pytest.mark.parametrize("s", [0.3, 77.0])
@pytest.mark.parametrize("r", [0.0, 0.4, 1.0])
def test_the_conversions_of_the_cards(s: float, r: float) -> None:
    """The cards give λ for other libraries' parameters; the report gives them back."""
    alpha, n = 0.7, 50
    fitted = Fitted(task="regression", rows=n, target_sd=s)

    def back(settings: dict[str, Any], library: str, **preprocessing: Any) -> dict[str, Any]:
        spec = JobSpec.model_validate(
            {
                "dataset": {"builtin": "diabetes"},
                "network": {"kind": "linear"},
                "training": SOLVER,
                "regularization": settings,
            }
        )
        (trial,) = posted_configurations(spec)
        prepared = Preprocessing.model_validate(preprocessing)
        (found,) = (e for e in equivalents(trial, prepared, fitted) if e.library == library)
        return found.parameters

    def elastic(strength: float, ratio: float) -> dict[str, Any]:
        return {"elastic_net": {"strength": strength, "l1_ratio": ratio}}

    scaled = elastic(alpha * (2 * r / s + 1 - r), 2 * r / (2 * r + s * (1 - r)))
    plain = elastic(alpha * (1 + r), 2 * r / (1 + r))
    for settings, target in ((scaled, "standardize"), (plain, "none")):
        found = back(settings, "scikit-learn", target=target)
        expected = alpha * n if r == 0 else alpha  # then it is a Ridge, which sums over rows
        assert found["alpha"] == pytest.approx(expected)
        assert found.get("l1_ratio", r) == pytest.approx(r)
    glmnet = back(elastic(alpha * (1 + r) / s, 2 * r / (1 + r)), "glmnet")
    assert (glmnet["lambda"], glmnet["alpha"]) == pytest.approx((alpha, r))
    lasso = back({"l1": {"strength": 2 * alpha / s}}, "glmnet")
    assert (lasso["lambda"], lasso["alpha"]) == pytest.approx((alpha, 1.0))
    ridge = back({"l2": {"strength": alpha / n}}, "scikit-learn")
    assert ridge == {"alpha": pytest.approx(alpha)}
    assert back({"l2": {"strength": alpha / s}}, "glmnet")["lambda"] == pytest.approx(alpha)
