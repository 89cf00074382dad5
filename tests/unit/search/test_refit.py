"""The last fleet of a search, and what stands beside its winner."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from worker.data import check, prepare
from worker.data.builtin import load_builtin
from worker.search.baseline import boosting
from worker.search.refit import refit, refit_outline
from worker.search.space import base, configure
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun


def job(**fields: Any) -> JobSpec:
    body = {
        "dataset": {"builtin": "iris"},
        "network": {"kind": "mlp", "hidden": [4]},
        "split": {"validation": 0.2, "test": 0.2},
        "training": {"epochs": 2},
    }
    return JobSpec.model_validate({**body, **fields})


def parts(spec: JobSpec) -> tuple[Any, str]:
    assert isinstance(spec.dataset, Builtin)
    return load_builtin(spec.dataset)


def test_validation_rows_train_in_a_refit() -> None:
    spec = job()
    table, target = parts(spec)
    before, after = prepare(table, spec, target), prepare(table, spec, target, refit=True)
    (old,), (new,) = before.splits, after.splits
    assert new.train.tolist() == sorted([*old.train.tolist(), *old.validation.tolist()])
    assert len(new.validation) == 0
    assert new.test.tolist() == old.test.tolist()
    assert np.allclose(after.x[0][new.train].mean(0), 0, atol=1e-5)
    known = refit_outline(check(table, spec, target))
    assert known.train_rows == (len(new.train),)
    assert (known.validation_rows, known.test_rows) == ((0,), (len(new.test),))


def test_after_folds_all_rows_train() -> None:
    spec = job(split={"folds": 3})
    table, target = parts(spec)
    prepared = prepare(table, spec, target, refit=True)
    assert len(prepared.splits) == 1
    assert len(prepared.splits[0].train) == 150
    assert refit_outline(check(table, spec, target)).train_rows == (150,)


def test_a_long_name_leaves_room_for_what_it_is() -> None:
    spec = job()
    table, target = parts(spec)
    configuration = replace(configure(base(spec), 7, {}), name="7: " + "p=0.5 " * 17)
    for chosen in ([(7, configuration)], [(7, configuration), (0, configuration)]):
        (planned,) = refit(
            spec, check(table, spec, target), chosen, first=30, objective="gap", maximize=False
        )
        assert len(planned.trials[-1].name) <= 110
        assert planned.trials[-1].name.endswith("refitted)")


def test_a_refit_trains_each_repeat_and_does_not_validate() -> None:
    spec = job(repeats=2)
    table, target = parts(spec)
    chosen = [
        (7, configure(base(spec), 7, {"regularization.l1": {"strength": 0.1}})),
        (0, configure(base(spec), 0, {})),
    ]
    (planned,) = refit(
        spec, check(table, spec, target), chosen, first=30, objective="gap", maximize=False
    )
    assert [(t.configuration, t.refit, t.training.seed) for t in planned.trials] == [
        (30, 7, 0),
        (30, 7, 1),
        (31, 0, 0),
        (31, 0, 1),
    ]
    assert planned.trials[0].regularization.l1 is not None
    run = FleetRun(planned.trials, prepare(table, spec, target, refit=True))
    for _ in run.epochs():
        pass
    for result in run.results():
        assert result.state == "succeeded"
        assert "test_balanced_accuracy" in result.metrics
        assert "validation_loss" not in result.metrics


def test_boosting_is_measured_on_the_test_rows() -> None:
    spec = job(dataset={"builtin": "circle", "rows": 300})
    table, target = parts(spec)
    prepared = prepare(table, spec, target, refit=True)
    found = boosting(prepared)
    assert found.metrics["test_balanced_accuracy"] > 0.8
    assert found.metrics["train_accuracy"] > 0.99
    assert boosting(prepared).metrics == found.metrics


def test_boosting_of_folds_is_their_mean_on_validation_rows() -> None:
    spec = job(split={"folds": 2})
    table, target = parts(spec)
    found = boosting(prepare(table, spec, target))
    assert found.metrics["validation_balanced_accuracy"] > 0.8
    assert "test_accuracy" not in found.metrics


def test_boosting_of_numbers_is_in_the_targets_unit() -> None:
    spec = job(dataset={"builtin": "diabetes"})
    table, target = parts(spec)
    found = boosting(prepare(table, spec, target, refit=True))
    assert 40 < found.metrics["test_rmse"] < 80
    assert found.metrics["test_r2"] == pytest.approx(0.3, abs=0.3)
