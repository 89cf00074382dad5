"""What early stopping watches, also beside mixed targets."""

from typing import Any

import pytest

from tests.findings import found, silent

MIXED = "mixed_targets_and_hard_labels"
STOPPING = {"regularization": {"early_stopping": {}}}
WITHOUT, ON_TRAINING = "early_stopping_without_validation", "early_stopping_on_training_rows"


def test_stopping_without_validation_rows() -> None:
    finding = found(WITHOUT, **STOPPING, split={"validation": 0.0})
    assert finding.field == "regularization.early_stopping"
    assert finding.evidence == {"validation_rows": 0}
    assert silent(ON_TRAINING, **STOPPING, split={"validation": 0.0})


def test_stopping_with_validation_rows() -> None:
    assert silent(WITHOUT, **STOPPING)
    assert silent(WITHOUT, **STOPPING, split={"folds": 3})
    assert silent(WITHOUT, split={"validation": 0.0})


def test_stopping_on_training_rows() -> None:
    watching = {"regularization": {"early_stopping": {"metric": "train_loss"}}}
    finding = found(ON_TRAINING, **watching)
    assert finding.evidence == {"metric": "train_loss", "validation_rows": 200}
    assert silent(ON_TRAINING, **STOPPING)


def watching(metric: str, **techniques: Any) -> dict[str, Any]:
    return {"regularization": {"early_stopping": {"metric": metric}, **techniques}}


@pytest.mark.parametrize("metric", ["validation_accuracy", "validation_balanced_accuracy"])
@pytest.mark.parametrize("technique", ["mixup", "cutmix"])
def test_mixed_targets_and_hard_labels(technique: str, metric: str) -> None:
    finding = found(MIXED, **watching(metric, **{technique: {}}))
    assert finding.field == "regularization.early_stopping.metric"
    assert set(finding.evidence) == {"metric", technique}


@pytest.mark.parametrize(
    "job",
    [
        watching("validation_loss", mixup={}),
        watching("validation_accuracy", mixup={"alpha": 0.0}),
        watching("validation_accuracy", cutout={}),
        {"regularization": {"mixup": {}}},
    ],
)
def test_mixed_targets_that_are_judged_by_the_loss(job: dict[str, Any]) -> None:
    assert silent(MIXED, **job)


PATIENCE = "patience_beyond_epochs"


def patient(patience: int, epochs: int, **training: Any) -> dict[str, Any]:
    return {
        "regularization": {"early_stopping": {"patience": patience}},
        "training": {"epochs": epochs, **training},
    }


@pytest.mark.parametrize(("patience", "epochs"), [(50, 50), (49, 50), (1000, 10), (5, 6)])
def test_patience_that_never_runs_out(patience: int, epochs: int) -> None:
    finding = found(PATIENCE, **patient(patience, epochs))
    assert finding.field == "regularization.early_stopping.patience"
    assert finding.evidence == {"patience": patience, "epochs": epochs}


@pytest.mark.parametrize(
    "job",
    [
        patient(48, 50),
        patient(4, 6),
        patient(5, 3),  # too short to be stopped at all
        patient(50, 50, optimizer={"kind": "solver"}) | {"network": {"kind": "linear"}},
        patient(50, 50) | {"search": {"space": {"training.epochs": {"values": [50, 500]}}}},
        {},
    ],
)
def test_patience_that_may_run_out(job: dict[str, Any]) -> None:
    assert silent(PATIENCE, **job)
