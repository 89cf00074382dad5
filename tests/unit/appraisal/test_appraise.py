"""What is appraised is told as far as it can be: of few rows, of answers that are no numbers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.contending import answered, trained
from worker.appraisal import Beside, Contender, appraise, wanted
from worker.appraisal.measured import PairedComparison, RowMeasures
from worker.data import Prepared
from worker.results import Appraisal, Group

PAIR = [
    {"name": "none", "regularization": {}},
    {"name": "L2", "regularization": {"l2": {"strength": 0.01}}},
]
SMALL: dict[str, Any] = {
    "network": {"kind": "mlp", "hidden": [4]},
    "training": {"epochs": 2},
    "compare": PAIR,
}


def appraised(prepared: Prepared, contenders: Sequence[Contender], **beside: Any) -> Appraisal:
    """With the first as the winner; as it is read again from where it is stored."""
    known = Beside(competing=len(contenders), **beside)
    winner = contenders[0].configuration
    found = appraise(prepared, contenders, winner=winner, objective="validation_loss", beside=known)
    assert found is not None
    again = Appraisal.model_validate_json(found.model_dump_json())
    assert again == found
    return found


@pytest.mark.parametrize(
    "job",
    [
        {"dataset": {"builtin": "circle", "rows": 20}, "split": {"validation": 0.05}},
        {"dataset": {"builtin": "circle", "rows": 20}, "split": {"validation": 0.1}},
        {"dataset": {"builtin": "iris"}, "split": {"validation": 0.01}},
        {"dataset": {"builtin": "diabetes"}, "split": {"validation": 0.003}},
        {"dataset": {"builtin": "diabetes"}, "split": {"folds": 50}},
    ],
)
def test_of_few_rows_something_is_said(job: dict[str, Any]) -> None:
    found = appraised(*trained(**job, **SMALL))
    assert found.verdict
    assert {one.name for one in found.intervals} == {"none", "L2"}
    for one in found.intervals:
        assert all(np.isfinite(metric.low) for metric in one.metrics.values())


@pytest.mark.parametrize("dataset", ["iris", "diabetes"])
def test_a_single_row_tells_nothing_of_others(dataset: str) -> None:
    found = appraised(*trained(dataset={"builtin": dataset}, split={"validation": 0.001}, **SMALL))
    assert found.rows == 1
    assert found.differences == []
    assert "on the 1 validation row that made the choice: a single row does not" in found.verdict
    assert "loss" not in found.intervals[0].metrics


def test_two_rows_on_which_all_differ_do_not_show_a_difference() -> None:
    """Resamples of two rows that say the same have no spread; Clopper and Pearson's has."""
    truth = np.array([0, 1])
    right = (truth * 2.0 - 1).reshape(1, -1, 1).astype(np.float32)
    for rows, judged in ((1, "unclear"), (10, "better")):
        scores = [
            answered(np.tile(s, (1, rows, 1)), np.tile(truth, rows), ("a", "b"))
            for s in (right, -right)
        ]
        measures = RowMeasures(scores[0].held, 1, "")
        one, other = (measures.measure(str(n), n, s) for n, s in enumerate(scores))
        compared = PairedComparison([one, other], chosen_here=False, competing=1)
        found = compared.against(other, "accuracy", "contender")
        assert found is not None
        assert (found.difference, found.verdict) == (1.0, judged)


def test_rows_of_a_group_are_drawn_together() -> None:
    """Ten rows of each of twelve patients, alike within a patient, are twelve, not 120."""
    rng = np.random.default_rng(1)
    errors = np.repeat(rng.normal(0, 1, 12), 10).reshape(1, -1, 1).astype(np.float32)
    alone = answered(errors, np.zeros(120))
    prepared = replace(alone.held.prepared, groups=np.repeat(np.arange(12), 10))
    grouped = replace(alone, held=replace(alone.held, prepared=prepared))
    widths = []
    for scores in (alone, grouped):
        report = RowMeasures(scores.held, 1, "").measure("a", 0, scores).report()
        widths.append(report.metrics["loss"].high - report.metrics["loss"].low)
    assert widths[1] > 2.5 * widths[0]


def test_groups_are_told() -> None:
    prepared, contenders = trained(dataset={"builtin": "diabetes"}, split={"folds": 3}, **SMALL)
    groups = np.arange(len(prepared.row_numbers)) // 20
    found = appraised(replace(prepared, groups=groups), contenders)
    assert f"{len(prepared.row_numbers)} rows of 23 groups" in found.verdict
    assert any("Rows of one group are drawn together" in note for note in found.notes)


def test_what_halving_let_go_is_not_compared() -> None:
    """It was trained for fewer epochs: that it is worse says nothing of its settings."""
    groups = [
        Group(0, {}, trials=1, succeeded=1, scores=[0.1], halved=True),
        Group(1, {}, trials=1, succeeded=1, scores=[0.3]),
        Group(2, {}, trials=1, succeeded=1, scores=[0.2]),
    ]
    assert wanted(groups) == [2, 1]
    assert wanted(groups[:1]) == [0]
    prepared, contenders = trained(dataset={"builtin": "iris"}, **SMALL)
    found = appraised(prepared, contenders, let_go=3)
    assert any("a difference from them would be one of epochs" in note for note in found.notes)


