"""A fix is one value of one field; merged into the job, it silences what it was given for."""

import copy
import re
from typing import Any

import pytest

from tests.findings import CNN, LINEAR, ONE_LAYER, SELU, SGD, findings, found

Json = dict[str, Any]
SOLVER = {"optimizer": {"kind": "solver"}}
IMAGES = {"shape": (3, 16, 16)}
DIGITS = {"dataset": {"builtin": "digits"}, "network": CNN}
MANY = {"train_rows": (60_000,)}


def merged(body: Json, change: Json) -> Json:
    """RFC 7396."""
    body = copy.deepcopy(body)
    for name, value in change.items():
        if value is None:
            body.pop(name, None)
        elif isinstance(value, dict):
            inside = body.get(name)
            body[name] = merged(inside if isinstance(inside, dict) else {}, value)
        else:
            body[name] = value
    return body


def leaves(change: Json, path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in change.items():
        inner = leaves(value, f"{path}{name}.") if isinstance(value, dict) and value else {}
        flat |= inner or {f"{path}{name}": value}
    return flat


def rate(kind: str, value: float) -> Json:
    return {"training": {"optimizer": {"kind": kind, "learning_rate": value}}}


ELSEWHERE = {"early_stopping_without_validation"}
"""Findings about a technique that lacks something of another section."""
CASES: list[tuple[str, Json, Json]] = [
    ("penalty_outweighs_loss", {}, {"regularization": {"l1": {"strength": 0.01}}}),
    (
        "penalty_outweighs_loss",
        {},
        {"dataset": {"builtin": "diabetes"}, "regularization": {"l1": {"strength": 10.0}}},
    ),
    ("penalty_outweighs_loss", {}, {"regularization": {"orthogonality": {"strength": 5.0}}}),
    ("penalty_outweighs_loss", {}, {"regularization": {"l1": 0.5}, "training": SGD}),
    ("rescaled_by_adam", {}, {"regularization": {"l2": {"strength": 1e-3}}}),
    ("rescaled_by_adam", {}, {"regularization": {"l2": 1e-3, "weight_decay": 0.01}}),
    (
        "rescaled_by_adam",
        {},
        {"regularization": {"weight_decay": {"strength": 1e-3, "method": "coupled"}}},
    ),
    ("rescaled_by_adam", {}, {"regularization": {"elastic_net": {"strength": 1e-3}}}),
    (
        "decay_under_normalization",
        {},
        {"regularization": {"batch_norm": {}, "weight_decay": {"strength": 0.01}}},
    ),
    ("strength_out_of_range", {}, {"regularization": {"weight_decay": 0.5}}),
    ("strength_out_of_range", {}, {"regularization": {"l2": 1e-6}, "training": SGD}),
    ("biases_penalized", {}, {"regularization": {"l1": {"strength": 1e-3, "biases": True}}}),
    ("penalties_add_up", {}, {"regularization": {"l2": 1e-3, "weight_decay": 1e-3}}),
    ("penalties_add_up", {}, {"regularization": {"l2": 1e-3, "elastic_net": 1e-3}}),
    ("penalties_add_up", {}, {"regularization": {"l1": 1e-3, "elastic_net": 1e-3}}),
    (
        "heavy_dropout_with_batch_norm",
        {},
        {"regularization": {"batch_norm": {}, "dropout": {"p": 0.4}}},
    ),
    (
        "heavy_dropout_with_batch_norm",
        {},
        {"regularization": {"batch_norm": {}, "dropout": {"p": 0.1, "input_p": 0.4}}},
    ),
    ("dropout_before_batch_norm", {}, {"regularization": {"batch_norm": True, "dropout": 0.2}}),
    ("alpha_dropout_without_selu", {}, {"regularization": {"alpha_dropout": {}}}),
    ("dropout_with_selu", {}, {"regularization": {"dropout": 0.5}, "network": SELU}),
    ("dropout_out_of_range", {}, {"regularization": {"dropout": {"p": [0.8, 0.0]}}}),
    ("dropout_out_of_range", {}, {"regularization": {"drop_connect": 0.9}}),
    ("dropout_out_of_range", {}, {"regularization": {"dropout": {"p": 0.2, "input_p": 0.6}}}),
    ("dropout_on_output", {}, {"regularization": {"drop_connect": {"layers": [1, 2]}}}),
    ("dropout_on_output", {}, {"regularization": {"drop_connect": {"layers": [2]}}}),
    ("dropout_without_effect", {}, {"regularization": {"dropout": 0.2}, "network": LINEAR}),
    (
        "batch_of_one",
        {},
        {"regularization": {"batch_norm": {}}, "training": {"batch_size": 1}},
    ),
    ("last_batch_of_one", {"train_rows": (801,)}, {"regularization": {"batch_norm": {}}}),
    (
        "last_batch_of_one",
        {"train_rows": (9,)},
        {"regularization": {"batch_norm": {}}, "training": {"batch_size": 2}},
    ),
    ("augmentation_changes_label", IMAGES, {**DIGITS, "regularization": {"flip": True}}),
    ("augmentation_changes_label", IMAGES, {**DIGITS, "regularization": {"rotation": 90}}),
    (
        "mixed_targets_and_hard_labels",
        {},
        {"regularization": {"mixup": {}, "early_stopping": {"metric": "validation_accuracy"}}},
    ),
    ("class_imbalance", {}, {}),
    (
        "early_stopping_on_training_rows",
        {},
        {"regularization": {"early_stopping": {"metric": "train_loss"}}},
    ),
    ("patience_beyond_epochs", {}, {"regularization": {"early_stopping": 50}}),
    (
        "schedule_beyond_epochs",
        {},
        {"training": {"epochs": 30, "schedule": {"kind": "warmup", "epochs": 60}}},
    ),
    ("small_data_weak_regularization", {}, {}),
    (
        "small_data_weak_regularization",
        {"train_rows": (20,), "validation_rows": (0,), "test_rows": (0,)},
        {"split": {"validation": 0.0}, "network": ONE_LAYER},
    ),
    (
        "small_data_weak_regularization",
        {"train_rows": (8,)},
        {"network": LINEAR, "training": SOLVER},
    ),
    ("large_data_strong_regularization", MANY, {"regularization": {"dropout": 0.5}}),
    ("large_data_strong_regularization", MANY, {"regularization": {"weight_decay": 0.05}}),
    (
        "early_stopping_without_validation",
        {},
        {"split": {"validation": 0.0}, "regularization": {"early_stopping": {}}},
    ),
    ("no_validation_rows", {}, {"split": {"validation": 0.0}}),
    (
        "batch_size_of_a_solver",
        {},
        {"network": LINEAR, "training": {**SOLVER, "batch_size": 8}},
    ),
    ("learning_rate_too_high", {}, rate("adam", 10.0)),
    ("learning_rate_too_high", {}, rate("sgd", 50.0)),
    ("learning_rate_too_high", {}, {"dataset": {"builtin": "diabetes"}, **rate("sgd", 1.0)}),
]


@pytest.mark.parametrize(("code", "data", "body"), CASES)
def test_a_fix_merged_into_the_job_silences_it(code: str, data: Json, body: Json) -> None:
    finding = found(code, data, **body)
    assert finding.change is not None
    values = leaves(finding.change)
    field = finding.field or ""
    inside = any(path == field or path.startswith(f"{field}.") for path in values)
    assert inside or code in ELSEWHERE, values
    # One value for a field; a second one only where another technique takes its place.
    assert sum(value is not None for value in values.values()) <= 1
    assert not re.search(r"[Mm]ultiply|\bor\b|[Tt]ry ", finding.fix), finding.fix
    # Row counts that the test replaced stand for the data; those of a split follow from it.
    data = {} if "split" in finding.change else data
    said = {each.code for each in findings(data, **merged(body, finding.change))}
    assert code not in said


def test_a_field_has_one_fix() -> None:
    """L1 of 10 on diabetes was told both to multiply by 3.9e-05 and to try 0.01."""
    job = {"dataset": {"builtin": "diabetes"}, "regularization": {"l1": {"strength": 10.0}}}
    about = [f for f in findings(**job) if f.field == "regularization.l1.strength"]
    (finding,) = about
    assert finding.code == "penalty_outweighs_loss"
    assert finding.change == {"regularization": {"l1": {"strength": 0.0004}}}
    assert "0.0004" in finding.fix
    after = findings(**merged(job, finding.change))
    assert not [f for f in after if f.field == "regularization.l1.strength"], after


def test_a_member_of_a_comparison_is_changed_by_a_merge_into_itself() -> None:
    heavy = {"l1": {"strength": 0.01}}
    members = [{"name": "a"}, {"name": "b", "regularization": heavy}]
    finding = found("penalty_outweighs_loss", compare=members)
    assert finding.change is None
    assert finding.field == "compare.1.regularization.l1.strength"
    assert finding.member_change is not None
    after = findings(compare=[members[0], merged(members[1], finding.member_change)])
    assert finding.field not in {f.field for f in after}
    own = found("penalty_outweighs_loss", compare=[members[0]], regularization=heavy)
    assert own.change is not None


def test_what_a_search_sets_is_not_advised_on() -> None:
    path = "regularization.l1.strength"
    space = {path: {"low": 1e-6, "high": 1e-3, "log": True}}
    job = {"regularization": {"l1": {"strength": 10.0}}, "search": {"space": space}}
    assert path not in {f.field for f in findings(**job)}
    space = {"regularization.dropout.p": {"values": [0.1, 0.2]}}
    assert path in {f.field for f in findings(**{**job, "search": {"space": space}})}


def test_auto_is_not_replaced_by_a_change() -> None:
    search = {
        "objective": "validation_accuracy",
        "references": True,
        "space": {"regularization.dropout": {"optional": True}},
    }
    assert found("class_imbalance", search=search).change is None
