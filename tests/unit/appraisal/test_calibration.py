"""Temperatures, against what SciPy finds."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from worker.appraisal.calibration import fit_temperature


@pytest.mark.parametrize(("classes", "networks"), [(3, 1), (2, 1), (4, 3)])
def test_it_is_the_one_with_the_least_loss(classes: int, networks: int) -> None:
    rng = np.random.default_rng(classes)
    logits = 3.0 * rng.normal(size=(networks, 400, classes))
    truth = np.array([rng.choice(classes, p=p) for p in softmax(logits[0] / 2.5, axis=1)])
    weights = rng.uniform(0.1, 1.0, size=400)

    def loss(log_t: float) -> float:
        p = softmax(logits / np.exp(log_t), axis=2).mean(axis=0)
        return -float((weights * np.log(p[np.arange(400), truth])).sum())

    expected = np.exp(minimize_scalar(loss, bounds=(-2, 3), method="bounded").x)
    found = fit_temperature(logits, truth, weights)
    assert found == pytest.approx(expected, rel=1e-3)
    if networks == 1:
        assert found == pytest.approx(2.5, rel=0.3)


def test_one_score_is_the_logit_of_the_second_of_two_classes() -> None:
    rng = np.random.default_rng(0)
    logit = 4.0 * rng.normal(size=(300, 1)).astype(np.float32)
    truth = (rng.uniform(size=300) < 1 / (1 + np.exp(-logit[:, 0] / 3))).astype(int)
    both = np.concatenate([np.zeros_like(logit), logit], axis=1)
    assert fit_temperature(logit, truth) == pytest.approx(fit_temperature(both, truth), rel=1e-5)
    t = fit_temperature(both, truth)
    at = -log_softmax(both / t, axis=1)[np.arange(300), truth].mean()
    assert at < -log_softmax(both, axis=1)[np.arange(300), truth].mean()


def test_without_rows_or_with_infinite_scores_nothing_is_divided() -> None:
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=int)) == 1.0
    assert fit_temperature(np.array([[np.inf, 0.0]]), np.array([0])) == 1.0
