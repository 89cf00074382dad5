"""Gradient boosting, which the winner of a search stands beside."""

import pytest

from tests.unit.search.test_refit import iris, rows_of
from worker.data import prepare
from worker.search.baseline import boosting


def test_boosting_is_measured_on_the_test_rows() -> None:
    spec = iris(dataset={"builtin": "circle", "rows": 300})
    table, target = rows_of(spec)
    prepared = prepare(table, spec, target, refit=True)
    found = boosting(prepared).baseline
    assert found.metrics["test_balanced_accuracy"] > 0.8
    assert found.metrics["train_accuracy"] > 0.99
    assert boosting(prepared).baseline.metrics == found.metrics


def test_boosting_of_folds_is_their_mean_on_validation_rows() -> None:
    spec = iris(split={"folds": 2})
    table, target = rows_of(spec)
    found = boosting(prepare(table, spec, target)).baseline
    assert found.metrics["validation_balanced_accuracy"] > 0.8
    assert "test_accuracy" not in found.metrics


def test_boosting_of_numbers_is_in_the_targets_unit() -> None:
    spec = iris(dataset={"builtin": "diabetes"})
    table, target = rows_of(spec)
    found = boosting(prepare(table, spec, target, refit=True)).baseline
    assert 40 < found.metrics["test_rmse"] < 80
    assert found.metrics["test_r2"] == pytest.approx(0.3, abs=0.3)
