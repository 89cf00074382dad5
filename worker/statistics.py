"""Means of a few numbers, and how sure they are: standard errors and Student's intervals.

Without torch, and with scipy only where an interval is asked for: storage may use it too.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

CONFIDENCE = 0.95


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean, rounded once: the order of the values does not matter.

    Raises:
        statistics.StatisticsError: there is no value.
    """
    return fmean(values)


def standard_deviation(values: Sequence[float]) -> float | None:
    """s = √(Σ(v − mean)² / (n − 1)), in the unit of the values; none for fewer than two."""
    return stdev(values) if len(values) > 1 else None


def standard_error(values: Sequence[float]) -> float | None:
    """s / √n, the standard error of the mean; none for fewer than two values."""
    deviation = standard_deviation(values)
    return None if deviation is None else deviation / math.sqrt(len(values))


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """mean ± t·s/√n, t the quantile of Student's distribution with n − 1 degrees of freedom.

    It holds the expectation with probability ``confidence`` if the values are independent and
    normal. None for fewer than two values.

    Source: Student 1908, "The probable error of a mean", Biometrika 6.
    """
    from scipy.special import stdtrit

    error = standard_error(values)
    if error is None:
        return None
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * error
    return mean(values) - half, mean(values) + half
