"""As much regularization as suits the number of rows."""

from typing import Any

import pytest

from tests.findings import LINEAR, found, silent

SMALL, LARGE = "small_data_weak_regularization", "large_data_strong_regularization"
WIDE = {"network": {"kind": "mlp", "hidden": [1000, 1000]}}
MANY: dict[str, Any] = {"train_rows": (60_000,)}


@pytest.mark.parametrize(
    "techniques",
    [
        {},
        {"batch_norm": {}},
        {"l2": {"strength": 1e-6}},
        {"dropout": {"p": 0.05}},
        {"stochastic_depth": {"p": 0.01}},
        {"label_smoothing": {"smoothing": 0.0}},
        {"class_weights": {}},
    ],
)
def test_few_rows_with_little_regularization(techniques: dict[str, Any]) -> None:
    finding = found(SMALL, regularization=techniques)
    assert finding.severity == "info"
    assert finding.evidence["train_rows"] == 800


def test_fewer_rows_than_a_tenth_of_the_parameters() -> None:
    assert found(SMALL, {"train_rows": (5_000,)}, **WIDE).evidence["parameters"] == 1_005_001
    assert silent(SMALL, {"train_rows": (200_000,)}, **WIDE)


def test_a_search_for_regularization_is_not_told_to_regularize() -> None:
    p, width = {"values": [0.1, 0.2]}, {"values": [8, 16]}
    assert silent(SMALL, search={"space": {"regularization.dropout.p": p}})
    found(SMALL, search={"space": {"network.hidden.0": width}})


def test_stopping_without_validation_rows_holds_nothing_back() -> None:
    job = {"dataset": {"builtin": "iris"}, "regularization": {"early_stopping": {}}}
    found(SMALL, **job, split={"validation": 0.0})
    assert silent(SMALL, **job)


@pytest.mark.parametrize(
    "techniques",
    [
        {"early_stopping": {}},
        {"l2": {"strength": 1e-4}},
        {"dropout": {"p": 0.2}},
        {"dropout": {"p": 0.0, "input_p": 0.1}},
        {"drop_connect": {"p": 0.2}},
        {"max_norm": {}},
        {"noise": {}},
        {"mixup": {}},
        {"adversarial": {}},
        {"label_smoothing": {}},
        {"swa": {}},
    ],
)
def test_few_rows_with_regularization(techniques: dict[str, Any]) -> None:
    assert silent(SMALL, regularization=techniques)


def test_few_parameters_need_few_rows() -> None:
    assert silent(SMALL, network=LINEAR)


def test_a_bare_member_of_a_comparison_is_its_baseline() -> None:
    bare, dropout = {"name": "none"}, {"name": "dropout", "regularization": {"dropout": {}}}
    assert silent(SMALL, compare=[bare, dropout])
    found(SMALL, compare=[bare, {"name": "norm", "regularization": {"layer_norm": {}}}])


@pytest.mark.parametrize(
    ("techniques", "field"),
    [
        ({"l2": {"strength": 2e-3}}, "regularization.l2.strength"),
        ({"weight_decay": {"strength": 0.05}}, "regularization.weight_decay.strength"),
        ({"dropout": {"p": [0.1, 0.5]}}, "regularization.dropout.p"),
    ],
)
def test_many_rows_with_strong_regularization(techniques: dict[str, Any], field: str) -> None:
    finding = found(LARGE, MANY, regularization=techniques)
    assert (finding.severity, finding.field) == ("info", field)
    assert finding.evidence["train_rows"] == 60_000
    assert silent(LARGE, {"train_rows": (50_000,)}, regularization=techniques)


@pytest.mark.parametrize(
    "techniques",
    [{"l2": {"strength": 1e-3}}, {"weight_decay": {"strength": 0.01}}, {"dropout": {"p": 0.2}}],
)
def test_many_rows_with_mild_regularization(techniques: dict[str, Any]) -> None:
    assert silent(LARGE, MANY, regularization=techniques)
