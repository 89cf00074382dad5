"""Rows, classes, labels and columns that are not what they seem."""

from typing import Any

import pytest

from tests.findings import CNN, LINEAR, found, silent
from worker.advice import advise
from worker.data import Outline, Target
from worker.data.delimited import parse_csv
from worker.results import Advice
from worker.spec import JobSpec

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


def test_a_rare_class() -> None:
    finding = found("class_imbalance")
    assert (finding.severity, finding.field) == ("info", "regularization.class_weights")
    assert finding.evidence == {"rows": {"0": 882, "1": 118}, "share": 0.882}


@pytest.mark.parametrize(
    ("data", "job"),
    [
        ({"class_rows": (800, 200)}, {}),
        ({}, {"regularization": {"class_weights": {}}}),
        ({}, {"compare": [{"name": "a"}, {"name": "b", "regularization": {"class_weights": {}}}]}),
        ({}, {"dataset": {"builtin": "iris"}}),
        ({}, {"dataset": {"builtin": "diabetes"}}),
    ],
)
def test_classes_that_are_not_rare_or_weighted(data: dict[str, Any], job: dict[str, Any]) -> None:
    assert silent("class_imbalance", data, **job)


DIGITS: dict[str, Any] = {"dataset": {"builtin": "digits"}, "network": CNN}
IMAGES: dict[str, Any] = {"shape": (1, 8, 8)}
CODE = "augmentation_changes_label"


@pytest.mark.parametrize(
    ("techniques", "field"),
    [
        ({"flip": {}}, "regularization.flip"),
        ({"flip": {"horizontal": 0.0, "vertical": 0.1}}, "regularization.flip"),
        ({"rotation": {"degrees": 45.0}}, "regularization.rotation.degrees"),
    ],
)
def test_what_makes_another_digit(techniques: dict[str, Any], field: str) -> None:
    finding = found(CODE, IMAGES, **DIGITS, regularization=techniques)
    assert (finding.severity, finding.field) == ("warning", field)


@pytest.mark.parametrize(
    "techniques",
    [
        {"flip": {"horizontal": 0.0}},
        {"rotation": {"degrees": 20.0}},
        {"random_crop": {"padding": 1}},
    ],
)
def test_what_leaves_a_digit_as_it_is(techniques: dict[str, Any]) -> None:
    assert silent(CODE, IMAGES, **DIGITS, regularization=techniques)


def test_images_of_other_things_may_be_flipped() -> None:
    animals = Target(column="animal", task="multiclass", classes=("cat", "dog", "owl"))
    assert silent(CODE, IMAGES | {"target": animals}, **DIGITS, regularization={"flip": {}})


SPEC = JobSpec.model_validate({"dataset": "ds_12345678", "target": "y"})


def said(*cells: str) -> dict[str, Advice]:
    """Advice on a file with a column x of these cells."""
    lines = [f"{cell},{n},{'ab'[n % 2]}" for n, cell in enumerate(cells)]
    table = parse_csv("\n".join(["x,n,y", *lines]).encode())
    return {finding.code: finding for finding in advise(SPEC, Outline.of(table, SPEC))}


def test_an_identifier() -> None:
    finding = said(*(f"customer {n}" for n in range(100)))["identifier_columns"]
    assert (finding.severity, finding.field) == ("warning", "dataset")
    assert finding.evidence == {"categories": {"x": 100}, "rows": 100}
    assert "'x'" in finding.message


def test_categories_that_rows_share() -> None:
    assert "identifier_columns" not in said(*(f"town {n % 30}" for n in range(100)))
    assert "identifier_columns" not in said(*(str(n) for n in range(100)))


def test_numbers_with_a_few_slips() -> None:
    finding = said("n/a", "1;5", *(str(n / 2) for n in range(98)))["numbers_as_categories"]
    others = {"categories": 100, "numbers": 98, "others": ("1;5", "n/a")}
    assert finding.evidence == {"x": others}
    assert "identifier_columns" not in said("n/a", *(str(n / 2) for n in range(98)))


def test_numbers_without_slips_and_codes() -> None:
    assert "numbers_as_categories" not in said("", *(str(n / 2) for n in range(98)))
    codes = [f"A{n}" for n in range(30)] + [str(n) for n in range(70)]
    assert "numbers_as_categories" not in said(*codes)
