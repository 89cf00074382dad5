"""Answers are measured over all their parts, as scikit-learn measures them at once."""

import numpy as np
import pytest
from sklearn import metrics as reference

from worker.data import Target
from worker.models import Answers, Scoring
from worker.models.scoring import MOST_SCORES


def of_two(rows: int, seed: int = 0) -> tuple[Target, np.ndarray, Answers, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = Target(column="y", task="binary", classes=("no", "yes"))
    scores = rng.normal(size=(rows, 1)).astype(np.float32)
    truth = (scores[:, 0] + rng.normal(size=rows) > 0).astype(np.int64)
    best = (scores[:, 0] > 0).astype(np.int64)
    positive = 1 / (1 + np.exp(-scores))
    probabilities = np.concatenate([1 - positive, positive], axis=1)
    return target, scores, Answers(target, probabilities, best), truth


def added(
    target: Target,
    scores: np.ndarray,
    answers: Answers,
    truth: np.ndarray,
    most_scores: int = MOST_SCORES,
) -> Scoring:
    """In three parts."""
    found = Scoring(target, most_scores)
    for rows in (slice(0, 7), slice(7, 150), slice(150, None)):
        found.add(scores[rows], answers.part(rows), truth[rows])
    return found


def test_classes_are_measured_as_the_reference_does() -> None:
    target, scores, answers, truth = of_two(400)
    found = added(target, scores, answers, truth).metrics()
    assert found is not None
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, answers.best))
    assert found["f1"] == pytest.approx(reference.f1_score(truth, answers.best))
    assert found["auc"] == pytest.approx(reference.roc_auc_score(truth, scores[:, 0]))
    assert found["log_loss"] == pytest.approx(
        reference.log_loss(truth, answers.probabilities), rel=1e-5
    )


def test_rows_without_a_known_truth_do_not_count() -> None:
    target, scores, answers, truth = of_two(400)
    unknown = truth.copy()
    unknown[::3] = -1
    known = unknown >= 0
    found = added(target, scores, answers, unknown).metrics()
    assert found is not None
    assert found["auc"] == pytest.approx(reference.roc_auc_score(truth[known], scores[known, 0]))
    assert added(target, scores, answers, np.full(400, -1)).metrics() is None


def test_a_metric_that_is_not_defined_is_null() -> None:
    target, scores, answers, truth = of_two(400)
    found = added(target, scores, answers, np.ones_like(truth)).metrics()
    assert found is not None
    assert found["auc"] is None


def test_a_regression_far_from_zero_is_measured_as_the_reference_does() -> None:
    rng = np.random.default_rng(1)
    truth = 1e8 + rng.normal(size=400)
    values = truth + 0.5 * rng.normal(size=400)
    target = Target(column="y", task="regression")
    scores = np.zeros((400, 1), dtype=np.float32)
    found = added(target, scores, Answers(target, values=values), truth).metrics()
    assert found is not None
    assert found["r2"] == pytest.approx(reference.r2_score(truth, values), rel=1e-6)
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, values))
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(truth, values))


def test_more_scores_than_are_kept_leave_what_is_a_sum() -> None:
    target, scores, answers, truth = of_two(400)
    found = added(target, scores, answers, truth, 100).metrics()
    assert found is not None
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, answers.best))
    assert "auc" not in found
