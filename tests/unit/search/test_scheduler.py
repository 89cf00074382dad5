import json
from typing import Any

import numpy as np
import pytest

from tests.fleets import trained
from worker.data import Outline, load_builtin, prepare
from worker.errors import SpecError
from worker.search.objective import metric_names
from worker.search.plan import USUAL, FleetLimits, plan
from worker.search.samplers import Trained
from worker.search.scheduler import Search, resolve_search
from worker.spec import Builtin, JobSpec, SolverSpec
from worker.training import FleetRun

L1 = {"regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True}}


def search(
    space: Any = None,
    *,
    dataset: str = "circle",
    limits: FleetLimits = USUAL,
    **more: Any,
) -> Search:
    asked = {"space": L1 if space is None else space, **more.pop("search", {})}
    body = {"dataset": {"builtin": dataset}, "search": asked, **more}
    spec = JobSpec.model_validate_json(json.dumps(body))
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = Outline.of(table, spec, target)
    return Search(resolve_search(spec, outline), outline, limits)


def numbers(found: Search, **how: Any) -> list[list[int]]:
    """The configurations of all waves, as if each left nothing open."""
    waves, first = [], 0
    while (wave := found.wave(first, **how)) is not None:
        assert wave.first == first
        waves.append([t.configuration for plan in wave.plans for t in plan.trials])
        first = wave.end
    return waves


def test_waves_cover_the_search_once_and_are_bounded() -> None:
    waves = numbers(search(search={"trials": 3000}))
    assert [len(wave) for wave in waves] == [1024, 1024, 952]
    assert sorted(n for wave in waves for n in wave) == list(range(3000))


def test_no_more_is_planned_while_enough_is_open() -> None:
    found = search(search={"trials": 3000})
    assert found.wave(1024, open_fleets=4) is None
    wave = found.wave(1024, open_fleets=3)
    assert wave is not None
    assert wave.end == 1280


@pytest.mark.slow
def test_many_workers_get_more_ahead() -> None:
    wave = search(search={"trials": 9000}).wave(0, workers=8)
    assert wave is not None
    assert len(wave.plans) == 16


def test_a_budget_is_spent_at_the_pace_that_was_measured() -> None:
    found = search(search={"budget_seconds": 100.0})

    def size(first: int, spent: float) -> int | None:
        wave = found.wave(first, spent=spent)
        return None if wave is None else wave.end - wave.first

    assert size(0, 0.0) == 16
    assert size(16, 1.0) == 256  # room for a thousand and more, but a fleet has no more
    assert size(100, 50.0) == 100
    assert size(100, 99.9) == 1  # what begins now is finished
    assert size(100, 100.0) is None
    assert (found.affordable(100, 100.0), search().affordable(9, 1.0)) == (0, None)
    assert found.wave(16, open_fleets=1, spent=1.0) is None


@pytest.mark.slow
def test_large_fleets_are_planned_one_by_one() -> None:
    found = search(search={"trials": 20_000}, limits=FleetLimits(2**34, 4096))
    wave = found.wave(0)
    assert wave is not None
    assert [len(plan.trials) for plan in wave.plans] == [4096, 4096]
    assert found.wave(wave.end, open_fleets=2) is None


def test_other_structures_are_other_fleets() -> None:
    wave = search({"network.hidden": {"values": [[4], [8], [4, 4]]}}).wave(0)
    assert wave is not None
    assert len(wave.plans) == 3


def test_repeats_and_folds_are_members_and_count() -> None:
    found = search(search={"trials": 10}, repeats=2, split={"folds": 3})
    wave = found.wave(0)
    assert wave is not None
    assert found.replica_count == 6
    assert sum(len(plan.trials) for plan in wave.plans) == 60
    seeds = {t.training.seed for plan in wave.plans for t in plan.trials}
    assert seeds == {0, 1}


def test_the_objective_says_its_direction() -> None:
    found = search(search={"objective": "validation_balanced_accuracy"})
    assert (found.objective, found.maximize) == ("validation_balanced_accuracy", True)
    assert (search().objective, search().maximize) == ("validation_loss", False)
    with pytest.raises(SpecError, match="validation_accuracy") as caught:
        search(search={"objective": "validation_acuracy"})
    assert caught.value.param == "search.objective"


def test_a_configuration_that_no_corner_told_of_is_refused_alone() -> None:
    # Each pair of neighbours goes together somewhere, but not everywhere in the middle.
    found = search({"regularization.dropout.p": {"values": [0.1, [0.1, 0.2]]}})
    narrow = {**found.sections["network"], "hidden": [8]}
    found.sections = {**found.sections, "network": narrow}
    wave = found.wave(0)
    assert wave is not None
    assert wave.plans
    assert wave.refused
    assert wave.refused[0].error.code == "invalid_spec"
    done = {t.configuration for plan in wave.plans for t in plan.trials}
    assert done | {r.trials[0].configuration for r in wave.refused} == set(range(64))


def test_tpe_plans_a_batch_for_each_worker() -> None:
    found = search(search={"method": "tpe", "trials": 100})
    first = found.wave(0)
    assert first is not None
    assert first.end == 10
    known = [
        Trained(plan.overrides[n], float(n))
        for plan in first.plans
        if plan.overrides is not None
        for n in range(len(plan.trials))
    ]
    assert found.wave(10, open_fleets=1, history=known) is None
    following = found.wave(10, history=known, workers=2)
    assert following is not None
    assert following.end == 30


def test_a_space_is_stored_field_by_field() -> None:
    found = search("default", regularization={"l2": {"strength": 0.1}})
    assert found.spec.search is not None
    assert list(found.spec.search.space) == ["regularization.l2.strength"]


def test_a_linear_path_is_solved_unless_the_job_names_an_optimizer() -> None:
    path = {"method": "path", "over": "regularization.l1.strength"}
    linear = {"network": {"kind": "linear"}, "dataset": "diabetes"}
    assert isinstance(search("default", search=path, **linear).spec.training.optimizer, SolverSpec)
    named = search("default", search=path, training={"optimizer": {"kind": "adam"}}, **linear)
    assert named.spec.training.optimizer.kind == "adam"


@pytest.mark.parametrize("ratio", [None, 0.5])
def test_paths_agree_with_scikit_learns(ratio: float | None) -> None:
    from sklearn.linear_model import enet_path, lasso_path

    technique = "l1" if ratio is None else "elastic_net"
    found = search(
        {f"regularization.{technique}.strength": {"low": 1e-3, "high": 1.5, "log": True}},
        dataset="diabetes",
        network={"kind": "linear"},
        regularization={}
        if ratio is None
        else {"elastic_net": {"strength": 1.0, "l1_ratio": ratio}},
        preprocessing={"target": "standardize"},
        search={
            "method": "path",
            "over": f"regularization.{technique}.strength",
            "points": 30,
        },
    )
    wave = found.wave(0)
    assert wave is not None
    (plan,) = wave.plans
    assert isinstance(found.spec.dataset, Builtin)
    table, target = load_builtin(found.spec.dataset)
    prepared = prepare(table, found.spec, target)
    run = FleetRun(plan.trials, prepared)
    for _ in run.epochs():
        pass
    weights = next(
        tensor.double().numpy()
        for name, tensor in run.result().tensors.items()
        if name.startswith("weights.") and tensor.shape[1:] == (10, 1)
    )[..., 0]
    train = prepared.splits[0].train
    x, y = (values[0][train].astype(np.float64) for values in (prepared.x, prepared.y))
    x, y = x - x.mean(0), y - y.mean()
    assert plan.overrides is not None
    strengths = np.array([next(iter(each.values())) for each in plan.overrides])
    assert list(strengths) == sorted(strengths, reverse=True)
    exact: dict[str, Any] = {"tol": 1e-10, "max_iter": 100_000}
    if ratio is None:
        _, coefficients, _ = lasso_path(x, y, alphas=strengths / 2, **exact)
    else:
        theirs = ratio / (2 - ratio)  # as the docstring of elastic_net converts
        alphas = strengths / (1 + theirs)
        _, coefficients, _ = enet_path(x, y, l1_ratio=theirs, alphas=alphas, **exact)
    np.testing.assert_allclose(weights, coefficients.T, atol=2e-5)
    assert ((weights == 0) == (coefficients.T == 0)).mean() > 0.99


@pytest.mark.parametrize("name", ["circle", "iris", "diabetes"])
@pytest.mark.parametrize("validation", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["sgd", "solver"])
def test_the_metrics_are_those_that_a_trial_ends_with(
    name: str, validation: float, kind: str
) -> None:
    spec = JobSpec.model_validate(
        {
            "dataset": {"builtin": name},
            "split": {"validation": validation, "test": 0.1},
            "network": {"kind": "linear"},
            "training": {"epochs": 1, "optimizer": {"kind": kind}},
        }
    )
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = Outline.of(table, spec, target)
    (fleet,) = plan(spec, outline)
    (result,) = trained(FleetRun(fleet.trials, prepare(table, spec, target))).results()
    assert set(metric_names(outline)) == set(result.metrics)


TEST_SPLIT = {"validation": 0.2, "test": 0.2}


@pytest.mark.parametrize(
    ("dataset", "objective", "instead"),
    [
        ("circle", "test_loss", "validation_loss"),
        ("circle", "test_balanced_accuracy", "validation_balanced_accuracy"),
        ("iris", "test_accuracy", "validation_accuracy"),
        ("diabetes", "test_rmse", "validation_rmse"),
        ("diabetes", "test_r2", "validation_r2"),
        ("diabetes", "test_nothing", "validation_loss"),
    ],
)
@pytest.mark.parametrize("split", [TEST_SPLIT, {"folds": 3, "test": 0.2}, {"validation": 0.2}])
def test_test_rows_do_not_choose(
    dataset: str, objective: str, instead: str, split: dict[str, Any]
) -> None:
    with pytest.raises(SpecError, match=f"Use {instead};") as caught:
        search(dataset=dataset, search={"objective": objective}, split=split)
    assert caught.value.param == "search.objective"


DROPOUT = {"regularization.dropout.p": {"low": 0.0, "high": 0.5}}
WIDTH = {"network.hidden": {"values": [[4], [8]]}}
RATE = {"training.optimizer.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}}


@pytest.mark.parametrize(
    "more",
    [
        {"search": {"space": L1}},
        {"search": {"space": L1, "method": "grid", "points": 3}},
        {"search": {"space": DROPOUT, "method": "tpe", "objective": "train_loss"}},
        {"search": {"space": WIDTH, "method": "halving"}},
        {"search": {"space": RATE}, "repeats": 3},
        {"search": {"space": "default"}, "regularization": {"l1": {"strength": 0.01}}},
        {"search": {"method": "path", "over": "regularization.l1.strength"}},
        {"regularization": "auto"},
    ],
)
def test_a_search_needs_rows_that_may_choose(more: dict[str, Any]) -> None:
    body = {"dataset": {"builtin": "iris"}, "split": {"validation": 0}, **more}
    spec = JobSpec.model_validate_json(json.dumps(body))
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    with pytest.raises(SpecError, match=r"split\.validation above 0.*split\.folds") as caught:
        resolve_search(spec, Outline.of(table, spec, target))
    assert (caught.value.code, caught.value.param) == (
        "search_without_validation",
        "split.validation",
    )


def test_a_search_whose_rows_are_named_is_told_where_to_name_more() -> None:
    split = {"rows": {"train": list(range(0, 150, 2))}}
    with pytest.raises(SpecError, match=r"name some in split\.rows\.validation") as caught:
        search(dataset="iris", split=split)
    assert caught.value.param == "split.rows.validation"


@pytest.mark.parametrize("more", [{}, {"split": {"test": 0.2}}])
def test_one_standard_error_needs_several_values(more: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="set repeats to 3 or more") as caught:
        search(search={"choose": "one_standard_error"}, **more)
    assert caught.value.param == "search.choose"
    for enough in ({"repeats": 2}, {"split": {"folds": 3}}):
        search(search={"choose": "one_standard_error"}, **enough).check()


def test_one_standard_error_needs_a_field_by_which_one_is_simpler() -> None:
    found = search(RATE, search={"choose": "one_standard_error"}, repeats=3)
    with pytest.raises(SpecError, match="is the simplest; search a technique or the network"):
        found.check()
