from typing import Any

import pytest
import torch

from tests.fleets import trained
from tests.weights import equals_fleet_of_one, served, small_fleet
from worker.regularization import EarlyStopping

WILD = {"epochs": 12, "optimizer": {"kind": "adam", "learning_rate": 0.1}}
METRICS = [
    "validation_loss",
    "validation_accuracy",
    "validation_balanced_accuracy",
    "gap",
    "train_recall",
]


@pytest.mark.parametrize("metric", METRICS)
def test_it_ends_with_the_best_epoch_of_its_metric(metric: str) -> None:
    """Downwards for losses, upwards for accuracies; and stops `patience` epochs later."""
    stopping = {"early_stopping": {"patience": 2, "metric": metric}}
    run = small_fleet(stopping, training=WILD)
    history = [report.metrics[metric][0] for report in run.epochs()]
    values = [v for v in history if v is not None]
    best = max(values) if EarlyStopping(metric=metric).watched()[1] else min(values)  # type: ignore[arg-type]
    epoch = values.index(best) + 1
    outcome = run.outcomes[0]
    assert outcome.best_epoch == epoch
    assert outcome.epochs in {epoch + 2, 12}
    assert run.results()[0].metrics[metric] == pytest.approx(best, rel=1e-6)


def test_trials_of_a_fleet_watch_different_metrics() -> None:
    settings: list[dict[str, Any]] = [
        {"early_stopping": {"patience": 1, "metric": "validation_accuracy"}},
        {"early_stopping": {"patience": 2, "metric": "validation_loss", "min_delta": 0.01}},
        {"early_stopping": {"patience": 1, "metric": "gap", "restore_best": False}},
        {},
    ]
    equals_fleet_of_one(*settings, training=WILD)


def test_without_validation_rows_the_training_rows_are_watched() -> None:
    settings = {
        "early_stopping": {"patience": 1, "metric": "validation_accuracy", "min_delta": 1.0}
    }
    run = trained(small_fleet(settings, split={"validation": 0.0}))
    assert run.outcomes[0].epochs == 2


def test_the_last_weights_stay_unless_the_best_are_restored() -> None:
    stop = {"patience": 1, "min_delta": 1e3}
    run = trained(
        small_fleet(
            {"early_stopping": {**stop, "restore_best": False}}, {"early_stopping": stop}, {}
        )
    )
    last, best = (served(run.result(), trial) for trial in (0, 1))
    short = trained(
        small_fleet(
            {}, training={"epochs": 1, "optimizer": {"kind": "adam", "learning_rate": 0.02}}
        )
    )
    for name, tensor in served(short.result(), 0).items():
        assert torch.equal(best[name], tensor)
        assert not torch.equal(last[name], tensor)
