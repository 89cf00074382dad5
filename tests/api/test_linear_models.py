"""Linear models as statisticians know them, posted over HTTP: scikit-learn's coefficients."""

import json
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LassoCV,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    lasso_path,
)

from tests.api.client import Client
from tests.api.kinds import Answer, ask, run, send, table
from tests.api.work import post, train
from worker.data import load_builtin, prepare
from worker.spec import Builtin, JobSpec
from worker.storage import jobs

Array = NDArray[np.float64]
Job = dict[str, Any]
SOLVED: Job = {
    "network": {"kind": "linear"},
    "training": {"epochs": 10, "optimizer": {"kind": "solver"}},
    "split": {"validation": 0, "test": 0},
}
RAW: Job = {"preprocessing": {"numeric": "none", "target": "none"}}
X, Y = load_diabetes(return_X_y=True, scaled=False)
NAMES = [f"x{number}" for number in range(10)]
DEVIATION = X.std(axis=0)
STANDARD = (X - X.mean(axis=0)) / DEVIATION


def uploaded(client: Client, x: Array, y: NDArray[Any], **further: Array) -> Answer:
    """A data set of columns x0, x1, …, `y` and others."""
    names = [f"x{number}" for number in range(x.shape[1])]
    cells = zip(*x.T.tolist(), y.tolist(), *(c.tolist() for c in further.values()), strict=True)
    content = table(",".join([*names, "y", *further]), [list(row) for row in cells])
    return send(client, content, target="y")


def posted(client: Client, dataset: Answer, regularizations: list[Job], **more: Any) -> Answer:
    """A comparison of regularizations, solved to the end."""
    variants = [{"name": f"{n}", "regularization": r} for n, r in enumerate(regularizations)]
    job = run(client, dataset, **{**SOLVED, "compare": variants, **more})
    assert job["state"] == "succeeded", job["error"]
    assert "not_solved" not in {advice["code"] for advice in job["advice"]}
    return job


def file_of(client: Client, job: Answer) -> tuple[list[Job], dict[str, NDArray[Any]]]:
    """The trials and the arrays of the only fleet's model file."""
    with client.services.database.read() as session:
        (fleet,) = jobs.fleets(session, job["id"])
        path = fleet.result_path
    assert path is not None
    arrays = load(client.services.artefacts.read(path))
    manifest = json.loads(arrays.pop("manifest").tobytes())
    return manifest["trials"], arrays


def coefficients(client: Client, job: Answer) -> tuple[Array, Array]:
    """``[K, F]`` and intercepts ``[K]``, in original units, of numeric columns."""
    trials, arrays = file_of(client, job)
    split = [trial["fold"] or 0 for trial in trials]
    unit, center = arrays["target.scale"][split], arrays["target.center"][split]
    w = arrays["weights.layers.0.weight"][:, :, 0].astype(float) * unit[:, None]
    features = slice(w.shape[1])  # without an offset
    w = w / arrays["encoder.scale"][split][:, features]
    b = arrays["weights.layers.0.bias"][:, 0].astype(float) * unit + center
    return w, b - (w * arrays["encoder.center"][split][:, features]).sum(1)


def agree(found: tuple[Array, Array], models: list[Any], size: Array, error: float = 1e-5) -> None:
    """Coefficients within an error of the largest, where each column has a deviation of 1."""
    expected = np.array([np.ravel(model.coef_) for model in models])
    largest = np.abs(expected).max(axis=1, keepdims=True)
    # scikit-learn saw columns of deviation 1.
    assert np.abs(found[0] * size - expected).max() <= error * largest.max()
    share = np.abs(found[0] * size - expected) / np.maximum(largest, 1e-9)
    assert share[largest[:, 0] > 1e-6].max() <= error


@pytest.fixture(scope="module")
def diabetes(client: Client) -> Answer:
    return uploaded(client, X, Y)


