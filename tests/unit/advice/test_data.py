"""Rows, classes, labels, and targets that may not be what they seem."""

from typing import Any

import numpy as np
import pytest

from tests.findings import CNN, LINEAR, found, silent
from worker.advice import advise
from worker.data import Outline, Table, Target
from worker.data.delimited import parse_csv
from worker.data.table import categorical, images, numeric
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


def said(table: Table, **job: Any) -> dict[str, Advice]:
    """Advice on a table with a target y, by its code."""
    spec = SPEC.model_copy(update=job)
    return {finding.code: finding for finding in advise(spec, Outline.of(table, spec))}


def numbers(*cells: float) -> Table:
    return Table.of([numeric("x", np.arange(len(cells))), numeric("y", cells)])


def pictures(classes: int, rows: int) -> Table:
    pixels = np.zeros((rows, 1, 4, 4), dtype=np.uint8)
    return Table.of([images("image", pixels), numeric("y", np.arange(rows) % classes)])


@pytest.mark.parametrize(
    ("cells", "severity"),
    [
        ([0, 1, 2], "info"),
        ([1, 2, 3, 4], "info"),
        ([3, 4, 5, 6, 7, 8], "warning"),
        ([10, 20, 50], "warning"),
        ([-1, 0, 1], "warning"),
    ],
)
def test_few_whole_numbers_are_said_to_be_classes(cells: list[float], severity: str) -> None:
    finding = said(numbers(*cells * 9))["numbers_as_classes"]
    assert (finding.severity, finding.field, finding.column) == (severity, "task", "y")
    assert finding.change == {"task": "regression"}
    assert finding.evidence == {"distinct": len(cells), "classes": [str(n) for n in cells]}
    changed = said(numbers(*cells * 9), task="regression")
    assert not {"numbers_as_classes", "numbers_as_measurements"} & changed.keys()


def test_numbers_as_texts_are_said_to_be_classes() -> None:
    labels = sorted(str(n / 2) for n in range(30))
    column, values = categorical("y", labels, np.arange(90) % 30)
    table = Table.of([numeric("x", np.arange(90)), (column, values)])
    assert said(table)["numbers_as_classes"].severity == "warning"
    declared = column.model_copy(update={"declared": True})
    table = Table.of([numeric("x", np.arange(90)), (declared, values)])
    assert "numbers_as_classes" not in said(table)


@pytest.mark.parametrize(("classes", "rows"), [(26, 260), (26, 40), (100, 300)])
def test_whole_numbers_beside_images_are_said_to_be_a_measurement(classes: int, rows: int) -> None:
    finding = said(pictures(classes, rows))["numbers_as_measurements"]
    assert (finding.severity, finding.field, finding.column) == ("warning", "task", "y")
    assert finding.change == {"task": "multiclass"}
    assert finding.evidence == {"distinct": classes, "rows": rows}
    assert "numbers_as_measurements" not in said(pictures(classes, rows), task="multiclass")


def test_whole_numbers_that_many_rows_share_may_be_classes() -> None:
    assert said(numbers(*list(range(26)) * 10))["numbers_as_measurements"].severity == "info"
    assert "numbers_as_measurements" not in said(numbers(*range(200)))
    assert "numbers_as_measurements" not in said(numbers(*[n / 2 for n in range(26)] * 10))


@pytest.mark.parametrize("table", [numbers(*[0, 1] * 9), numbers(*[5, 9] * 9)])
def test_two_numbers_are_two_classes(table: Table) -> None:
    assert not {"numbers_as_classes", "numbers_as_measurements"} & said(table).keys()


@pytest.mark.parametrize(("missing", "severity"), [(5, "info"), (40, "warning")])
def test_rows_without_a_target_are_told(missing: int, severity: str) -> None:
    finding = said(numbers(*[0, 1] * 30, *[np.nan] * missing))["rows_left_out"]
    assert (finding.severity, finding.field, finding.column) == (severity, "target", "y")
    assert finding.evidence == {"rows": 60 + missing, "left_out": {"no target": missing}}
    assert f"Of {60 + missing} rows, {missing} without a target" in finding.message
    assert "rows_left_out" not in said(numbers(*[0, 1] * 30))


def test_texts_in_the_target_are_told() -> None:
    csv = "\n".join(["x,y", *(f"{n},{n}.5" for n in range(50)), "51,lost", "52,"]).encode()
    finding = said(parse_csv(csv), target_missing="drop")["rows_left_out"]
    assert finding.evidence["left_out"] == {"no target": 1, "text in the target": 1}
    assert "1 with a text as the target" in finding.message
