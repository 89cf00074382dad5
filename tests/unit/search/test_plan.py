"""From a job to its trials and fleets."""

from typing import Any

import pytest

from worker.data import check, load_builtin
from worker.errors import SpecError
from worker.search import FleetPlan, plan
from worker.spec import Builtin, JobSpec


def planned(**job: Any) -> list[FleetPlan]:
    """The fleets of a job on the circle problem."""
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    table, target = load_builtin(Builtin.model_validate({"builtin": "circle"}))
    return plan(spec, check(table, spec, target))


def test_plain_job_is_a_fleet_of_one() -> None:
    """One trial, named after the job."""
    (fleet,) = planned(name="first")
    assert [trial.name for trial in fleet.trials] == ["first"]
    assert fleet.objective == "validation_loss"


def test_comparison_times_repeats_share_a_fleet() -> None:
    """Trials that differ in numbers are one engine; seeds count up over the repeats."""
    variants = [{"name": "a"}, {"name": "b", "regularization": {"l1": {"strength": 0.1}}}]
    (fleet,) = planned(compare=variants, repeats=3, training={"seed": 7})
    assert [(t.name, t.training.seed) for t in fleet.trials] == [
        (name, seed) for name in "ab" for seed in (7, 8, 9)
    ]


def test_structure_divides_fleets() -> None:
    """Another width, optimizer or number of epochs is another engine."""
    variants = [
        {"name": "a"},
        {"name": "wide", "network": {"kind": "mlp", "hidden": [100]}},
        {"name": "sgd", "training": {"optimizer": {"kind": "sgd"}}},
        {"name": "long", "training": {"epochs": 99}},
        {"name": "same", "regularization": {"dropout": {"p": 0.1}}},
    ]
    sizes = [len(fleet.trials) for fleet in planned(compare=variants)]
    assert sizes == [2, 1, 1, 1]


def test_uneven_folds_divide_fleets() -> None:
    """Folds of different size cannot share a engine; none is lost."""
    fleets = planned(split={"folds": 3})
    assert sorted(t.fold or 0 for fleet in fleets for t in fleet.trials) == [0, 1, 2]


def test_plans_travel_as_json() -> None:
    """What the database keeps gives the same plan back."""
    (fleet,) = planned(regularization={"dropout": {"p": [0.1, 0.2]}})
    assert FleetPlan.model_validate(fleet.model_dump(mode="json")) == fleet


@pytest.mark.parametrize(
    ("job", "param"),
    [
        ({"regularization": {"dropout": {"p": [0.1]}}}, "regularization.dropout.p"),
        ({"regularization": {"l1": {"strength": 1.0, "layers": [3]}}}, "regularization.l1.layers"),
        (
            {
                "regularization": {"weight_decay": {"strength": 0.1, "method": "coupled"}},
                "training": {"optimizer": {"kind": "adamw"}},
            },
            "regularization.weight_decay.method",
        ),
        (
            {"training": {"optimizer": {"kind": "sgd", "nesterov": True}}},
            "training.optimizer.nesterov",
        ),
    ],
)
def test_contradictions_name_the_field(job: dict[str, Any], param: str) -> None:
    """What cannot train is refused at the POST."""
    with pytest.raises(SpecError) as caught:
        planned(**job)
    assert caught.value.param == param