def test_lasso_ridge_and_elastic_net(client: Client, diabetes: Answer) -> None:
    """And 100 points of `lasso_path`: λ = 2·alpha / sd(y), λ = alpha / rows."""
    unit, n = Y.std(), len(Y)
    alphas, path, _ = lasso_path(STANDARD, Y - Y.mean(), alphas=100, tol=1e-12, max_iter=10**6)
    lasso = [{"l1": {"strength": 2 * alpha / unit}} for alpha in alphas]
    ridges, nets = [0.1, 10.0, 1000.0], [(0.1, 0.5), (1.0, 0.2), (5.0, 0.9)]
    ridge = [{"l2": {"strength": alpha / n}} for alpha in ridges]
    net = [
        {
            "elastic_net": {
                "strength": alpha * (2 * r / unit + 1 - r),
                "l1_ratio": 2 * r / (2 * r + unit * (1 - r)),
            }
        }
        for alpha, r in nets
    ]
    w, b = coefficients(client, posted(client, diabetes, [*lasso, *ridge, *net]))
    size = np.abs(path).max()
    assert np.abs(w[:100] * DEVIATION - path.T).max() <= 1e-5 * size
    assert np.array_equal(w[1:100] != 0, path.T[1:] != 0)
    np.testing.assert_allclose(b[:100], Y.mean() - w[:100] @ X.mean(axis=0), rtol=1e-6)
    models = [Ridge(alpha=alpha).fit(STANDARD, Y) for alpha in ridges]
    models += [ElasticNet(alpha=a, l1_ratio=r, tol=1e-12).fit(STANDARD, Y) for a, r in nets]
    agree((w[100:], b[100:]), models, DEVIATION)


def test_lasso_cv_of_the_same_folds(client: Client) -> None:
    """On columns as they are, whose scales differ 300-fold."""
    dataset = {"builtin": "diabetes"}
    alphas = np.logspace(0.5, -3, 12)
    more: Job = {**SOLVED, **RAW, "split": {"folds": 5, "test": 0, "seed": 3}}
    variants = [
        {"name": f"{n}", "regularization": {"l1": {"strength": 2 * alpha}}}
        for n, alpha in enumerate(alphas)
    ]
    body = {"dataset": dataset, **more, "compare": variants, "refit": False}
    spec = JobSpec.model_validate(body)
    read, target = load_builtin(Builtin(builtin="diabetes"))
    prepared = prepare(read, spec, target)
    x, y = prepared.x[0].astype(float), prepared.y[0].astype(float)
    folds = [(split.train, split.validation) for split in prepared.splits]
    peer = LassoCV(alphas=alphas, cv=folds, tol=1e-12, max_iter=10**6).fit(x, y)

    job = train(client, post(client, **body))
    trials = client.get(f"/v1/jobs/{job['id']}/trials", params={"limit": 100}).json()["data"]
    losses = np.zeros((len(alphas), 5))
    for trial in trials:
        losses[int(trial["name"]), trial["fold"]] = trial["metrics"]["validation_loss"]
    np.testing.assert_allclose(losses, peer.mse_path_, rtol=1e-5)
    assert alphas[losses.mean(axis=1).argmin()] == peer.alpha_


def test_logistic_regression_from_strong_to_weak(client: Client) -> None:
    """C from .01 to 10⁴: λ = 1 / (2·C·rows)."""
    x, y = load_breast_cancer(return_X_y=True)
    dataset = uploaded(client, x, np.array(["benign", "malignant"])[y])
    inverse = np.logspace(-2, 4, 7)
    settings = [{"l2": {"strength": 1 / (2 * c * len(x))}} for c in inverse]
    found = coefficients(client, posted(client, dataset, settings))
    deviation = x.std(axis=0)
    standard = (x - x.mean(axis=0)) / deviation
    models = [
        LogisticRegression(C=c, solver="newton-cholesky", tol=1e-10, max_iter=1000) for c in inverse
    ]
    agree(found, [model.fit(standard, y) for model in models], deviation, error=1e-4)


