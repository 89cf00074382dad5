"""The metrics of classifiers, against scikit-learn: shifted, scaled, tied and tiny data."""

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from worker.metrics import (
    choose_threshold,
    confusion,
    final_classification,
    from_confusion,
    margins,
    part_curves,
)
from worker.metrics.classification import BINS, log_softmax

Arrays = tuple[NDArray[Any], NDArray[np.int64]]


def rows(trials: int, count: int, outputs: int = 1, *, seed: int = 0, ties: bool = False) -> Arrays:
    """Scores and classes that have something to do with each other."""
    random = np.random.default_rng(seed)
    classes = max(2, outputs)
    y = random.integers(classes, size=(trials, count))
    y[:, :classes] = np.arange(classes)[:count]  # all occur, where there is room
    scores = random.normal(size=(trials, count, outputs))
    if outputs == 1:
        scores[..., 0] += y - 0.5
    else:
        scores += 1.5 * (np.arange(classes) == y[..., None])
    return (scores.round(0) if ties else scores).astype(np.float32), y


SHIFTS = {
    "plain": (1.0, 0.0),
    "shifted": (1.0, -12.0),
    "scaled": (1e-8, 0.0),
    "saturated": (100.0, 0.0),
}


@pytest.mark.parametrize(("positive", "ties"), [(0, True), (1, False)], ids=["tied", "distinct"])
@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("count", [2, 3, 200])
def test_two_classes_as_scikit_learn(count: int, name: str, positive: int, *, ties: bool) -> None:
    scores, y = rows(2, count, ties=ties)
    scale, shift = SHIFTS[name]
    scores = (scores * scale + shift).astype(np.float32)
    found = final_classification(scores, y, positive)
    for trial in range(len(scores)):
        truth = y[trial] == positive
        logits = margins(scores, positive)[trial].astype(np.float64)
        p = 1 / (1 + np.exp(-logits))
        expected = {
            "auc": reference.roc_auc_score(truth, logits),
            "average_precision": reference.average_precision_score(truth, logits),
            "brier": reference.brier_score_loss(truth, p),
        }
        if name != "saturated":  # scikit-learn cuts probabilities at 1e-16
            expected["log_loss"] = reference.log_loss(truth, p)
        for metric, value in expected.items():
            assert found[metric][trial] == pytest.approx(value, rel=1e-9, abs=1e-12), metric


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_answers_of_two_classes_as_scikit_learn(count: int, positive: int) -> None:
    random = np.random.default_rng(count)
    y, answers = random.integers(2, size=(2, 4, count))
    found = from_confusion(confusion(answers, y, 2), positive)
    for trial in range(len(y)):
        mine = {name: values[trial] for name, values in found.items()}
        of_two: dict[str, Any] = {"pos_label": positive, "zero_division": np.nan}
        expected = {
            "accuracy": reference.accuracy_score(y[trial], answers[trial]),
            "precision": reference.precision_score(y[trial], answers[trial], **of_two),
            "recall": reference.recall_score(y[trial], answers[trial], **of_two),
            "f1": reference.f1_score(y[trial], answers[trial], **of_two),
            "specificity": reference.recall_score(
                y[trial], answers[trial], pos_label=1 - positive, zero_division=np.nan
            ),
            "balanced_accuracy": reference.recall_score(
                y[trial], answers[trial], labels=np.unique(y[trial]), average="macro"
            ),
            "classes_predicted": len(np.unique(answers[trial])),
        }
        assert mine == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("classes", [3, 7])
@pytest.mark.parametrize("count", [1, 3, 100])
def test_many_classes_as_scikit_learn(classes: int, count: int) -> None:
    scores, y = rows(2, count, classes, seed=count)
    answers = scores.argmax(2)
    found = from_confusion(confusion(answers, y, classes), 1) | final_classification(scores, y)
    for trial in range(len(y)):
        p = np.exp(log_softmax(scores[trial]))
        occurring = np.unique(y[trial])
        macro: dict[str, Any] = {"labels": occurring, "average": "macro", "zero_division": 0}
        expected = {
            "accuracy": reference.accuracy_score(y[trial], answers[trial]),
            "precision": reference.precision_score(y[trial], answers[trial], **macro),
            "recall": reference.recall_score(y[trial], answers[trial], **macro),
            "f1": reference.f1_score(y[trial], answers[trial], **macro),
            "log_loss": reference.log_loss(y[trial], p, labels=range(classes)),
            "auc": reference.roc_auc_score(y[trial], p, multi_class="ovr", labels=range(classes))
            if len(occurring) == classes
            else np.nan,
        }
        for name, value in expected.items():
            assert found[name][trial] == pytest.approx(value, nan_ok=True, rel=1e-6), name
    assert np.array_equal(found["recall"], found["balanced_accuracy"])


def test_what_is_not_defined_has_no_value() -> None:
    scores = np.array([[[1.0], [-1.0], [2.0]]], dtype=np.float32)
    for only in (0, 1):
        y = np.full((1, 3), only)
        found = final_classification(scores, y)
        assert np.isnan(found["auc"][0])
        assert np.isnan(found["average_precision"][0]) == (only == 0)
        assert np.isfinite([found["log_loss"][0], found["brier"][0], found["ece"][0]]).all()
        table = from_confusion(confusion(np.zeros((1, 3), dtype=np.int64), y, 2))
        assert np.isnan(table["precision"][0])
        assert np.isnan(table["recall"][0]) == (only == 0)
        assert np.isnan(table["specificity"][0]) == (only == 1)
        assert table["accuracy"][0] == 1 - only


