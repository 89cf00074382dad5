"""Metrics of a trained fleet: the same as from its served predictions, in any company."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from worker.data import Outline, Prepared, load_builtin, prepare
from worker.models import ModelFile, TrainedModel
from worker.results import TrialResult
from worker.search import plan
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun, Threshold

QUICK: dict[str, Any] = {"epochs": 4, "optimizer": {"kind": "adam", "learning_rate": 0.02}}
SMALL: dict[str, Any] = {
    "dataset": {"builtin": "circle", "rows": 240},
    "network": {"kind": "mlp", "hidden": [6]},
    "split": {"validation": 0.25, "test": 0.25},
    "training": QUICK,
}


def job(**fields: Any) -> tuple[JobSpec, Outline, Prepared, list[dict[str, Any]]]:
    """A job, its data, and its rows as records."""
    spec = JobSpec.model_validate({**SMALL, **fields})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    columns = [name for name in table.names if name != target]
    cells = zip(*(table.values[name].tolist() for name in columns), strict=True)
    records = [dict(zip(columns, row, strict=True)) for row in cells]
    return spec, Outline.of(table, spec, target), prepare(table, spec, target), records


def train(
    spec: JobSpec, outline: Outline, prepared: Prepared, threshold: Threshold | None = None
) -> FleetRun:
    (fleet,) = plan(spec, outline)
    run = FleetRun(fleet.trials, prepared, threshold=threshold)
    for _ in run.epochs():
        pass
    return run


def with_positive(prepared: Prepared, number: int) -> Prepared:
    name = prepared.target.classes[number]
    return replace(prepared, target=prepared.target.model_copy(update={"positive": name}))


ENSEMBLE = {"snapshot_ensemble": {"members": 2}}


@pytest.mark.parametrize(
    ("positive", "threshold", "regularization"),
    [
        (0, None, {}),
        (0, 0.2, {}),
        (1, "f1", {}),
        (0, "balanced", {}),
        (0, "f1", ENSEMBLE),
    ],
)
def test_metrics_are_those_of_the_labels_that_are_served(
    positive: int, threshold: Any, regularization: dict[str, Any]
) -> None:
    spec, outline, prepared, records = job(regularization=regularization)
    prepared = with_positive(prepared, positive)
    run = train(spec, outline, prepared, threshold)
    results, file = run.results(), run.result().dump()
    name = prepared.target.classes[positive]
    for position, result in enumerate(results):
        model = TrainedModel.load(file, position)
        for part in ("validation", "test"):
            rows = getattr(prepared.splits[0], part)
            answers = model.predict_records([records[row] for row in prepared.row_numbers[rows]])
            truth = prepared.y[0][rows] == positive
            says = np.array([answer.label == name for answer in answers])
            p = np.array([(answer.probabilities or {})[name] for answer in answers])
            expected = {
                "accuracy": reference.accuracy_score(truth, says),
                "recall": reference.recall_score(truth, says),
                "f1": reference.f1_score(truth, says),
                "precision": reference.precision_score(truth, says, zero_division=np.nan),
                "specificity": reference.recall_score(~truth, ~says),
                "auc": reference.roc_auc_score(truth, p),
                "average_precision": reference.average_precision_score(truth, p),
                "log_loss": reference.log_loss(truth, p.astype(np.float64)),
                "brier": reference.brier_score_loss(truth, p),
            }
            found = {metric: result.metrics[f"{part}_{metric}"] for metric in expected}
            mine = {metric: np.nan if v is None else v for metric, v in found.items()}
            assert mine == pytest.approx(expected, rel=1e-5, nan_ok=True), part
        served = result.metrics.get("threshold")
        assert model.threshold == (0.5 if served is None else served)
        assert (served is None) == (threshold is None)
        assert says.tolist() == (p >= model.threshold).tolist()


@pytest.mark.parametrize("rule", ["f1", "balanced"])
def test_a_chosen_threshold_is_no_worse_than_one_half_where_it_was_chosen(rule: Any) -> None:
    spec, outline, prepared, _ = job(repeats=2)
    metric = "validation_f1" if rule == "f1" else "validation_balanced_accuracy"
    plain = train(spec, outline, prepared).results()
    chosen = train(spec, outline, prepared, rule).results()
    for before, after in zip(plain, chosen, strict=True):
        assert value(after, metric) >= value(before, metric)
        assert value(after, "validation_auc") == value(before, "validation_auc")


def value(result: TrialResult, metric: str) -> float:
    found = result.metrics[metric]
    assert found is not None
    return found


def test_thresholds_may_be_given_to_each_trial_as_to_a_refit() -> None:
    spec, outline, prepared, _ = job(repeats=2)
    run = train(spec, outline, prepared, [0.3, 0.7])
    assert [result.metrics["threshold"] for result in run.results()] == [0.3, 0.7]
    assert run.result().manifest.thresholds == [0.3, 0.7]


def test_rows_of_one_class_choose_no_threshold_and_that_is_said() -> None:
    spec, outline, prepared, _ = job()
    y = prepared.y.copy()
    y[0][prepared.splits[0].validation] = 1
    run = train(spec, outline, replace(prepared, y=y), "f1")
    (result,) = run.results()
    assert [advice.code for advice in result.advice].count("threshold_not_chosen") == 1
    assert "threshold" not in result.metrics
    assert result.metrics["validation_auc"] is None
    assert result.metrics["validation_specificity"] is None
    assert result.metrics["test_auc"] is not None
    assert TrainedModel.load(run.result().dump(), 0).threshold == 0.5


def test_a_file_of_an_earlier_release_answers_from_one_half() -> None:
    spec, outline, prepared, _ = job()
    file = train(spec, outline, prepared).result()
    manifest = file.manifest.model_dump(mode="json")
    del manifest["thresholds"]
    del manifest["target"]["positive"]
    old = ModelFile(file.tensors, type(file.manifest).model_validate(manifest))
    model = TrainedModel.load(old.dump(), 0)
    assert (model.threshold, model.target.positive_number) == (0.5, 1)


def test_the_positive_class_changes_no_weight_and_no_order() -> None:
    spec, outline, prepared, _ = job()
    files = [
        train(spec, outline, with_positive(prepared, number)).result().tensors for number in (0, 1)
    ]
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])


@pytest.mark.parametrize("dataset", ["iris", "diabetes"])
def test_a_trial_has_the_same_metrics_in_any_fleet(dataset: str) -> None:
    spec, outline, prepared, _ = job(dataset={"builtin": dataset}, repeats=4)
    (fleet,) = plan(spec, outline)
    together = train(spec, outline, prepared)
    alone = FleetRun(fleet.trials[3:4], prepared)
    for _ in alone.epochs():
        pass
    mine, stacked = alone.results()[0], together.results()[3]
    assert mine.metrics == stacked.metrics
    assert mine.report is not None
    assert stacked.report is not None
    assert mine.report.curves == stacked.report.curves


def test_metrics_of_many_scores_are_measured_a_few_trials_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec, outline, prepared, _ = job(repeats=5)
    run = train(spec, outline, prepared, "f1")
    whole = run.results()
    monkeypatch.setattr("worker.training.final.MOST_SCORES", 130)
    assert run.results() == whole


@pytest.mark.parametrize(
    ("mean", "preprocessing"), [(10_000.0, "none"), (1e5, "none"), (-1e6, "standardize")]
)
def test_r2_of_targets_with_a_large_mean(mean: float, preprocessing: Any) -> None:
    """However the target is prepared: as from the served predictions."""
    spec, outline, prepared, records = job(
        dataset={"builtin": "diabetes"},
        preprocessing={"target": preprocessing},
        network={"kind": "linear"},
    )
    y = prepared.y.astype(np.float64) * prepared.target_scale + prepared.target_center + mean
    center = y.mean(1) if preprocessing == "standardize" else np.zeros(1)
    moved = replace(
        prepared,
        y=((y - center[:, None]) / prepared.target_scale).astype(np.float32),
        target_center=center,
    )
    run = train(spec, outline, moved)
    (result,) = run.results()
    model = TrainedModel.load(run.result().dump(), 0)
    rows = prepared.splits[0].validation
    answers = [
        answer.value for answer in model.predict_records([records[row] for row in rows.tolist()])
    ]
    truth = y[0][rows]
    assert value(result, "validation_r2") == pytest.approx(
        reference.r2_score(truth, answers), rel=1e-4
    )
    assert value(result, "validation_mae") == pytest.approx(
        reference.mean_absolute_error(truth, answers), rel=1e-4
    )
    assert value(result, "validation_mape") == pytest.approx(
        reference.mean_absolute_percentage_error(truth, answers), rel=1e-4
    )


@pytest.mark.parametrize("watched", ["validation_r2", "validation_loss"])
def test_r2_of_one_row_is_null_and_its_loss_is_watched_instead(watched: str) -> None:
    spec, outline, prepared, _ = job(
        dataset={"builtin": "diabetes"},
        regularization={"early_stopping": {"metric": watched, "patience": 50}},
        training={**QUICK, "epochs": 6},
    )
    (split,) = prepared.splits
    one = replace(prepared, splits=(replace(split, validation=split.validation[:1]),))
    (fleet,) = plan(spec, outline)
    run = FleetRun(fleet.trials, one)
    reports = list(run.epochs())
    (result,) = run.results()
    assert {report.metrics["validation_r2"][0] for report in reports} == {None}
    assert result.metrics["validation_r2"] is None
    assert result.metrics["test_r2"] is not None
    losses = [report.metrics["validation_loss"][0] for report in reports]
    assert result.best_epoch == 1 + int(np.argmin(np.array(losses, dtype=float)))


def test_a_watched_metric_that_is_never_defined_keeps_the_first_epoch() -> None:
    """Not the weights from before it."""
    spec, outline, prepared, _ = job(
        regularization={"early_stopping": {"metric": "validation_specificity", "patience": 2}}
    )
    y = prepared.y.copy()
    y[0][prepared.splits[0].validation] = 1
    (result,) = train(spec, outline, replace(prepared, y=y)).results()
    assert (result.best_epoch, result.epochs) == (1, 3)


def test_curves_are_kept_of_the_best_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.training.final.MOST_CURVES", 2)
    spec, outline, prepared, _ = job(repeats=4)
    results = train(spec, outline, prepared, 0.4).results()
    order = sorted(range(4), key=lambda number: value(results[number], "validation_loss"))
    kept = [n for n, r in enumerate(results) if r.report is not None and r.report.curves]
    assert kept == sorted(order[:2])
    best = results[order[0]]
    assert best.report is not None
    curves = best.report.curves
    assert curves is not None
    assert (curves.classes, curves.positive, curves.threshold) == (["0", "1"], "1", 0.4)
    assert curves.parts.keys() == {"validation", "test"}
    matrix = np.array(curves.parts["validation"].confusion)
    assert matrix.trace() / matrix.sum() == pytest.approx(value(best, "validation_accuracy"))