def test_columns_of_raw_scales(client: Client) -> None:
    """300 rows, 20 columns from 1e-3 to 1e4: least squares as they are, in one iteration."""
    random = np.random.default_rng(0)
    scales = np.logspace(-3, 4, 20)
    x = random.standard_normal((300, 20)) * scales
    y = x @ (random.standard_normal(20) / scales) + 0.1 * random.standard_normal(300)
    one = {**SOLVED["training"], "epochs": 1, "optimizer": {"kind": "solver", "iterations": 2}}
    job = posted(client, uploaded(client, x, y), [{}], **RAW, training=one)
    w, b = coefficients(client, job)
    seen = np.column_stack([x.astype(np.float32).astype(float) / scales, np.ones(300)])
    expected = np.linalg.lstsq(seen, y.astype(np.float32).astype(float), rcond=None)[0]
    np.testing.assert_allclose(w[0] * scales, expected[:-1], rtol=1e-6)
    np.testing.assert_allclose(b[0], expected[-1], rtol=1e-5)


@pytest.fixture(scope="module")
def counts(client: Client) -> tuple[Answer, dict[str, Array]]:
    """Counts with an exposure, and rows that count unequally."""
    random = np.random.default_rng(1)
    x, log_exposure = random.standard_normal((400, 3)), random.uniform(-1, 1, 400)
    y = random.poisson(np.exp(0.3 + x @ [0.4, -0.2, 0.0] + log_exposure)).astype(float)
    weight = random.uniform(0, 3, 400)
    data = {"x": x, "y": y, "weight": weight, "log_exposure": log_exposure}
    return uploaded(client, x, y, weight=weight, log_exposure=log_exposure), data


def test_poisson_regression_with_weights_and_an_offset(
    client: Client, counts: tuple[Answer, dict[str, Array]]
) -> None:
    """A rate is a count by its exposure that counts by it: scikit-learn has weights alone."""
    dataset, data = counts
    x, y, weight = data["x"], data["y"], data["weight"]
    exposure = np.exp(data["log_exposure"])
    alpha = 0.2
    job = posted(
        client,
        dataset,
        [{"l2": {"strength": alpha}}],
        training={**SOLVED["training"], "loss": {"kind": "poisson"}},
        preprocessing={"numeric": "none"},
        sample_weight="weight",
        offset="log_exposure",
        model="rates",
    )
    assert job["spec"]["preprocessing"]["target"] == "none"
    peer = PoissonRegressor(
        alpha=alpha * weight.sum() / (weight * exposure).sum(),
        solver="newton-cholesky",
        tol=1e-12,
    ).fit(x, y / exposure, sample_weight=weight * exposure)
    agree(coefficients(client, job), [peer], np.ones(3))
    rows = [dict(zip(("x0", "x1", "x2"), row, strict=True)) for row in x[:4].tolist()]
    expected = peer.predict(x[:4])
    values = [one["value"] for one in ask(client, "rates", *rows)["predictions"]]
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    logs = data["log_exposure"][:4].tolist()
    exposed = [row | {"log_exposure": log} for row, log in zip(rows, logs, strict=True)]
    values = [one["value"] for one in ask(client, "rates", *exposed)["predictions"]]
    np.testing.assert_allclose(values, expected * exposure[:4], rtol=1e-5)
    arrays = [[*row.values()] for row in exposed]
    assert [one["value"] for one in ask(client, "rates", *arrays)["predictions"]] == values
    graph = client.get("/v1/models/rates/export", params={"format": "onnx"}, timeout=300)
    assert graph.status_code == 200, graph.text
    session = onnxruntime.InferenceSession(graph.content, providers=["CPUExecutionProvider"])
    columns = np.array(arrays)
    named = dict(zip(exposed[0], columns.T[:, :, None], strict=True))
    np.testing.assert_allclose(session.run(["value"], named)[0], values, rtol=1e-5)


