"""What is measured while a fleet trains: how often, on which rows, and never twice."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine import weights
from tests.fleets import fleet, trained
from worker.data import Outline, load_builtin, prepare
from worker.search import Halving, plan
from worker.spec import Builtin, JobSpec
from worker.training import EpochReport, FleetRun, dump_state, load_state
from worker.training.engine import Engine
from worker.training.measured_rows import measured_places

CIRCLE: dict[str, Any] = {"dataset": {"builtin": "circle", "rows": 400}}
TWO: list[dict[str, Any]] = [
    {"name": "plain", "regularization": {}},
    {"name": "ema", "regularization": {"ema": {"decay": 0.9}}},
]


def training(epochs: int = 7, **evaluate: int) -> dict[str, Any]:
    optimizer = {"kind": "adam", "learning_rate": 0.01}
    return {"epochs": epochs, "optimizer": optimizer, "evaluate": evaluate}


def measured(reports: list[EpochReport]) -> list[int]:
    return [r.epoch for r in reports if r.metrics.get("train_loss", [None])[0] is not None]


def test_every_third_epoch_is_measured_and_the_last() -> None:
    """Weights, and what is measured, are those of a run that is measured after every epoch."""
    each, third = (fleet(**CIRCLE, compare=TWO, training=training(every=n)) for n in (1, 3))
    whole, some = list(each.epochs()), list(third.epochs())
    assert measured(some) == [3, 6, 7]
    for report in some:
        expected = whole[report.epoch - 1].metrics
        assert report.metrics == {name: expected[name] for name in report.metrics}
    assert {"objective", "learning_rate"} == set(some[0].metrics)
    for name, tensor in weights(each).items():
        assert torch.equal(tensor, weights(third)[name])
    assert each.results() == third.results()


def test_patience_counts_measurements() -> None:
    stopping = {"early_stopping": {"patience": 2, "metric": "train_loss", "min_delta": 1e6}}
    run = fleet(**CIRCLE, regularization=stopping, training=training(20, every=4))
    assert measured(list(run.epochs())) == [4, 8, 12]
    (result,) = run.results()
    assert (result.epochs, result.best_epoch) == (12, 4)


def test_rungs_are_measured() -> None:
    job = {**CIRCLE, "compare": TWO, "training": training(8, every=5)}
    run = fleet(**job)
    run.halving = Halving([0, 1], epochs=8, min_epochs=2, eta=2, objective="validation_loss")
    reports = list(run.epochs())
    assert reports[1].halved
    assert reports[1].metrics["validation_loss"] != [None, None]


@pytest.mark.parametrize(
    "regularization",
    [
        {},
        {"swa": {}},
        {"batch_norm": {}, "ema": {}},
        {"snapshot_ensemble": {"members": 2}},
        {
            "l1": {"strength": 1e-3, "schedule": {"kind": "linear", "end": 0.0}},
            "early_stopping": {"patience": 1},
        },
    ],
    ids=str,
)
def test_what_was_measured_is_what_would_be(
    regularization: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The final metrics are taken over; measured anew, they have the same bits."""
    run = trained(fleet(**CIRCLE, regularization=regularization, repeats=3, training=training()))
    expected = {n: values.tolist() for n, values in run.final_engine().measure().items()}
    asked: list[str] = []
    measure_part = Engine.measure_part

    def counted(engine: Engine, part: str, most: int | None = None) -> dict[str, torch.Tensor]:
        asked.append(part)
        return measure_part(engine, part, most)

    monkeypatch.setattr(Engine, "measure_part", counted)
    for row, result in enumerate(run.results()):
        for name, values in expected.items():
            value = values[row] if math.isfinite(values[row]) else None
            assert result.metrics[name] == value, name
    assert "train" not in asked


def test_what_was_measured_survives_a_kill() -> None:
    job = {**CIRCLE, "training": training(), "regularization": {"early_stopping": {"patience": 3}}}
    whole = trained(fleet(**job))
    first, second = fleet(**job), fleet(**job)
    reports = first.epochs()
    for _ in range(5):
        next(reports)
    second.restore(load_state(dump_state(first.state())))
    assert trained(second).results() == whole.results()
    for outcome in second.outcomes:
        outcome.measured = None  # as in what an earlier release stored
    assert second.results() == whole.results()


def test_trials_that_diverge_share_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = [{"name": str(rate), "training": training()} for rate in (0.01, 0.02, 0.03)]
    for member in rates[1:]:
        member["training"]["optimizer"] = {"kind": "sgd", "learning_rate": 100.0}
    rates[0]["training"]["optimizer"] = {"kind": "sgd", "learning_rate": 0.01}
    job: dict[str, Any] = {"dataset": {"builtin": "diabetes"}, "compare": rates}
    run = fleet(**job)
    built: list[int] = []
    build = Engine.__init__

    def counted(engine: Engine, trials: Any, *others: Any, **named: Any) -> None:
        built.append(len(trials))
        build(engine, trials, *others, **named)

    monkeypatch.setattr(Engine, "__init__", counted)
    next(run.epochs())
    monkeypatch.undo()
    errors = [outcome.error for outcome in run.outcomes]
    assert errors[0] is None
    assert built in ([2], [2, 1]), "and one for those that go on"
    untrained = fleet(**job).engine.measure()["train_loss"].tolist()
    assert [e.detail("last_finite_loss") for e in errors[1:] if e is not None] == untrained[1:]


def many(rows: int, **job: Any) -> tuple[FleetRun, JobSpec]:
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle", "rows": rows}, **job})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    (planned,) = plan(spec, Outline.of(table, spec, target))
    return FleetRun(planned.trials, prepare(table, spec, target)), spec


def test_of_many_training_rows_a_sample_is_measured() -> None:
    """Each class has its share; trials of other seeds have the same rows, and so are paired."""
    run, _ = many(1_000, repeats=2, split={"folds": 2}, training=training(1, train_rows=101))
    data = run.engine.data
    assert data.rows("train") == 500
    assert data.rows_measured("train") == 101
    assert data.rows_measured("validation") == 500
    rows = list(data.measured("train", 10_000))
    x, y = (torch.cat([part[n] for part in rows], 1) for n in (0, 1))
    for fold in (0, 1):
        of_fold = data.y[data.parts["train"][fold]]
        assert y[fold].sum().item() == pytest.approx(101 * of_fold.mean().item(), abs=1)
        assert torch.equal(x[fold], x[fold + 2]), "another seed"
    assert not torch.equal(x[0], x[1])
    report = trained(run).results()[0].report
    assert report is not None
    assert report.fitted is not None
    assert (report.fitted.rows, report.fitted.measured) == (500, 101)


def test_a_sample_of_numbers_has_their_distribution() -> None:
    run, _ = many(1_000, dataset={"builtin": "diabetes"}, training=training(1))
    prepared = run.prepared
    places = measured_places(prepared, 0, 50)
    assert places is not None
    assert places is measured_places(prepared, 0, 50), "drawn once"
    assert (np.diff(places) > 0).all()
    y = np.sort(prepared.y[0][prepared.splits[0].train])
    found = np.sort(prepared.y[0][prepared.splits[0].train[places]])
    assert abs(found - np.quantile(y, (np.arange(50) + 0.5) / 50)).max() < 0.1
    assert measured_places(prepared, 0, len(y)) is None
