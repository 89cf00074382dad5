"""Metrics over repeats and folds: spreads and mean curves."""

import math

import pytest

from worker.results.comparison import mean_curve, spreads


def test_spreads_are_of_finite_values_only() -> None:
    rows = [{"loss": 1.0, "r2": None}, {"loss": 3.0, "r2": math.nan}, {"accuracy": 0.5}]
    found = spreads(rows)
    assert found.keys() == {"loss", "accuracy"}
    assert (found["loss"].mean, found["loss"].n) == (2.0, 2)
    assert found["loss"].sd == pytest.approx(math.sqrt(2))
    assert (found["accuracy"].sd, found["accuracy"].n) == (None, 1)


def test_a_mean_curve_ends_where_its_first_curve_does() -> None:
    assert mean_curve([[1.0, 2.0, 3.0], [3.0, 4.0]]) == [2.0, 3.0]
    assert mean_curve([[1.0, None], [3.0, 4.0]]) == [2.0, None]
    assert mean_curve([]) == []
