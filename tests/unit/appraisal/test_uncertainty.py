"""What a model keeps of rows that did not train it, measured on rows that did not fit it."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import log_loss

from worker.appraisal.calibration import fit_temperature
from worker.appraisal.uncertainty import (
    AppraisedUncertainty,
    CalibrationRows,
    appraise_uncertainty,
    binomial_interval,
)
from worker.data import Target
from worker.results import Part
from worker.spec import PoissonLoss, QuantileLoss

CLASSES = Target(column="y", task="multiclass", classes=("a", "b", "c"))
VALUES = Target(column="y", task="regression", classes=())


def classes(rows: int, *, part: Part = "validation", times: float = 3.0) -> CalibrationRows:
    """Logits that are so many times too large."""
    rng = np.random.default_rng(rows)
    logits = rng.normal(size=(rows, 3))
    truth = np.array([rng.choice(3, p=p) for p in softmax(logits, axis=1)])
    return CalibrationRows(part, (times * logits).astype(np.float32), truth)


def values(rows: int, *, part: Part = "validation") -> CalibrationRows:
    rng = np.random.default_rng(rows)
    answers = rng.uniform(1, 9, size=rows)
    return CalibrationRows(part, answers, answers + rng.normal(size=rows))


def appraised(
    target: Target, fitting: CalibrationRows, test: CalibrationRows | None = None
) -> AppraisedUncertainty:
    found = appraise_uncertainty(target, None, fitting, test)
    assert found is not None
    return found


def test_what_is_too_sure_is_scaled_and_measured_on_the_test_rows() -> None:
    fitting, test = classes(600), classes(400, part="test")
    found = appraised(CLASSES, fitting, test)

    def loss(t: float) -> float:
        return float(log_loss(fitting.truth, softmax(fitting.answers / t, axis=1)))

    optimum = minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
    scaling = found.report.scaling
    assert scaling is not None
    assert scaling.temperature == pytest.approx(optimum, rel=1e-3)
    assert scaling.temperature == found.kept.calibration.temperature
    told = (found.report.fitted, found.report.fitted_rows)
    assert told == ("validation", 600)
    assert (found.report.measured, found.report.measured_rows) == ("test", 400)
    for name, divided in (("before", 1.0), ("after", scaling.temperature)):
        p = softmax(test.answers.astype(float) / divided, axis=1)
        expected = log_loss(test.truth, p)
        assert getattr(scaling, f"log_loss_{name}") == pytest.approx(expected, abs=1e-5)
    assert scaling.log_loss_after < scaling.log_loss_before - 0.3
    assert scaling.ece_after < scaling.ece_before / 2
    # The rows that measure choose nothing.
    alone = appraised(CLASSES, fitting)
    assert alone.kept.calibration == found.kept.calibration
    assert (alone.kept.scores == found.kept.scores).all()


def test_without_test_rows_each_fifth_is_measured_by_the_others() -> None:
    found = appraised(CLASSES, classes(500)).report
    assert (found.measured, found.measured_rows) == ("validation", 500)
    assert found.scaling is not None
    assert found.scaling.log_loss_after < found.scaling.log_loss_before
    for one in found.coverage:
        assert one.low <= one.covered <= one.high
        assert abs(one.covered - one.level) < 0.06


def test_a_temperature_that_helps_no_other_rows_is_left_out() -> None:
    """All rows but one are right: four fifths of them say that nothing is sure enough."""
    truth = np.arange(50) % 3
    logits = 2.0 * np.eye(3, dtype=np.float32)[truth]
    logits[7] = -logits[7]
    assert fit_temperature(logits, truth) < 0.8
    found = appraised(CLASSES, CalibrationRows("validation", logits, truth))
    assert found.kept.calibration.temperature == 1.0


def test_levels_that_the_rows_cannot_give_are_not_told() -> None:
    assert [one.level for one in appraised(VALUES, values(200)).report.coverage] == [0.8, 0.9, 0.95]
    # Without test rows, four fifths of 15 rows, 12, give 12/13 at most.
    assert [one.level for one in appraised(VALUES, values(15)).report.coverage] == [0.8, 0.9]
    test = values(30, part="test")
    assert len(appraised(VALUES, values(19), test).report.coverage) == 3
    assert appraise_uncertainty(VALUES, None, values(9), None) is None


def test_an_interval_is_of_the_loss_that_was_trained_on() -> None:
    rows = values(100)
    counts = appraise_uncertainty(VALUES, PoissonLoss(kind="poisson"), rows, None)
    assert counts is not None
    expected = np.sort(np.abs(rows.truth - rows.answers) / np.sqrt(rows.answers))
    assert counts.kept.scores == pytest.approx(expected)
    median = appraise_uncertainty(VALUES, QuantileLoss(kind="quantile", q=0.5), rows, None)
    assert median is not None
    assert (median.report.coverage, median.kept.calibration.nonconformity) == ([], None)
    width = 2 * np.sort(np.abs(rows.truth - rows.answers))[89]
    assert appraised(VALUES, rows, values(50, part="test")).report.coverage[1].size <= width * 1.1


def test_answers_that_are_no_numbers_keep_nothing() -> None:
    rows = values(50)
    broken = CalibrationRows(
        "validation", np.where(rows.answers > 8, np.inf, rows.answers), rows.truth
    )
    assert appraise_uncertainty(VALUES, None, broken, None) is None


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (7, 7), (45, 50)])
def test_the_interval_of_a_share_is_that_of_scipy(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(method="exact")
    assert binomial_interval(hits, count) == pytest.approx((expected.low, expected.high))
