"""What chooses the winner: rows, a metric, chance."""

from typing import Any

import pytest

from tests.findings import found, silent

SPACE = {"regularization.l1.strength": {"low": 1e-5, "high": 0.1, "log": True}}


def searching(**search: Any) -> dict[str, Any]:
    return {"search": {"trials": 4, "space": SPACE, **search}}


@pytest.mark.parametrize("objective", ["gap", "sparsity", "validation_classes_predicted"])
def test_an_objective_that_does_not_say_how_right_the_answers_are(objective: str) -> None:
    finding = found("objective_without_fit", **searching(objective=objective))
    assert finding.change == {"search": {"objective": "validation_loss"}}
    assert silent("objective_without_fit", **searching(objective="validation_f1"))
    assert silent("objective_without_fit", **searching(objective="train_loss"))  # said otherwise


def test_a_search_over_seeds_finds_the_luckiest() -> None:
    space = {**SPACE, "training.seed": {"values": [1, 2, 3]}}
    assert found("seed_searched", **searching(space=space)).severity == "warning"
    assert silent("seed_searched", **searching())


def test_few_rows_choose_by_chance() -> None:
    few: dict[str, Any] = {"dataset": {"builtin": "circle", "rows": 60}}
    finding = found("few_rows_choose", **few, **searching())
    assert finding.evidence["rows"] == 12
    assert silent("few_rows_choose", **few)  # nothing is chosen
    assert silent("few_rows_choose", **few, split={"folds": 5}, **searching())
    assert silent("few_rows_choose", **searching())


def test_configurations_that_differ_in_their_names_alone() -> None:
    same = {"l1": {"strength": 0.01}}
    compare = [{"name": "none"}, {"name": "A", "regularization": same}]
    finding = found(
        "same_configurations",
        compare=[*compare, {"name": "B", "regularization": same}, {"name": "C"}],
    )
    assert finding.evidence == {"configurations": [1, 2]}
    assert silent("same_configurations", compare=compare)
