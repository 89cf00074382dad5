"""Findings about what came out of a trial, and where its job says the field."""

from typing import Any

import pytest

from worker.advice import advise_on_result
from worker.results import Advice
from worker.search import posted_configurations
from worker.spec import JobSpec, Trial

ONE_CLASS = {
    "train_classes_predicted": 1.0,
    "train_accuracy": 0.9015,
    "train_balanced_accuracy": 0.5,
}
EVEN = ONE_CLASS | {"train_accuracy": 0.5}
SOLVER = {"optimizer": {"kind": "solver"}}


def trial(regularization: dict[str, Any] | None = None, **more: Any) -> Trial:
    spec = JobSpec.model_validate(
        {"dataset": {"builtin": "circle"}, "regularization": regularization or {}, **more}
    )
    return posted_configurations(spec)[0]


def constant(metrics: dict[str, float], *args: Any, **more: Any) -> Advice:
    (finding,) = advise_on_result(trial(*args, **more), metrics)
    assert finding.code == "constant_predictor"
    return finding


def test_a_constant_predictor() -> None:
    finding = constant(ONE_CLASS, {"l1": {"strength": 0.01}}, name="L1")
    assert finding.message.startswith("L1 predicts one class only")
    assert finding.evidence == {"train_accuracy": 0.9015, "train_balanced_accuracy": 0.5}
    assert finding.field == "regularization.l1.strength"
    assert finding.fix == "Set it to 0.001."
    assert finding.change == {"regularization": {"l1": {"strength": 0.001}}}


@pytest.mark.parametrize(
    ("regularization", "more", "metrics", "field", "value"),
    [
        ({"l2": 0.05, "l1": 0.2}, {}, ONE_CLASS, "regularization.l1.strength", 0.02),
        ({"weight_decay": 3.0}, {}, EVEN, "regularization.weight_decay.strength", 0.3),
        ({"dropout": 0.9}, {}, EVEN, "regularization.dropout.p", 0.2),
        ({}, {}, ONE_CLASS, "regularization.class_weights", {}),
        ({"l1": 1e-7}, {}, ONE_CLASS, "regularization.class_weights", {}),
        ({"class_weights": {}}, {}, ONE_CLASS, "training.epochs", 100),
        ({}, {"training": {"epochs": 30}}, EVEN, "training.epochs", 60),
        (
            {"l1": 0.1},
            {"training": {"optimizer": {"kind": "adam", "learning_rate": 5.0}}},
            EVEN,
            "training.optimizer.learning_rate",
            0.001,
        ),
    ],
)
def test_the_fix_is_of_what_the_trial_has(
    regularization: dict[str, Any],
    more: dict[str, Any],
    metrics: dict[str, float],
    field: str,
    value: Any,
) -> None:
    """Strengths are lowered where there are some, and by value."""
    finding = constant(metrics, regularization, **more)
    assert finding.field == field
    assert "strength" in field or "strength" not in finding.fix
    change: Any = finding.change
    for step in field.split("."):
        change = change[step]
    assert change == value


def test_a_linear_network_that_cannot_is_told_of_another() -> None:
    finding = constant(EVEN, network={"kind": "linear"}, training=SOLVER)
    assert finding.field == "network"
    assert finding.change is not None
    assert finding.change["network"] == {"kind": "mlp"}


def test_a_predictor_of_two_classes() -> None:
    assert advise_on_result(trial(), ONE_CLASS | {"train_classes_predicted": 2.0}) == []


def test_a_solver_that_did_not_end() -> None:
    lasso = trial({"l1": 0.1}, network={"kind": "linear"}, training={**SOLVER, "epochs": 20})
    (finding,) = advise_on_result(lasso, {}, solved=False)
    assert (finding.code, finding.field) == ("not_solved", "training.epochs")
    assert finding.change == {"training": {"epochs": 200}}
    assert advise_on_result(lasso, {}, solved=True) == []


COMPARED = {
    "compare": [
        {"name": "none", "regularization": None},
        {"name": "L1", "regularization": {"l1": {"strength": 0.1}}, "training": None},
    ]
}


@pytest.mark.parametrize(
    ("spec", "configuration", "overrides", "expected"),
    [
        ({}, 0, None, "regularization.l1.strength"),
        (COMPARED, 0, None, "regularization.l1.strength"),
        (COMPARED, 1, None, "compare.1.regularization.l1.strength"),
        ({}, 7, {"training.epochs": 5}, "regularization.l1.strength"),
        (
            {},
            7,
            {"regularization.l1.strength": 0.1},
            "search.space.regularization.l1.strength",
        ),
        ({}, 7, {"regularization.l1": {"strength": 0.1}}, "search.space.regularization.l1"),
    ],
)
def test_a_trials_finding_is_placed_in_its_job(
    spec: dict[str, Any], configuration: int, overrides: dict[str, Any] | None, expected: str
) -> None:
    finding = constant(ONE_CLASS, {"l1": {"strength": 0.1}})
    placed = finding.within(spec, configuration, overrides)
    assert placed.field == expected
    assert (placed.change is None) == (expected != finding.field)
    of_member = finding.change if expected.startswith("compare.") else None
    assert placed.member_change == of_member
