"""Rare classes, and mixed targets that are judged by hard labels."""

from typing import Any

import pytest

from tests.findings import found, silent

MIXED = "mixed_targets_and_hard_labels"


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