def test_weighted_least_squares(client: Client, counts: tuple[Answer, dict[str, Array]]) -> None:
    """λ = alpha / Σ w; and what is measured is weighted too."""
    dataset, data = counts
    x, y, weight, offset = data["x"], data["y"], data["weight"], data["log_exposure"]
    names = {"sample_weight": "weight", "offset": "log_exposure", "task": "regression"}
    job = posted(client, dataset, [{"l2": {"strength": 0.1}}], **RAW, **names)
    peer = Ridge(alpha=0.1 * weight.sum(), tol=1e-12).fit(x, y - offset, sample_weight=weight)
    agree(coefficients(client, job), [peer], np.ones(3))
    errors = (peer.predict(x) + offset - y) ** 2
    loss = job["best"]["metrics"]["train_loss"]
    assert loss == pytest.approx((weight * errors).sum() / weight.sum(), rel=1e-5)


def test_penalty_factors(client: Client, diabetes: Answer) -> None:
    """A lasso of columns that are multiplied, a ridge in closed form."""
    factors = {"x0": 0.0, "x2": 0.25, "x3": 4.0}
    each = np.array([factors.get(name, 1.0) for name in NAMES])
    settings = [
        {"l1": {"strength": 20.0, "factors": factors}},
        {"l2": {"strength": 0.5, "factors": factors}},
    ]
    job = posted(client, diabetes, settings, preprocessing={"target": "none"})
    w, _ = coefficients(client, job)
    size = 1 / np.maximum(each, 1e-7)
    peer = Lasso(alpha=10.0, tol=1e-13, max_iter=10**6).fit(STANDARD * size, Y)
    np.testing.assert_allclose(w[0] * DEVIATION, peer.coef_ * size, atol=1e-4)
    assert (w[0] == 0).any()
    gram, moment = STANDARD.T @ STANDARD / len(Y), STANDARD.T @ (Y - Y.mean()) / len(Y)
    np.testing.assert_allclose(
        w[1] * DEVIATION, np.linalg.solve(gram + np.diag(0.5 * each), moment), rtol=1e-5
    )


def test_no_intercept(client: Client, diabetes: Answer) -> None:
    network = {"kind": "linear", "intercept": False}
    w, b = coefficients(client, posted(client, diabetes, [{}], **RAW, network=network))
    expected = np.linalg.lstsq(X, Y, rcond=None)[0]
    np.testing.assert_allclose(w[0] * DEVIATION, expected * DEVIATION, atol=1e-3)
    assert b[0] == 0.0


COLOURS, SHAPES = ["blue", "green", "red"], ["ball", "cube"]


@pytest.mark.parametrize(
    "preprocessing", [{"drop_first": True}, {"dummies": "standardize"}, {}], ids=str
)
def test_dummies(client: Client, preprocessing: Job) -> None:
    """A ridge of the columns that scikit-learn's encoders would make, and its predictions."""
    random = np.random.default_rng(2)
    colour, shape = random.choice(3, 120, p=[0.6, 0.3, 0.1]), random.choice(2, 120)
    y = np.array([1.0, 2.0, 4.0])[colour] + shape + random.standard_normal(120) / 10
    cells = [[COLOURS[c], SHAPES[s], value] for c, s, value in zip(colour, shape, y, strict=True)]
    dataset = send(client, table("colour,shape,y", cells), target="y")
    dummies = np.column_stack([np.eye(3)[colour], np.eye(2)[shape]])
    if "drop_first" in preprocessing:
        dummies[:, [0, 3]] = 0
    if "dummies" in preprocessing:
        dummies = (dummies - dummies.mean(axis=0)) / dummies.std(axis=0)
    more = {"target": "none", **preprocessing}
    job = posted(client, dataset, [{"l2": {"strength": 0.1}}], preprocessing=more, model="toys")
    peer = Ridge(alpha=0.1 * 120).fit(dummies, y)
    _, arrays = file_of(client, job)
    np.testing.assert_allclose(
        arrays["weights.layers.0.weight"][0, :, 0], peer.coef_, rtol=1e-5, atol=1e-7
    )
    rows = [{"colour": c, "shape": s} for c, s, _ in cells[:10]]
    values = [one["value"] for one in ask(client, "toys", *rows)["predictions"]]
    np.testing.assert_allclose(values, peer.predict(dummies[:10]), rtol=1e-5)
    far = ask(client, "toys", *rows, {"colour": None, "shape": "cube"})["predictions"]
    assert [one["value"] for one in far[:10]] == values, "rows that are not plain are encoded alike"
    answer = client.get("/v1/models/toys/export", params={"format": "onnx"}, timeout=300)
    assert answer.status_code == 200, answer.text  # it is only given out if its answers agree


