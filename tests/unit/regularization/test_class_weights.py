from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from tests.batches import altered, batch
from tests.fleets import fleet, trained
from worker.data import load_builtin, prepare
from worker.regularization import ClassWeights
from worker.spec import JobSpec

COUNTS = torch.tensor([60, 30, 10])
NAMES = ("a", "b", "c")


def test_balanced_is_scikit_learns() -> None:
    """n/(C·n_c)."""
    labels = np.repeat([0, 1, 2], COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = ClassWeights().of(NAMES, COUNTS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_given_weights_keep_their_ratio_and_the_size_of_the_loss() -> None:
    found = ClassWeights(weights={"c": 5.0, "a": 0.5}).of(NAMES, COUNTS)
    torch.testing.assert_close(found / found[1], torch.tensor([0.5, 1.0, 5.0]))
    torch.testing.assert_close((found * COUNTS).sum() / COUNTS.sum(), torch.tensor(1.0))


def test_a_class_without_training_rows_does_no_harm() -> None:
    """A fold may have lost a rare class."""
    counts = torch.tensor([5, 0, 15])
    found = ClassWeights().of(NAMES, counts)
    assert found.isfinite().all()
    torch.testing.assert_close((found * counts).sum() / counts.sum(), torch.tensor(1.0))


def test_each_row_counts_as_its_class() -> None:
    rows = batch(classes=2)
    found = altered(rows, "class_weights", {"weights": {"b": 3}}, {"weights": {"a": 2}}, {}, None)
    assert found.weights is not None
    ones, weights = rows.y[0] == 1, found.weights
    torch.testing.assert_close(weights[0, ones][0] / weights[0, ~ones][0], torch.tensor(3.0))
    torch.testing.assert_close(weights[1, ones][0] / weights[1, ~ones][0], torch.tensor(0.5))
    torch.testing.assert_close(weights[2, ones].sum(), weights[2, ~ones].sum())
    torch.testing.assert_close(weights.mean(1), torch.ones(4))


@pytest.mark.parametrize("weights", ["balanced", pytest.param({"1": 7.0}, marks=pytest.mark.slow)])
def test_weighted_logistic_regression_is_scikit_learns(weights: Any) -> None:
    """Full batches, an L2 penalty: the optimum of scikit-learn with the same weights."""
    strength = 1e-2
    job: dict[str, Any] = {
        "dataset": {"builtin": "circle", "rows": 400},
        "split": {"validation": 0.0},
        "network": {"kind": "linear"},
        "regularization": {"l2": {"strength": strength}, "class_weights": {"weights": weights}},
        "training": {
            "epochs": 400,
            "batch_size": 400,
            "optimizer": {"kind": "sgd", "learning_rate": 1.0, "momentum": 0.9},
        },
    }
    engine = trained(fleet(**job)).engine
    spec = JobSpec.model_validate(job)
    table, target = load_builtin(spec.dataset)  # type: ignore[arg-type]
    data = prepare(table, spec, target)
    x, y = data.x[0], data.y[0]
    given = ClassWeights(weights=weights).of(("0", "1"), torch.from_numpy(np.bincount(y)))
    twin = LogisticRegression(
        C=1 / (2 * strength * len(y)),
        class_weight=dict(enumerate(given.double().tolist())),
        tol=1e-10,
        max_iter=10_000,
    ).fit(x, y)
    found = engine.parameters.named(engine.parameters.values)
    weight, bias = found["layers.0.weight"][0, :, 0], found["layers.0.bias"][0]
    np.testing.assert_allclose(weight, twin.coef_[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(bias, twin.intercept_, rtol=1e-3, atol=1e-4)
