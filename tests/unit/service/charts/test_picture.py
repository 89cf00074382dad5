"""Axes that hold what is drawn, and end at round numbers."""

import numpy as np
import pytest

from service.charts.picture import (
    LONGEST_NAME,
    axis_of_losses,
    axis_over,
    enough_digits,
    log_ticks,
    name_of,
)
from service.charts.words import label, metric_in_words, titled


@pytest.mark.parametrize(
    ("values", "low", "high", "step"),
    [
        ([0.062, 0.31], 0.05, 0.35, 0.05),
        ([-0.24, 0.36], -0.3, 0.4, 0.1),
        ([3, 97], 0, 100, 20),
        ([0.3, 0.3], 0.27, 0.33, 0.01),
        ([0, 0], -1, 1, 0.5),
        ([1e-9, 5e-9], 1e-9, 5e-9, 1e-9),
        ([None, float("nan"), float("inf")], 0, 1, 0.2),
    ],
)
def test_an_axis_ends_at_round_numbers(
    values: list[float | None], low: float, high: float, step: float
) -> None:
    axis = axis_over("loss", values)
    assert (axis.low, axis.high, axis.step) == pytest.approx((low, high, step))


def test_an_axis_holds_all_values() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        scale = 10 ** random.uniform(-8, 8)
        values = (random.normal(size=5) * scale + random.normal() * scale).tolist()
        for zero in (False, True):
            axis = axis_over("", values, zero=zero)
            edge = 1e-6 * axis.step
            assert axis.low - edge <= min(values) <= max(values) <= axis.high + edge
            assert not zero or axis.low <= 0 <= axis.high
            assert 2 <= (axis.high - axis.low) / axis.step <= 8.01


def test_long_names_keep_their_ends() -> None:
    long = "dropout with a very long name that says everything"
    shown = {name_of(f"{long}{end}") for end in ("", " without dropout", " without l2")}
    assert len(shown) == 3
    assert {len(name) for name in shown} == {LONGEST_NAME}
    assert name_of("short") == "short"


def test_different_values_look_different() -> None:
    assert enough_digits([0.1, 0.2]) == 3
    assert enough_digits([0.68512, 0.68541, 0.7]) == 4
    assert enough_digits([1.0, 1.0 + 1e-9]) == 6


def test_counts_have_whole_ticks() -> None:
    axis = axis_over("Rows", [0, 2], whole=True)
    assert (axis.low, axis.high, axis.step) == (0, 2, 1)


def test_losses_over_decades_are_logarithmic_and_others_are_not() -> None:
    axis = axis_of_losses("Loss", [0.5, 0.0023])
    assert (axis.low, axis.high, axis.log) == (0.002, 0.5, True)
    assert axis.label == "Loss, logarithmic"
    assert log_ticks(axis) == [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    for values in ([0.5, 0.1], [0.5, -0.001], [0.5, 0], [1, 1e-9], []):
        assert not axis_of_losses("Loss", values).log


@pytest.mark.parametrize(
    ("metric", "task", "words"),
    [
        ("validation_loss", "binary", "Validation loss (nats)"),
        ("train_loss", "regression", "Training loss (target as preprocessed)"),
        ("test_rmse", "regression", "Test RMSE (in the target's unit)"),
        ("validation_balanced_accuracy", "binary", "Validation balanced accuracy (0 to 1)"),
        ("validation_auc", "binary", "Validation AUC"),
        ("learning_rate", "binary", "Learning rate"),
    ],
)
def test_metrics_are_told_in_words_with_their_unit(metric: str, task: str, words: str) -> None:
    assert label(metric, task) == words
    assert metric_in_words(metric) in words


def test_titles_are_short() -> None:
    assert titled("Path", "") == "Path"
    assert titled("Path", "lasso") == "Path: lasso"
    assert len(titled("Path", "x" * 200)) <= 84