LOSS_SPACE = {"training.loss.delta": {"values": [1.0, 2.0]}}
REFUSED: list[tuple[Job, str, str]] = [
    ({"training": {"optimizer": {"kind": "solver"}, "loss": {"kind": "quantile"}}},
     "training.optimizer.kind", "adam"),
    ({"training": {"loss": {"kind": "poisson"}}, "preprocessing": {"target": "standardize"}},
     "", "preprocessing.target"),
    ({"training": {"loss": {"kind": "poisson"}}, "target": "x0"}, "training.loss", "below 0"),
    ({"compare": [{"name": "a"}, {"name": "b", "training": {"loss": {"kind": "huber"}}}]},
     "", "same training.loss"),
    ({"sample_weight": "nowhere"}, "sample_weight", "nowhere"),
    ({"sample_weight": "log_exposure"}, "sample_weight", "below 0"),
    ({"sample_weight": "y"}, "sample_weight", "target"),
    ({"offset": "y"}, "offset", "target"),
    ({"offset": "weight", "sample_weight": "weight"}, "offset", "as well"),
    ({"regularization": {"l1": {"strength": 1.0, "factors": {"x7": 0}}}},
     "regularization.l1.factors.x7", "'x0'"),
    ({"split": {"validation": 0.2}, "search": {"trials": 2, "space": LOSS_SPACE}},
     "search.space.training.loss.delta", "ranked by their loss"),
]  # fmt: skip


@pytest.mark.parametrize(("job", "param", "said"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_is_refused_names_the_field(
    client: Client, counts: tuple[Answer, dict[str, Array]], job: Job, param: str, said: str
) -> None:
    body = {"dataset": counts[0]["id"], **SOLVED, "training": {"epochs": 3}, **job}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert said in problem["detail"], problem
    assert (problem.get("param") or "").startswith(param), problem


def test_a_loss_of_numbers_is_none_of_classes(client: Client) -> None:
    body = {"dataset": {"builtin": "iris"}, "training": {"loss": {"kind": "huber"}}}
    answer = client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, "training.loss")


@pytest.mark.parametrize("loss", [None, {"kind": "poisson"}, {"kind": "huber"}])
def test_the_appraisal_counts_as_the_metrics_do(
    client: Client, counts: tuple[Answer, dict[str, Array]], loss: Job | None
) -> None:
    """Weights, offsets and losses: an interval is about what the trial was measured as."""
    job = posted(
        client,
        counts[0],
        [{}, {"l2": {"strength": 1.0}}],
        training={**SOLVED["training"], "loss": loss},
        split={"validation": 0.3},
        preprocessing={"numeric": "none"} | ({"target": "none"} if loss is None else {}),
        sample_weight="weight",
        offset="log_exposure",
        task="regression",
    )
    report = client.get(f"/v1/jobs/{job['id']}/report").json()
    first = report["configurations"][0]["metrics"]
    found = report["appraisal"]["intervals"][0]["metrics"]
    for name in ("loss", "rmse", "r2"):
        assert found[name]["value"] == pytest.approx(first[f"validation_{name}"]["mean"], rel=1e-4)
    columns = [one["column"] for one in report["appraisal"]["importance"]["columns"]]
    assert sorted(columns) == ["x0", "x1", "x2"]
