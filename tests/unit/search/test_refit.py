"""The winner is trained once more: on which rows, for how long, as what."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from worker.data import Outline, load_builtin, prepare
from worker.errors import SpecError
from worker.regularization import EarlyStopping, SnapshotEnsemble
from worker.results.ranking import Group
from worker.search.comparison import Comparison, goes_on
from worker.search.plan import posted_configurations
from worker.search.refit import (
    Chosen,
    refit,
    refit_costs,
    refit_outline,
    resolve_refit,
    resolve_refit_repeats,
)
from worker.search.scheduler import Search, resolve_search
from worker.search.space import configure, searched_sections
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun


def iris(**fields: Any) -> JobSpec:
    body = {
        "dataset": {"builtin": "iris"},
        "network": {"kind": "mlp", "hidden": [4]},
        "split": {"validation": 0.2, "test": 0.2},
        "training": {"epochs": 2},
    }
    return JobSpec.model_validate({**body, **fields})


def rows_of(spec: JobSpec) -> tuple[Any, str]:
    assert isinstance(spec.dataset, Builtin)
    return load_builtin(spec.dataset)


def test_validation_rows_train_in_a_refit() -> None:
    spec = iris()
    table, target = rows_of(spec)
    before, after = prepare(table, spec, target), prepare(table, spec, target, refit=True)
    (old,), (new,) = before.splits, after.splits
    assert new.train.tolist() == sorted([*old.train.tolist(), *old.validation.tolist()])
    assert len(new.validation) == 0
    assert new.test.tolist() == old.test.tolist()
    assert np.allclose(after.x[0][new.train].mean(0), 0, atol=1e-5)
    known = refit_outline(Outline.of(table, spec, target))
    assert known.train_rows == (len(new.train),)
    assert (known.validation_rows, known.test_rows) == ((0,), (len(new.test),))


def test_after_folds_all_rows_train() -> None:
    spec = iris(split={"folds": 3})
    table, target = rows_of(spec)
    prepared = prepare(table, spec, target, refit=True)
    assert len(prepared.splits) == 1
    assert len(prepared.splits[0].train) == 150
    assert refit_outline(Outline.of(table, spec, target)).train_rows == (150,)


def test_a_long_name_leaves_room_for_what_it_is() -> None:
    spec = iris()
    table, target = rows_of(spec)
    configuration = configure(searched_sections(spec), 7, {}).model_copy(
        update={"name": "7: " + "p=0.5 " * 17}
    )
    one = Chosen(configuration)
    for chosen in ([one], [one, one]):
        (planned,) = refit(spec, Outline.of(table, spec, target), chosen, first=30)
        assert len(planned.trials[-1].name) <= 110
        assert planned.trials[-1].name.endswith("refitted)")


def test_a_refit_trains_each_repeat_and_does_not_validate() -> None:
    spec = iris(repeats=2)
    table, target = rows_of(spec)
    chosen = [
        Chosen(configure(searched_sections(spec), 7, {"regularization.l1": {"strength": 0.1}})),
        Chosen(configure(searched_sections(spec), 0, {})),
    ]
    (planned,) = refit(spec, Outline.of(table, spec, target), chosen, first=30)
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


def outline_of(spec: JobSpec) -> Outline:
    table, target = rows_of(spec)
    return Outline.of(table, spec, target)


def test_test_rows_stay_aside_after_folds() -> None:
    spec = iris(split={"folds": 3, "test": 0.2})
    table, target = rows_of(spec)
    prepared = prepare(table, spec, target, refit=True)
    rows = prepared.splits[0]
    known = refit_outline(outline_of(spec))
    assert (known.train_rows, known.test_rows) == ((len(rows.train),), (len(rows.test),))
    assert len(rows.test) == 30
    assert not set(rows.train) & set(rows.test)


ONE = {"search": {"space": {"regularization.l1.strength": {"values": [0.1, 0.2]}}}}


@pytest.mark.parametrize(
    ("job", "wanted"),
    [
        ({}, False),
        ({"split": {"folds": 3}}, True),
        ({"split": {"folds": 3}, "repeats": 4}, True),
        ({"split": {"folds": 3}, "refit": False}, False),
        ({"refit": True}, True),
        (ONE, False),
        ({**ONE, "split": {"folds": 3}}, True),
        ({**ONE, "split": {"folds": 3}, "refit": False}, False),
        ({**ONE, "refit": True}, True),
        ({"search": {**ONE["search"], "refit": False}, "split": {"folds": 3}}, False),
        ({"search": {**ONE["search"], "refit": True}, "refit": True}, True),
        ({"regularization": "auto"}, True),
        ({"regularization": "auto", "refit": False}, False),
        ({"regularization": "auto", "search": {"refit": False}}, False),
    ],
)
def test_a_cross_validated_job_refits_unless_it_says_otherwise(
    job: dict[str, Any], wanted: bool
) -> None:
    spec = iris(**job)
    resolved = resolve_refit(resolve_search(spec, outline_of(spec)), outline_of(spec))
    assert (resolved.refits, resolved.refit) == (wanted, wanted)
    assert resolved.search is None or resolved.search.refit is wanted
    assert JobSpec.model_validate_json(resolved.model_dump_json()).refits is wanted
    assert goes_on(resolved) is (wanted or resolved.search is not None)


@pytest.mark.parametrize("of_job", [False, True])
def test_a_job_and_its_search_must_agree(of_job: bool) -> None:
    with pytest.raises(ValidationError, match="leave one of them out"):
        iris(refit=of_job, search={**ONE["search"], "refit": not of_job})


def test_without_validation_rows_there_is_nothing_to_refit_on() -> None:
    spec = iris(split={"validation": 0}, refit=True)
    with pytest.raises(SpecError, match="or leave refit out") as caught:
        resolve_refit(spec, outline_of(spec))
    assert caught.value.param == "refit"


STOPS = {"regularization": {"early_stopping": {"patience": 2}, "l2": {"strength": 0.1}}}


@pytest.mark.parametrize(
    ("best_epochs", "epochs"), [([4, 6, 8], 6), ([1], 1), ([0], 1), ([20, 20], 20), ([], 20)]
)
def test_what_stopped_early_trains_for_the_mean_of_the_epochs_that_it_kept(
    best_epochs: list[int], epochs: int
) -> None:
    spec = iris(**STOPS, split={"folds": 3}, training={"epochs": 20})
    chosen = Chosen(posted_configurations(spec)[0], best_epochs)
    (planned,) = refit(spec, outline_of(spec), [chosen], first=1)
    (trial,) = planned.trials
    assert trial.training.epochs == epochs
    assert trial.regularization.early_stopping is None
    assert trial.regularization.l2 is not None


def test_what_does_not_stop_early_trains_as_long_as_before() -> None:
    spec = iris(split={"folds": 3}, training={"epochs": 20})
    chosen = Chosen(posted_configurations(spec)[0], [4, 5, 6])
    (planned,) = refit(spec, outline_of(spec), [chosen], first=1)
    assert planned.trials[0].training.epochs == 20


def test_an_ensemble_keeps_the_epochs_that_its_members_need() -> None:
    ensemble = SnapshotEnsemble(members=4)
    (whole,) = posted_configurations(iris(training={"epochs": 20}))
    both = whole.regularization.model_copy(
        update={"snapshot_ensemble": ensemble, "early_stopping": EarlyStopping()}
    )
    chosen = Chosen(whole.model_copy(update={"regularization": both}), [2, 3])
    spec = iris(split={"folds": 3})
    (planned,) = refit(spec, outline_of(spec), [chosen], first=1)
    assert planned.trials[0].training.epochs == 20
    assert planned.trials[0].regularization.early_stopping is None


def group(number: int, *scores: float, missing: int = 0, **overrides: Any) -> Group:
    changes = {f"regularization.{path}": value for path, value in overrides.items()}
    trials = len(scores) + missing
    return Group(number, changes, trials=trials, succeeded=trials, scores=list(scores))


def test_the_best_configuration_of_a_comparison_is_refitted() -> None:
    compare = [{"name": name} for name in "abc"]
    spec = iris(compare=compare, split={"folds": 2}, repeats=2)
    comparison = Comparison(spec, outline_of(spec))
    nothing = group(0, missing=4)
    known = [nothing, group(1, 0.4, 0.4), group(2, 0.3, 0.3)]
    assert comparison.winner(known) == 2
    (planned,) = comparison.refits(known)
    assert [(t.name, t.configuration, t.refit, t.repeat, t.fold) for t in planned.trials] == [
        ("c (refitted)", 3, 2, 0, None),
        ("c (refitted)", 3, 2, 1, None),
    ]
    assert (comparison.winner([nothing]), comparison.refits([nothing])) == (None, [])


@pytest.mark.parametrize(("choose", "chosen"), [("best", 0), ("one_standard_error", 1)])
def test_the_chosen_configuration_of_a_search_is_refitted(choose: str, chosen: int) -> None:
    """All but the last are within a standard error; the second is the strongest of them."""
    spec = iris(
        search={
            "method": "grid",
            "space": {"regularization.l1.strength": {"low": 1e-3, "high": 1.0, "log": True}},
            "points": 4,
            "choose": choose,
        },
        split={"folds": 3},
    )
    outline = outline_of(spec)
    search = Search(resolve_refit(resolve_search(spec, outline), outline), outline)
    strengths = [0.001, 0.1, 0.01, 1.0]
    values = [(0.1, 0.2, 0.3), (0.2, 0.2, 0.23), (0.2, 0.21, 0.22), (0.9, 0.9, 0.9)]
    known = [
        Group(n, {"regularization.l1.strength": s}, trials=3, succeeded=3, scores=list(v))
        for n, (s, v) in enumerate(zip(strengths, values, strict=True))
    ]
    assert search.winner(known) == chosen
    (planned,) = search.refits(known, 4)
    assert [trial.refit for trial in planned.trials] == [chosen]
    assert planned.trials[0].regularization.l1 is not None
    assert planned.trials[0].regularization.l1.strength == strengths[chosen]


def test_a_search_without_a_finite_objective_refits_nothing() -> None:
    spec = iris(**ONE, split={"folds": 3})
    outline = outline_of(spec)
    search = Search(resolve_refit(resolve_search(spec, outline), outline), outline)
    known = [group(0, missing=3), group(1, missing=3)]
    assert (search.winner(known), search.refits(known, 2)) == (None, [])


def test_a_refit_is_part_of_the_cost() -> None:
    wide = {"kind": "mlp", "hidden": [64]}
    compare = [{"name": "a"}, {"name": "b", "network": wide}]
    spec = iris(compare=compare, split={"folds": 3}, repeats=2)
    outline = outline_of(spec)
    assert refit_costs(spec, outline, posted_configurations(spec)) == []
    resolved = resolve_refit(spec, outline)
    (cost,) = refit_costs(resolved, outline, posted_configurations(spec))
    assert (cost.trials, cost.train_rows, cost.splits) == (2, 150, 1)
    assert cost.layout.parameters == 4 * 64 + 64 + 64 * 3 + 3
    # Each fold is left out once: K folds train on K - 1 times the rows.
    assert cost.train_rows * (3 - 1) == sum(replace(outline).train_rows)


@pytest.mark.parametrize(
    ("seconds", "trials", "asked", "repeats", "wanted"),
    [
        (1e6, 1000, None, 1, 5),
        (1e6, 1000, None, 7, 7),
        (1e6, 1000, 2, 1, 2),
        (1e6, 39, None, 1, 4),
        (1e6, 12, None, 1, 2),  # one trial more is a twelfth
        (1e6, 9, None, 1, 1),
        (1e-6, 1000, None, 3, 3),
    ],
)
def test_a_search_refits_with_as_many_seeds_as_are_cheap(
    seconds: float, trials: int, asked: int | None, repeats: int, wanted: int
) -> None:
    spec = iris(search={**ONE["search"], "refit": True, "refit_repeats": asked}, repeats=repeats)
    outline = outline_of(spec)
    spec = resolve_refit(resolve_search(spec, outline), outline)
    configurations = posted_configurations(spec)
    resolved = resolve_refit_repeats(spec, outline, configurations, seconds=seconds, trials=trials)
    assert resolved.refit_repeats == wanted
    assert resolved.search is not None
    assert resolved.search.refit_repeats == wanted
    (planned,) = refit(resolved, outline, [Chosen(configurations[0])], first=9)
    seeds = [trial.training.seed for trial in planned.trials]
    assert seeds == list(range(seeds[0], seeds[0] + wanted))
    (cost,) = refit_costs(resolved, outline, configurations)
    assert cost.trials == wanted


def test_a_job_without_a_search_refits_as_often_as_it_repeats() -> None:
    spec = iris(refit=True, repeats=2)
    same = resolve_refit_repeats(spec, outline_of(spec), [], seconds=1e6, trials=1000)
    assert same.refit_repeats == 2
