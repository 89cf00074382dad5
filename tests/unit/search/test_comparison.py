"""Comparisons in waves: the same trials, in the same order, with the same weights."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from worker.data import Outline, Prepared, load_builtin, prepare
from worker.errors import SpecError
from worker.search import (
    Comparison,
    Cost,
    FleetLimits,
    FleetPlan,
    Wave,
    comparison_costs,
    comparison_trials,
    goes_in_waves,
    plan,
    planned_costs,
)
from worker.spec import Builtin, JobSpec, Trial
from worker.training import FleetRun

SMALL = FleetLimits(trials=5)
MEMBERS = [
    {"name": "none"},
    {"name": "wide", "network": {"kind": "mlp", "hidden": [6]}},
    {"name": "L1", "regularization": {"l1": {"strength": 0.01}}},
    {"name": "dropout", "regularization": {"dropout": {"p": 0.5}, "l2": {"strength": 0.01}}},
    {"name": "long", "training": {"epochs": 3}},
]


def job(**fields: Any) -> tuple[JobSpec, Outline, Prepared]:
    spec = JobSpec.model_validate(
        {
            "dataset": {"builtin": "circle", "rows": 96},
            "network": {"kind": "mlp", "hidden": [4]},
            "training": {"epochs": 2},
            **fields,
        }
    )
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    return spec, Outline.of(table, spec, target), prepare(table, spec, target)


def waves(comparison: Comparison) -> Iterator[Wave]:
    first = 0
    while wave := comparison.wave(first):
        assert wave.first == first
        first = wave.end
        yield wave


def in_order(plans: Iterable[FleetPlan]) -> list[Trial]:
    trials = [trial for planned in plans for trial in planned.trials]
    return sorted(trials, key=lambda t: (t.configuration, t.repeat, t.fold or 0))


JOBS: list[dict[str, Any]] = [
    {"compare": MEMBERS, "repeats": 7},
    {"compare": MEMBERS, "repeats": 3, "split": {"folds": 3}},
    {"compare": MEMBERS, "repeats": 3, "attribute": True},
    {"repeats": 23, "split": {"folds": 2}},
]


@pytest.mark.parametrize("fields", JOBS)
def test_waves_have_the_trials_of_a_plan(fields: dict[str, Any]) -> None:
    spec, outline, _ = job(**fields)
    comparison = Comparison(spec, outline, SMALL)
    found = list(waves(comparison))
    whole = in_order(plan(spec, outline))
    assert len(found) > 1
    assert in_order(planned for wave in found for planned in wave.plans) == whole
    assert comparison.total == comparison_trials(spec) == len(whole) == found[-1].end
    for wave in found:
        assert sum(len(planned.trials) for planned in wave.plans) == wave.end - wave.first
        assert max(len(planned.trials) for planned in wave.plans) <= SMALL.trials


@pytest.mark.parametrize("fields", JOBS)
def test_weights_are_those_of_all_at_once(fields: dict[str, Any]) -> None:
    spec, outline, prepared = job(**fields)
    at_once = weights(plan(spec, outline), prepared)
    in_waves: dict[tuple[int, int, int], Tensor] = {}
    for wave in waves(Comparison(spec, outline, SMALL)):
        in_waves |= weights(wave.plans, prepared)
    assert in_waves.keys() == at_once.keys()
    for place, numbers in in_waves.items():
        assert torch.equal(numbers, at_once[place])


def weights(plans: Iterable[FleetPlan], prepared: Prepared) -> dict[tuple[int, int, int], Tensor]:
    """The weights of each trial, by its configuration, repeat and fold."""
    found: dict[tuple[int, int, int], Tensor] = {}
    for planned in plans:
        run = FleetRun(planned.trials, prepared)
        for _ in run.epochs():
            pass
        tensors = run.result().tensors
        kept = sorted(name for name in tensors if name.startswith("weights."))
        assert kept
        for place, trial in enumerate(planned.trials):
            key = (trial.configuration, trial.repeat, trial.fold or 0)
            found[key] = torch.cat([tensors[name][place].flatten() for name in kept])
    return found


@pytest.mark.parametrize("fields", JOBS)
def test_costs_are_those_of_its_plan(fields: dict[str, Any]) -> None:
    spec, outline, _ = job(**fields)
    plans = plan(spec, outline)
    total = sum(len(planned.trials) for planned in plans)
    whole = Cost.of(planned_costs(plans, outline), total)
    counted = Cost.of(comparison_costs(spec, outline, FleetLimits()), total)
    assert (counted.trials, counted.parameters) == (whole.trials, whole.parameters)
    assert counted.steps == whole.steps
    assert counted.seconds == pytest.approx(whole.seconds, rel=0.5)


def test_enough_is_planned_ahead_and_no_more() -> None:
    spec, outline, _ = job(repeats=100)
    comparison = Comparison(spec, outline, SMALL)
    sizes = [wave.end if (wave := comparison.wave(0, open_fleets=n)) else 0 for n in range(6)]
    assert sizes == [20, 15, 10, 5, 0, 0]
    assert comparison.wave(100) is None


def test_small_comparisons_are_planned_at_once() -> None:
    assert not goes_in_waves(job(repeats=100, compare=[{"name": str(n)} for n in range(10)])[0])
    assert goes_in_waves(job(repeats=100, compare=[{"name": str(n)} for n in range(11)])[0])


def test_what_was_posted_is_checked_at_once() -> None:
    wrong = {"name": "wrong", "regularization": {"dropout": {"p": [0.1, 0.1, 0.1]}}}
    spec, outline, _ = job(compare=[*MEMBERS, wrong], repeats=100)
    with pytest.raises(SpecError) as caught:
        Comparison(spec, outline, SMALL).check()
    assert caught.value.param == "regularization.dropout.p"


def test_what_cannot_be_trained_is_refused_in_its_wave() -> None:
    wrong = {"name": "wrong", "regularization": {"dropout": {"p": [0.1, 0.1, 0.1]}}}
    spec, outline, _ = job(compare=[{"name": "right"}, wrong], repeats=10)
    wave = Comparison(spec, outline, SMALL).wave(0)
    assert wave is not None
    ((refused),) = wave.refused
    assert [trial.repeat for trial in refused.trials] == list(range(10))
    assert refused.overrides is None
    assert sum(len(planned.trials) for planned in wave.plans) == 10
