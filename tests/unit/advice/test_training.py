"""Learning rates that cannot work, and jobs without rows that tell how they go."""

from typing import Any

import pytest

from tests.findings import LINEAR, found, silent

CODE = "learning_rate_too_high"


def at(rate: float, kind: str = "sgd", **more: Any) -> dict[str, Any]:
    return {"training": {"optimizer": {"kind": kind, "learning_rate": rate, **more}}}


REGRESSION = {"dataset": {"builtin": "diabetes"}}
CLASSES = {"dataset": {"builtin": "iris"}}


@pytest.mark.parametrize(
    ("job", "severity"),
    [
        (at(1.0), "info"),
        (at(3.0), "warning"),
        (at(50.0, momentum=0.9), "warning"),
        (at(1.0) | REGRESSION, "warning"),
        (at(1.5, momentum=0.9, nesterov=True) | REGRESSION, "warning"),
        (at(100.0) | REGRESSION | {"network": LINEAR}, "warning"),
        (at(1.0, "adam"), "warning"),
        (at(2.0, "adamw") | REGRESSION, "warning"),
        (at(50.0) | CLASSES | {"network": LINEAR}, "info"),
    ],
)
def test_a_learning_rate_that_is_too_high(job: dict[str, Any], severity: str) -> None:
    finding = found(CODE, **job)
    assert (finding.severity, finding.field) == (severity, "training.optimizer.learning_rate")
    assert finding.evidence["learning_rate"] >= finding.evidence["too_high"]


@pytest.mark.parametrize(
    "job",
    [
        {},
        at(0.1),
        at(0.5, momentum=0.9),
        at(0.1) | REGRESSION,
        at(0.1, "adam"),
        at(0.9, "adamw"),
        at(1.0) | CLASSES | {"network": LINEAR},
        {"network": LINEAR, "training": {"optimizer": {"kind": "solver"}}},
        at(50.0)
        | {"search": {"space": {"training.optimizer.learning_rate": {"low": 1e-3, "high": 0.1}}}},
    ],
)
def test_learning_rates_that_may_work(job: dict[str, Any]) -> None:
    assert silent(CODE, **job)


def test_the_member_with_the_rate_is_named() -> None:
    members = [{"name": "a"}, {"name": "b", **at(50.0)}]
    assert found(CODE, compare=members).field == "compare.1.training.optimizer.learning_rate"


NONE = {"split": {"validation": 0.0}}


def test_no_row_is_held_back() -> None:
    finding = found("no_validation_rows", **NONE)
    assert (finding.severity, finding.field) == ("info", "split.validation")
    rows = {"split": {"rows": {"train": list(range(800))}}}
    named = found("no_validation_rows", **rows)
    assert named.change is None
    assert "split.rows" in named.fix


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"split": {"folds": 3}},
        {"split": {"validation": 0.0, "test": 0.2}},
        NONE | {"regularization": {"early_stopping": {}}},  # which says so itself
        NONE | {"compare": [{"name": "a"}, {"name": "b"}]},  # a winner is another rule's
    ],
)
def test_rows_that_are_held_back(job: dict[str, Any]) -> None:
    assert silent("no_validation_rows", **job)


@pytest.mark.parametrize(
    ("schedule", "change"),
    [
        ({"kind": "warmup", "epochs": 60}, {"epochs": 3}),
        ({"kind": "step", "every": 30}, {"every": 10}),
        ({"kind": "cosine", "first_period": 50}, {"first_period": 30}),
    ],
)
def test_a_schedule_that_is_longer_than_training(
    schedule: dict[str, Any], change: dict[str, Any]
) -> None:
    finding = found("schedule_beyond_epochs", training={"epochs": 30, "schedule": schedule})
    assert finding.change == {"training": {"schedule": change}}
    assert silent("schedule_beyond_epochs", training={"epochs": 100, "schedule": schedule})


SOLVED: dict[str, Any] = {"optimizer": {"kind": "solver"}}


def test_a_solver_has_no_batches() -> None:
    finding = found("batch_size_of_a_solver", network=LINEAR, training={**SOLVED, "batch_size": 8})
    assert (finding.severity, finding.field) == ("info", "training.batch_size")
    assert finding.evidence["batch_size"] == 8
    assert silent("batch_size_of_a_solver", network=LINEAR, training=SOLVED)
    assert silent("batch_size_of_a_solver", network=LINEAR, training={"batch_size": 8})
