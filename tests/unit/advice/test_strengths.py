"""Unusual strengths, and penalized biases."""

from typing import Any

import pytest

from tests.findings import LINEAR, found, silent


@pytest.mark.parametrize(
    ("name", "settings", "usual"),
    [
        ("l1", {"strength": 0.1}, [1e-4, 1e-2]),
        ("l2", {"strength": 1e-5}, [1e-4, 1e-2]),
        ("weight_decay", {"strength": 0.05, "method": "coupled"}, [1e-4, 1e-2]),
        ("weight_decay", {"strength": 0.2}, [1e-5, 0.1]),
        ("weight_decay", {"strength": 1e-6}, [1e-5, 0.1]),
    ],
)
def test_a_strength_out_of_range(name: str, settings: dict[str, Any], usual: list[float]) -> None:
    finding = found("strength_out_of_range", regularization={name: settings})
    assert finding.field == f"regularization.{name}.strength"
    assert finding.evidence == {"strength": settings["strength"], "usual": usual}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("l1", {"strength": 1e-4}),
        ("l2", {"strength": 1e-2}),
        ("l2", {"strength": 0.0}),
        ("weight_decay", {"strength": 0.1}),
    ],
)
def test_a_strength_in_range(name: str, settings: dict[str, Any]) -> None:
    assert silent("strength_out_of_range", regularization={name: settings})


def test_a_linear_network_has_no_usual_strength() -> None:
    lasso = {"l1": {"strength": 0.5}}
    assert silent("strength_out_of_range", regularization=lasso, network=LINEAR)


@pytest.mark.parametrize("name", ["l1", "weight_decay"])
def test_penalized_biases(name: str) -> None:
    finding = found("biases_penalized", regularization={name: {"strength": 1e-3, "biases": True}})
    assert finding.field == f"regularization.{name}.biases"
    assert finding.evidence == {"weights": 2650, "biases": 101}


def test_biases_that_are_exempt() -> None:
    assert silent("biases_penalized", regularization={"l1": {"strength": 1e-3}})
    assert silent("biases_penalized", regularization={"l1": {"strength": 0.0, "biases": True}})
