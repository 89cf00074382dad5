"""Intervals and sets cover the truth as often as they promise, on fresh rows."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import betabinom, binom

from worker.data import Target
from worker.errors import ModelError
from worker.models import (
    Answers,
    Calibrated,
    CalibrationManifest,
    Nonconformity,
    class_nonconformity,
    kept_scores,
    value_nonconformity,
)
from worker.models.conformal import MOST_KEPT, conformal_quantile

SPLITS, KEPT, FRESH = 200, 99, 50
Floats = NDArray[np.float64]


def calibrated(scores: Floats, kind: Nonconformity) -> Calibrated:
    kept = kept_scores(scores)
    manifest = CalibrationManifest(
        part="validation", rows=len(scores), kept=len(kept), nonconformity=kind, temperature=None
    )
    return Calibrated(manifest, kept)


def of_values(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Answers, and a truth that is skewed around them and spreads the more the larger they are."""
    values = rng.uniform(1.0, 5.0, size=count)
    return values, values + 0.3 * values * rng.standard_t(3, size=count) - 0.1


def of_counts(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Means that are somewhat wrong, and counts."""
    means = rng.uniform(0.5, 40.0, size=count)
    return 1.1 * means, rng.poisson(means) + rng.uniform(0, 1e-6, size=count)


def of_classes(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Probabilities that are too sure, and classes."""
    logits = rng.normal(size=(count, 8))
    truth = [rng.choice(8, p=p) for p in softmax(logits, axis=1)]
    return softmax(1.7 * logits, axis=1), np.array(truth)


def covered(
    rows: Callable[[np.random.Generator, int], tuple[Floats, Floats]],
    kind: Nonconformity,
    rng: np.random.Generator,
    level: float,
) -> int:
    answers, truth = rows(rng, KEPT + FRESH)
    if kind == "probability":
        probabilities, classes = answers.astype(np.float32), truth.astype(np.int64)
        kept = calibrated(class_nonconformity(probabilities[:KEPT], classes[:KEPT]), kind)
        sets = kept.classes(probabilities[KEPT:], level)
        assert sets.any(axis=1).all()
        return int(sets[np.arange(FRESH), classes[KEPT:]].sum())
    kept = calibrated(value_nonconformity(answers[:KEPT], truth[:KEPT], kind), kind)
    low, high = kept.interval(answers[KEPT:], level).T
    assert kind != "pearson" or (low >= 0).all()
    return int(((low <= truth[KEPT:]) & (truth[KEPT:] <= high)).sum())


@pytest.mark.parametrize("level", [pytest.param(0.6, marks=pytest.mark.slow), 0.9])
@pytest.mark.parametrize(
    ("rows", "kind"),
    [(of_values, "residual"), (of_counts, "pearson"), (of_classes, "probability")],
)
def test_fresh_splits_are_covered_within_the_band_of_the_promise(
    rows: Callable[[np.random.Generator, int], tuple[Floats, Floats]],
    kind: Nonconformity,
    level: float,
) -> None:
    """(n + 1)·level is whole here, so that a fresh row is covered with exactly that probability,
    and of one split's fresh rows a number that is beta-binomial.
    """
    rng = np.random.default_rng(5)
    counts = np.array([covered(rows, kind, rng, level) for _ in range(SPLITS)])
    rank = round((KEPT + 1) * level)
    of_one = betabinom(FRESH, rank, KEPT + 1 - rank)
    mean, error = of_one.mean(), of_one.std() / np.sqrt(SPLITS)
    assert abs(counts.mean() - mean) < 3.5 * error
    # And split by split: about 99 % lie within the band that holds 99 % of them.
    low, high = of_one.ppf(0.005), of_one.ppf(0.995)
    outside = int(((counts < low) | (counts > high)).sum())
    assert outside <= binom(SPLITS, 0.01).ppf(0.999)


def test_the_quantile_is_that_of_one_row_more() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    found = [
        conformal_quantile(scores, level) for level in (1e-300, 0.2, 0.4, 0.41, 0.5, 0.8, 0.81)
    ]
    assert found == [1.0, 1.0, 2.0, 3.0, 3.0, 4.0, np.inf]
    ten = np.arange(1.0, 10.0)
    # 10·0.7 and 30·0.1 are a little more than whole numbers in floating point.
    assert conformal_quantile(ten, 0.7) == 7.0
    assert conformal_quantile(np.arange(1.0, 30.0), 0.1) == 3.0


def test_intervals_and_sets_by_hand() -> None:
    kept = calibrated(np.array([3.0, 1.0, 2.0, 4.0]), "residual")
    assert kept.interval(np.array([10.0, 0.0]), 0.6).tolist() == [[7.0, 13.0], [-3.0, 3.0]]
    kept = calibrated(np.array([1.0, 2.0, 3.0]), "pearson")
    assert kept.interval(np.array([9.0, 1.0]), 0.5).tolist() == [[3.0, 15.0], [0.0, 3.0]]
    kept = calibrated(np.array([0.25, 0.5, 0.625]), "probability")
    p = np.array([[0.5, 0.5, 0.0], [0.75, 0.25, 0.0], [0.4, 0.3, 0.3]], dtype=np.float32)
    # From 0.5 on, and always the most probable one.
    assert kept.classes(p, 0.5).tolist() == [
        [True, True, False],
        [True, False, False],
        [True, False, False],
    ]
    target = Target(column="y", task="multiclass", classes=("a", "b", "c"))
    answered = kept.covered(Answers(target, p, p.argmax(1)), 0.5)
    assert [row["prediction_set"] for row in answered.rows()] == [["a", "b"], ["a"], ["a"]]
    assert [row["prediction_set"] for row in answered.part(slice(0, 1)).rows()] == [["a", "b"]]


def test_of_very_many_rows_some_are_kept() -> None:
    scores = np.random.default_rng(0).exponential(size=50_000)
    kept = calibrated(scores, "residual")
    assert (kept.calibration.rows, kept.calibration.kept) == (50_000, MOST_KEPT)
    assert np.isin(kept.scores, scores).all()
    share = (scores <= kept.margin(0.9)).mean()
    assert share == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / MOST_KEPT))


@pytest.mark.parametrize(
    ("scores", "temperature"),
    [([2.0, 1.0], None), ([1.0, np.nan], None), ([-1.0, 2.0], None), ([1.0, 2.0], 0.0)],
)
def test_what_is_damaged_is_refused(scores: list[float], temperature: float | None) -> None:
    manifest = CalibrationManifest(
        part="validation", rows=2, kept=2, nonconformity="residual", temperature=temperature
    )
    with pytest.raises(ModelError, match="damaged"):
        Calibrated(manifest, np.array(scores))
