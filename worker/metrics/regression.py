"""How far the values of K regressions are from the truth, one number a trial.

In float64, and from centred values: E[y²] − E[y]² of targets whose mean is large is nothing but
rounding error. Sums run along the rows of one trial.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.metrics.classification import Measured, ratio

_ROUNDED = 2.0**-22
"""A target of 0 that was centred in float32 and is moved back lies within this share of where the
centre was."""


def from_squares(errors: NDArray[Any], deviations: NDArray[Any], unit: NDArray[Any]) -> Measured:
    """Root mean square and R², ``[K]``.

    Args:
        errors: mean of (ŷ − y)², in units of the target as preprocessed.
        deviations: mean of (y − ȳ)², likewise; exactly 0 where all targets are equal.
        unit: the length of one such unit in the target's own.
    """
    return {"rmse": np.sqrt(errors) * unit, "r2": 1 - ratio(errors, deviations)}


def final_regression(
    values: NDArray[Any], y: NDArray[Any], unit: NDArray[Any], center: NDArray[Any]
) -> Measured:
    """The metrics of absolute errors, measured on final weights alone.

    Args:
        values: what is predicted, ``[K, n]``, as preprocessed.
        y: the truth, likewise.
        unit: ``[K]``, the length of one preprocessed unit in the target's own.
        center: ``[K]``, what was subtracted from the target.
    """
    truth = y.astype(np.float64)
    errors = np.abs(values.astype(np.float64) - truth) * unit[:, None]
    whole = np.abs(truth * unit[:, None] + center[:, None])
    smallest = np.abs(center)[:, None] * _ROUNDED
    defined = (whole > smallest).all(1)
    shares = np.divide(errors, whole, out=np.zeros_like(errors), where=whole > smallest)
    return {
        "mae": errors.mean(1),
        "median_absolute_error": np.median(errors, axis=1),
        "mape": np.where(defined, shares.mean(1), np.nan),
    }