def test_folds_of_a_single_row_exchange_nothing() -> None:
    job = {"dataset": {"builtin": "circle", "rows": 20}, "split": {"folds": 20, "stratify": False}}
    found = appraised(*trained(**job, **SMALL))
    assert found.importance is None
    stored = found.model_dump(mode="json") | {"importance": {"loss": 0.1, "noise": None}}
    assert Appraisal.model_validate(stored).importance is None  # as an earlier release kept it


def test_answers_that_are_no_numbers_have_no_intervals() -> None:
    prepared, (none, other) = trained(dataset={"builtin": "iris"}, **SMALL)
    found = appraised(prepared, [none, broken(other)])
    assert found.intervals[1].metrics.keys() == {"accuracy", "balanced_accuracy"}
    assert [one.other_name for one in found.differences if one.metric == "loss"] == [
        "the constant answer"
    ]
    found = appraised(prepared, [broken(other), none])
    assert found.verdict == "L2 won, but its loss on these 30 rows is no finite number."


def broken(contender: Contender) -> Contender:
    """Its networks answer with NaN."""
    (one,) = contender.trials
    tensors = {
        name: tensor * np.nan if name.startswith("weights.") else tensor
        for name, tensor in one.file.tensors.items()
    }
    file = type(one.file)(tensors, one.file.manifest)
    trial = type(one)(one.trial, one.metrics, file, one.position)
    return Contender(contender.configuration, contender.name, [trial])


def test_a_winner_without_all_its_folds_has_no_intervals() -> None:
    prepared, contenders = trained(dataset={"builtin": "iris"}, split={"folds": 3}, **SMALL)
    lacking = Contender(0, "none", contenders[0].trials[:2])
    found = appraised(prepared, [lacking, contenders[1]])
    assert found.verdict.startswith("none won, but none of its repeats has all its folds")
    found = appraised(prepared, [contenders[1], lacking])
    assert [one.name for one in found.intervals] == ["L2"]


def test_boosting_stands_beside_the_folds() -> None:
    prepared, contenders = trained(dataset={"builtin": "diabetes"}, split={"folds": 3}, **SMALL)
    exact = [
        prepared.y[fold][split.validation][:, None] for fold, split in enumerate(prepared.splits)
    ]
    found = appraised(prepared, contenders, boosted=exact)
    boosting = [one for one in found.differences if one.role == "boosting"]
    own = found.intervals[0].metrics
    assert {one.metric: one.difference for one in boosting} == {
        name: pytest.approx(own[name].value, rel=1e-5) for name in ("loss", "rmse")
    }
    assert "worse than gradient boosting by" in found.verdict
    assert any("Folds share training rows" in note for note in found.notes)
    assert not any("in the order of" in note for note in found.notes)


def test_rows_in_the_order_of_time_are_told_as_such() -> None:
    prepared, contenders = trained(
        dataset={"builtin": "diabetes"}, split={"validation": 0.2}, **SMALL
    )
    found = appraised(prepared, contenders, ordered_by="date")
    (note,) = [note for note in found.notes if "in the order of 'date'" in note]
    assert "these rows come after all that trained" in note


def test_the_constant_answer_is_that_of_the_training_rows() -> None:
    prepared, contenders = trained(dataset={"builtin": "iris"}, split={"folds": 3}, **SMALL)
    # Each fold's training rows have the three classes alike, but for a row.
    assert constant_loss(appraised(prepared, contenders)) == pytest.approx(np.log(3), abs=0.01)
    prepared, contenders = trained(dataset={"builtin": "diabetes"}, split={"folds": 3}, **SMALL)
    # Targets are standardized by the training rows, whose mean is 0.
    validated = [prepared.y[n][split.validation] for n, split in enumerate(prepared.splits)]
    expected = np.square(np.concatenate(validated)).mean()
    assert constant_loss(appraised(prepared, contenders)) == pytest.approx(expected, rel=1e-5)


def constant_loss(appraisal: Appraisal) -> float:
    found = next(one for one in appraisal.differences if one.role == "constant")
    return appraisal.intervals[0].metrics["loss"].value - found.difference


def test_without_rows_held_back_nothing_is_said() -> None:
    prepared, contenders = trained(dataset={"builtin": "iris"}, split={"validation": 0}, **SMALL)
    assert appraise(prepared, contenders, winner=0, objective="train_loss") is None


@pytest.mark.parametrize(
    "job",
    [
        {
            "dataset": {"builtin": "iris"},
            "target": "sepal length (cm)",
            "task": "regression",
            "sample_weight": "petal width (cm)",
        },
        {
            "dataset": {"builtin": "diabetes"},
            "training": {"epochs": 2, "loss": {"kind": "quantile", "q": 0.8}},
        },
    ],
)
def test_rows_count_what_they_weigh_by_the_loss_that_was_asked_for(job: dict[str, Any]) -> None:
    prepared, contenders = trained(**{**SMALL, **job})
    found = appraised(prepared, contenders)
    for interval, contender in zip(found.intervals, contenders, strict=True):
        measured = contender.trials[0].metrics
        for name in ("loss", "rmse"):
            expected = measured[f"validation_{name}"]
            assert interval.metrics[name].value == pytest.approx(expected, rel=1e-5)
