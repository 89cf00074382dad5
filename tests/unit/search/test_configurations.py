"""Configurations, and those that leave one technique out."""

from typing import Any

import pytest

from tests.unit.search.test_plan import planned
from worker.errors import SpecError
from worker.search.configurations import configurations
from worker.spec import JobSpec

BOTH = {"l2": {"strength": 1e-4}, "dropout": {"p": 0.3}}


def spec(**job: Any) -> JobSpec:
    return JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})


def test_each_technique_is_left_out_once() -> None:
    job = spec(name="base", regularization=BOTH, attribute=True)
    whole, *others = configurations(job)
    assert (whole.name, whole.without) == ("base", None)
    assert [other.name for other in others] == ["base without l2", "base without dropout"]
    for other in others:
        assert other.without is not None
        assert other.without.configuration == 0
        left = dict(other.regularization.techniques())
        assert left.keys() == BOTH.keys() - {other.without.technique}
        assert all(left[name] == getattr(job.regularization, name) for name in left)


def test_every_member_of_a_comparison_is_taken_apart() -> None:
    variants = [
        {"name": "none", "regularization": {}},
        {"name": "a"},
        {"name": "b", "regularization": {"l1": {"strength": 1e-4}}},
    ]
    found = configurations(spec(regularization=BOTH, compare=variants, attribute=True))
    assert [each.name for each in found] == [
        "none", "a", "b", "a without l2", "a without dropout", "b without l1",
    ]  # fmt: skip
    assert [each.without.configuration for each in found if each.without] == [1, 1, 2]


def test_pairs_share_seeds_and_folds() -> None:
    """What differs within a pair is the technique alone, so that it is the technique's doing."""
    job: dict[str, Any] = {"regularization": BOTH, "attribute": True, "repeats": 2}
    trials = [trial for fleet in planned(**job, split={"folds": 2}) for trial in fleet.trials]
    assert len(trials) == 3 * 2 * 2
    places = [
        sorted((t.repeat, t.fold, t.training.seed) for t in trials if t.configuration == number)
        for number in range(3)
    ]
    assert places[0] == places[1] == places[2]


def test_nothing_is_left_out_unless_asked() -> None:
    assert len(configurations(spec(regularization=BOTH))) == 1


def test_there_must_be_something_to_leave_out() -> None:
    with pytest.raises(SpecError) as caught:
        configurations(spec(attribute=True))
    assert caught.value.param == "attribute"
