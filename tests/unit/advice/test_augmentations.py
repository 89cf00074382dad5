"""Augmentations on digits."""

from typing import Any

import pytest

from tests.findings import CNN, found, silent
from worker.data import Target

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
