"""The table of metrics, and what follows from it."""

from typing import get_args

import pytest

from worker.metrics import is_maximized, is_per_epoch, measured_parts, task_of, trial_metrics
from worker.metrics.definitions import MEASURES, OF_TRIALS
from worker.regularization.early_stopping import Metric as Watched


@pytest.mark.parametrize(
    ("name", "more_is_better"),
    [
        ("validation_loss", False),
        ("validation_log_loss", False),
        ("test_average_precision", True),
        ("train_specificity", True),
        ("validation_balanced_accuracy", True),
        ("validation_r2", True),
        ("validation_median_absolute_error", False),
        ("test_mape", False),
        ("validation_brier", False),
        ("validation_ece", False),
        ("sparsity", True),
        ("gap", False),
        ("objective", False),
        ("train_classes_predicted", False),
    ],
)
def test_which_way_is_better(name: str, *, more_is_better: bool) -> None:
    assert is_maximized(name) == more_is_better


def test_what_is_watched_is_what_is_measured_every_epoch() -> None:
    every = {
        f"{part}_{metric.name}"
        for part in ("train", "validation")
        for metric in MEASURES
        if metric.per_epoch and metric.name != "classes_predicted"
    }
    assert set(get_args(Watched)) == every | {"objective", "gap"}
    assert all(map(is_per_epoch, get_args(Watched)))
    assert not is_per_epoch("validation_auc")


def test_names_are_told_apart_and_say_what_they_are() -> None:
    names = [metric.name for metric in (*MEASURES, *OF_TRIALS)]
    assert len(set(names)) == len(names)
    for metric in (*MEASURES, *OF_TRIALS):
        assert metric.what.endswith(".")
        assert metric.formula


@pytest.mark.parametrize(
    ("classes", "rows", "has", "lacks"),
    [
        (("a", "b"), "train validation test", "validation_auc test_f1 gap", "train_auc test_r2"),
        (("a", "b", "c"), "train test", "test_ece train_f1", "train_ece gap test_specificity"),
        ((), "train validation", "validation_mape train_r2", "train_mape train_accuracy"),
        ((), "train", "train_mae train_r2", "gap validation_loss"),
    ],
)
def test_metrics_of_a_trial(classes: tuple[str, ...], rows: str, has: str, lacks: str) -> None:
    """Those of final weights on what is held out; on the training rows where nothing is."""
    names = set(trial_metrics(task_of(classes), dict.fromkeys(rows.split(), True)))
    assert set(has.split()) <= names
    assert not set(lacks.split()) & names


def test_what_is_held_out() -> None:
    assert measured_parts({"train": True, "validation": False, "test": False}) == ("train",)
    assert measured_parts({"train": True, "validation": True, "test": True}) == (
        "validation",
        "test",
    )