def test_a_trial_that_came_to_nothing_leaves_the_others_as_they_are() -> None:
    scores, y = rows(3, 50)
    whole = final_classification(scores, y)
    scores[1] = np.nan
    scores[1, ::2] = np.inf
    found = final_classification(scores, y)
    for name, values in found.items():
        assert values[[0, 2]].tolist() == whole[name][[0, 2]].tolist()


@pytest.mark.parametrize("outputs", [1, 4])
def test_the_same_bits_in_any_company(outputs: int) -> None:
    scores, y = rows(70, 1_003, outputs)
    together = final_classification(scores, y)
    for trial in (0, 33, 69):
        alone = final_classification(scores[trial : trial + 1], y[trial : trial + 1])
        assert {n: v[0] for n, v in alone.items()} == {n: v[trial] for n, v in together.items()}


def test_calibration_is_that_of_the_bins() -> None:
    scores, y = rows(1, 3_000)
    p = 1 / (1 + np.exp(-scores[0, :, 0].astype(np.float64)))
    edges = np.linspace(0, 1, BINS + 1)
    which = np.clip(np.digitize(p, edges) - 1, 0, BINS - 1)
    expected = sum(
        (which == b).mean() * abs(p[which == b].mean() - y[0][which == b].mean())
        for b in range(BINS)
        if (which == b).any()
    )
    assert final_classification(scores, y)["ece"][0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rule", ["f1", "balanced"])
@pytest.mark.parametrize("shift", [-15.5, 1.0])
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "tied"])
def test_no_other_threshold_is_better(rule: Any, shift: float, *, ties: bool) -> None:
    scores, y = rows(2, 15, ties=ties)
    logits = np.clip(scores[..., 0].astype(np.float64) + shift, -16, 16)
    truth = y == 1
    chosen = choose_threshold(logits, truth, rule)
    assert ((chosen > 0) & (chosen < 1)).all()
    score = reference.f1_score if rule == "f1" else reference.balanced_accuracy_score
    for trial in range(len(y)):
        p = 1 / (1 + np.exp(-logits[trial]))
        best = max(score(truth[trial], p >= cut) for cut in p)
        cut = np.log(chosen[trial]) - np.log1p(-chosen[trial])
        assert score(truth[trial], logits[trial] >= cut) == pytest.approx(best)


@pytest.mark.parametrize("rule", ["f1", "balanced"])
def test_rows_of_one_class_choose_no_threshold(rule: Any) -> None:
    logits = np.array([[0.5, -0.5], [0.5, -0.5], [1.0, -1.0]])
    truth = np.array([[True, True], [False, False], [True, False]])
    chosen = choose_threshold(logits, truth, rule)
    assert np.isnan(chosen).tolist() == [True, True, False]
    assert chosen[2] == pytest.approx(0.5)


@pytest.mark.parametrize("positive", [0, 1])
def test_curves_are_those_of_scikit_learn(positive: int) -> None:
    scores, y = rows(1, 80)
    answers = (scores[0, :, 0] >= 0).astype(np.int64)
    found = part_curves(scores[0], y[0], answers, positive)
    truth, logits = y[0] == positive, margins(scores, positive)[0]
    fpr, tpr, _ = reference.roc_curve(truth, logits, drop_intermediate=False)
    assert found.roc is not None
    assert found.pr is not None
    assert found.roc.fpr == pytest.approx(fpr, abs=1e-6)
    assert found.roc.tpr == pytest.approx(tpr, abs=1e-6)
    precision, recall, _ = reference.precision_recall_curve(truth, logits)
    assert found.pr.precision == pytest.approx(precision[:-1][::-1], abs=1e-6)
    assert found.pr.recall == pytest.approx(recall[:-1][::-1], abs=1e-6)
    assert found.confusion == reference.confusion_matrix(y[0], answers).tolist()
    assert sum(found.calibration.rows) == found.rows == 80


def test_curves_are_bounded_and_keep_their_area() -> None:
    scores, y = rows(1, 20_000)
    found = part_curves(scores[0], y[0], (scores[0, :, 0] >= 0).astype(np.int64))
    assert found.roc is not None
    assert found.pr is not None
    assert len(found.roc.fpr) == len(found.roc.threshold) <= 100
    assert len(found.pr.recall) == len(found.pr.precision) <= 100
    area = reference.roc_auc_score(y[0], scores[0, :, 0])
    assert reference.auc(found.roc.fpr, found.roc.tpr) == pytest.approx(area, abs=1e-3)
    assert (found.roc.fpr[-1], found.roc.tpr[-1], found.pr.recall[-1]) == (1, 1, 1)


def test_curves_of_one_class_and_of_many() -> None:
    scores, y = rows(1, 30)
    answers = np.zeros(30, dtype=np.int64)
    assert part_curves(scores[0], np.zeros(30, dtype=np.int64), answers).pr is None
    of_one = part_curves(scores[0], np.ones(30, dtype=np.int64), answers)
    assert (of_one.roc is None, of_one.pr is None) == (True, False)
    for classes, kept in ((3, True), (101, False)):
        scores, y = rows(1, 200, classes)
        found = part_curves(scores[0], y[0], scores[0].argmax(1))
        assert found.roc is found.pr is None
        assert (found.confusion is not None) == kept


def test_nothing_warns_of_what_is_usual() -> None:
    """Rows of one class, one row, saturated scores: none of these is worth a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in (1, 2):
            for value in (0.0, 1e4, -1e4):
                scores = np.full((2, count, 1), value, dtype=np.float32)
                final_classification(scores, np.ones((2, count), dtype=np.int64))
                part_curves(
                    scores[0], np.ones(count, dtype=np.int64), np.ones(count, dtype=np.int64)
                )
