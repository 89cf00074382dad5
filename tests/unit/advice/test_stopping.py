"""What early stopping watches."""

from tests.findings import found, silent

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
