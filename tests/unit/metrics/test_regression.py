"""The metrics of regressions, against scikit-learn: shifted, scaled and tiny data."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import Tensor

from worker.metrics import final_regression, from_squares
from worker.training.fleet_data import TrialRows
from worker.training.losses import LOSS
from worker.training.metrics import _of_values

ONE, ZERO = np.ones(3), np.zeros(3)


def measured(values: Tensor, y: Tensor, rows_at_a_time: int = 64) -> dict[str, Tensor]:
    """As an epoch measures them, so many rows at a time; the whole blocks come first."""
    whole = y.shape[1] // 32 * 32
    pieces = [
        (x.split(rows_at_a_time, 1) if whole else ()) for x in (values[:, :whole], y[:, :whole])
    ]
    batches = [TrialRows(v[..., None], t) for v, t in zip(*pieces, strict=True)]
    if whole < y.shape[1]:
        batches.append(TrialRows(values[:, whole:, None], y[:, whole:]))
    unit = torch.ones(len(y), dtype=torch.float64)
    return _of_values(lambda x: x, iter(batches), unit, LOSS["regression"])


@pytest.mark.parametrize("mean", [0.0, 1e4, -1e6, 1e7])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e5])
@pytest.mark.parametrize("count", [2, 3, 40, 1_000])
def test_r2_and_rmse_as_scikit_learn(mean: float, scale: float, count: int) -> None:
    """Targets of a large mean, in tiny or large units, and few of them."""
    random = np.random.default_rng(count)
    # As far apart as float32 can tell at that mean.
    y = ((random.normal(size=(3, count)) * 30 + mean) * scale).astype(np.float32)
    values = (y + random.normal(size=(3, count)) * 3 * scale).astype(np.float32)
    found = measured(torch.from_numpy(values), torch.from_numpy(y))
    for trial in range(3):
        truth, answer = y[trial].astype(np.float64), values[trial].astype(np.float64)
        assert float(found["r2"][trial]) == pytest.approx(
            reference.r2_score(truth, answer), rel=1e-9
        )
        assert float(found["rmse"][trial]) == pytest.approx(
            reference.root_mean_squared_error(truth, answer), rel=1e-9
        )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -1e-30])
@pytest.mark.parametrize("count", [1, 2, 33, 100])
def test_r2_of_one_row_or_of_equal_targets_is_not_defined(value: float, count: int) -> None:
    y = torch.full((2, count), value)
    found = measured(torch.randn(2, count), y)
    assert found["r2"].isnan().all()
    assert found["rmse"].isfinite().all()


def test_the_same_bits_however_many_are_measured_at_a_time_and_together() -> None:
    torch.manual_seed(0)
    values, y = torch.randn(50, 4_999), torch.randn(50, 4_999) + 1e3
    whole = measured(values, y, 32)
    for size in (64, 1_024):
        assert all(torch.equal(whole[n], t) for n, t in measured(values, y, size).items())
    for trial in (0, 17, 49):
        alone = measured(values[trial, None], y[trial, None], 2_048)
        assert {n: t.item() for n, t in alone.items()} == {
            n: t[trial].item() for n, t in whole.items()
        }


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_pinball_and_deviance_as_scikit_learn(q: float) -> None:
    random = np.random.default_rng(3)
    y = random.poisson(3.0, (3, 50)).astype(np.float64)
    values = random.gamma(2.0, size=(3, 50))
    found = final_regression(values, y, ONE, ZERO, q)
    for trial in range(3):
        loss = reference.mean_pinball_loss(y[trial], values[trial], alpha=q)
        assert found["pinball"][trial] == pytest.approx(loss)
        deviance = reference.mean_poisson_deviance(y[trial], values[trial])
        assert found["poisson_deviance"][trial] == pytest.approx(deviance)


def test_the_deviance_of_large_counts_does_not_cancel_out() -> None:
    """Of y near 10¹² its three terms cancel to a rounding error, which may be below 0."""
    y = 1e12 + np.array([[1.0, 2.0, 3.0]])
    found = final_regression(y + 0.125, y, ONE[:1], ZERO[:1])["poisson_deviance"][0]
    assert found == pytest.approx(0.125**2 / 1e12, rel=1e-3)


@pytest.mark.parametrize(("value", "target"), [(0.0, 1.0), (-1.0, 1.0), (1.0, -0.5)])
def test_a_deviance_without_a_logarithm_is_not_defined(value: float, target: float) -> None:
    found = final_regression(np.array([[1.0, value]]), np.array([[2.0, target]]), ONE[:1], ZERO[:1])
    assert math.isnan(found["poisson_deviance"][0])


def test_a_count_of_0_that_was_standardized_is_one() -> None:
    y = ((np.array([[0.0, 3.0]]) - 1234.5) / 7).astype(np.float32)
    found = final_regression(y, y, np.array([7.0]), np.array([1234.5]))
    assert math.isnan(found["poisson_deviance"][0]) or found["poisson_deviance"][0] < 1e-3


@pytest.mark.parametrize("center", [0.0, 5.0, -1e6])
@pytest.mark.parametrize("unit", [1.0, 1e-8, 300.0])
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_absolute_errors_as_scikit_learn(center: float, unit: float, count: int) -> None:
    random = np.random.default_rng(count)
    y, values = random.normal(size=(2, 3, count)).astype(np.float32)
    found = final_regression(values, y, ONE * unit, ONE * center)
    for trial in range(3):
        truth, answer = (a[trial].astype(np.float64) * unit + center for a in (y, values))
        mine = {name: value[trial] for name, value in found.items()}
        near = 1e-7 * abs(center)
        assert mine["mae"] == pytest.approx(
            reference.mean_absolute_error(truth, answer), rel=1e-6, abs=near
        )
        assert mine["median_absolute_error"] == pytest.approx(
            reference.median_absolute_error(truth, answer), rel=1e-6, abs=near
        )
        if np.abs(truth).min() > 1e-6 * abs(center):
            assert (
                mine["mape"]
                == pytest.approx(reference.mean_absolute_percentage_error(truth, answer), rel=1e-5)
                or center * unit < 0
            )


@pytest.mark.parametrize(("center", "scale"), [(0.0, 1.0), (12.5, 3.0), (-1e5, 0.1), (3e-7, 1e-7)])
def test_shares_of_a_target_of_zero_are_not_defined(center: float, scale: float) -> None:
    """However it was centred: what was 0 is not quite 0 when float32 is moved back."""
    targets = np.array([[center + scale, 0.0], [center + scale, center - scale]])
    y = ((targets - center) / scale).astype(np.float32)
    found = final_regression(y + 1, y, ONE[:2] * scale, ONE[:2] * center)
    assert math.isnan(found["mape"][0])
    assert math.isfinite(found["mape"][1])


def test_squares_give_rmse_in_the_targets_unit() -> None:
    found = from_squares(np.array([4.0, 0.0]), np.array([8.0, 0.0]), np.array([3.0, 1.0]))
    assert found["rmse"].tolist() == [6.0, 0.0]
    assert found["r2"][0] == 0.5
    assert math.isnan(found["r2"][1])
