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
    values: NDArray[Any],
    y: NDArray[Any],
    unit: NDArray[Any],
    center: NDArray[Any],
    quantile: float = 0.5,
) -> Measured:
    """The metrics of absolute errors and of counts, measured on final weights alone.

    Args:
        values: what is predicted, ``[K, n]``, as preprocessed.
        y: the truth, likewise.
        unit: ``[K]``, the length of one preprocessed unit in the target's own.
        center: ``[K]``, what was subtracted from the target.
        quantile: that the pinball loss is measured at.
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
        "pinball": _pinball(values, truth, quantile) * unit,
        "poisson_deviance": _deviance(values, truth, unit, center),
    }


def _pinball(values: NDArray[Any], y: NDArray[np.float64], q: float) -> NDArray[np.float64]:
    left = y - values.astype(np.float64)
    return np.asarray(np.maximum(q * left, (q - 1) * left).mean(1))


def _deviance(
    values: NDArray[Any], y: NDArray[np.float64], unit: NDArray[Any], center: NDArray[Any]
) -> NDArray[np.float64]:
    """Mean of 2·(y·log(y/ŷ) − y + ŷ) in the target's own unit, ``[K]``."""
    unit, center = unit[:, None], center[:, None]
    mean = values.astype(np.float64) * unit + center
    # A target of 0 that was centred in float32 is moved back to near 0.
    truth = y * unit + center
    truth = np.where(np.abs(truth) <= np.abs(center) * _ROUNDED, 0.0, truth)
    defined = (mean > 0).all(1) & (truth >= 0).all(1)
    safe, count = np.where(mean > 0, mean, 1.0), np.maximum(truth, 0.0)
    # y·log(y/ŷ) − y + ŷ as y·(t − log(1 + t)), t = (ŷ − y)/y: of large counts the three cancel out.
    apart = np.divide(safe - count, count, out=np.zeros_like(safe), where=count > 0)
    each = np.where(count > 0, count * (apart - np.log1p(apart)), safe)
    return np.where(defined, 2 * np.maximum(each, 0.0).mean(1), np.nan)
