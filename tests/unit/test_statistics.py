"""Means, standard errors and intervals against SciPy's, and where there are none."""

import statistics

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from worker.statistics import interval, mean, standard_deviation, standard_error

VALUES = (0.71, 0.68, 0.74, 0.70, 0.69)


def test_the_mean_does_not_depend_on_the_order() -> None:
    assert mean([1e16, 1.0, -1e16]) == mean([1.0, 1e16, -1e16]) == pytest.approx(1 / 3, rel=1e-15)
    with pytest.raises(statistics.StatisticsError):
        mean([])


def test_deviation_and_error_are_numpys_and_scipys() -> None:
    assert standard_deviation(VALUES) == pytest.approx(np.std(VALUES, ddof=1), rel=1e-14)
    assert standard_error(VALUES) == pytest.approx(scipy.stats.sem(VALUES), rel=1e-14)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_interval_is_scipys(count: int, confidence: float) -> None:
    values = VALUES[:count]
    expected = scipy.stats.t.interval(
        confidence, count - 1, loc=np.mean(values), scale=scipy.stats.sem(values)
    )
    assert interval(values, confidence) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("values", [(), (0.7,)])
def test_fewer_than_two_values_have_neither(values: tuple[float, ...]) -> None:
    assert standard_deviation(values) is None
    assert standard_error(values) is None
    assert interval(values) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_the_interval_holds_the_mean_in_its_middle(values: list[float]) -> None:
    ends = interval(values)
    assert ends is not None
    low, high = ends
    assert low <= mean(values) <= high
    assert (low + high) / 2 == pytest.approx(mean(values), abs=1e-6)
