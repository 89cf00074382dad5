import json
from typing import Any

import pytest

from worker.errors import SpecError
from worker.search.grid import grid
from worker.search.path import path
from worker.search.random import draw
from worker.search.space import base, configure, dimensions, place, search_of, steps
from worker.search.tpe import Trained, propose
from worker.spec import JobSpec, Range

STRENGTH = "regularization.l1.strength"
P = "regularization.dropout.p"
LAMBDA_AND_P = {
    STRENGTH: {"low": 1e-6, "high": 1e-2, "log": True},
    P: {"values": [0.0, 0.2, 0.5]},
}


def job(space: Any = "default", **more: Any) -> JobSpec:
    search = {"space": space, **more.pop("search", {})}
    body = {"dataset": {"builtin": "circle"}, "search": search, **more}
    return JobSpec.model_validate_json(json.dumps(body))


def drawn(spec: JobSpec, count: int) -> list[dict[str, Any]]:
    space = dimensions(spec)
    return [draw(search_of(spec).seed, n, space, base(spec)) for n in range(count)]


def listed(spec: JobSpec) -> list[dict[str, Any]]:
    return grid(search_of(spec), dimensions(spec), base(spec))


def test_a_draw_is_a_function_of_the_seed_and_its_number() -> None:
    spec = job(LAMBDA_AND_P)
    assert drawn(spec, 20) == drawn(spec, 20)
    other = job(LAMBDA_AND_P, search={"seed": 1})
    assert drawn(spec, 5) != drawn(other, 5)


def test_draws_fill_the_space_evenly_on_its_scale() -> None:
    found = drawn(job(LAMBDA_AND_P), 600)
    small = sum(each[STRENGTH] < 1e-4 for each in found)
    assert 240 < small < 360
    for p in (0.0, 0.2, 0.5):
        assert 150 < sum(each[P] == p for each in found) < 250


def test_whole_numbers_are_alike_likely_and_stay_inside() -> None:
    range_ = Range(low=1, high=4, integer=True)
    values = [place(range_, share / 1000) for share in range(1000)]
    assert [values.count(n) for n in (1, 2, 3, 4)] == pytest.approx([250] * 4, abs=1)
    log = Range(low=1, high=512, log=True, integer=True)
    assert {place(log, 0.0), place(log, 0.999999)} == {1, 512}


def test_what_lies_below_a_technique_that_is_off_is_left_out() -> None:
    spec = job({"regularization.dropout": {"optional": True}, P: {"low": 0.1, "high": 0.5}})
    found = drawn(spec, 50)
    off = [each for each in found if each["regularization.dropout"] is None]
    assert 10 < len(off) < 40
    for each in found:
        assert (P in each) == (each["regularization.dropout"] is not None)
        dropout = configure(base(spec), 0, each).regularization.dropout
        assert (dropout is None) == (P not in each)
        if dropout is not None:
            assert dropout.p == each[P]


def test_a_switch_turns_the_jobs_own_settings_off_and_on() -> None:
    spec = job(
        {"regularization.dropout": {"optional": True}},
        regularization={"dropout": {"p": 0.3, "input_p": 0.1}},
        search={"method": "grid"},
    )
    off, on = (configure(base(spec), 0, each).regularization.dropout for each in listed(spec))
    assert off is None
    assert on is not None
    assert (on.p, on.input_p) == (0.3, 0.1)


def test_a_grid_has_every_combination_once() -> None:
    space = {**LAMBDA_AND_P, "regularization.dropout": {"optional": True}}
    found = listed(job(space, search={"method": "grid", "points": 4}))
    assert len(found) == 4 * (1 + 3)
    assert sorted({each[STRENGTH] for each in found}) == pytest.approx(
        [1e-6, 10 ** (-14 / 3), 10 ** (-10 / 3), 1e-2]
    )


def test_a_grid_that_is_too_large_is_refused() -> None:
    space = {f"network.hidden.{n}": {"low": 1, "high": 500, "integer": True} for n in range(2)}
    with pytest.raises(SpecError, match="160000") as caught:
        listed(job(space, search={"method": "grid", "points": 400}))
    assert caught.value.param == "search.space"


def test_steps_reach_both_ends() -> None:
    assert steps(Range(low=0.0, high=1.0), 3) == (0.0, 0.5, 1.0)
    assert steps(Range(low=1, high=3, integer=True), 10) == (1, 2, 3)


def test_items_of_lists_and_whole_sections_may_be_searched() -> None:
    spec = job({"network.hidden.0": {"low": 4, "high": 64, "log": True, "integer": True}})
    network = configure(base(spec), 0, {"network.hidden.0": 7}).network
    assert network.model_dump()["hidden"] == (7, 50)
    linear = configure(base(spec), 0, {"network": {"kind": "linear"}}).network
    assert linear.kind == "linear"


def test_the_default_space_has_the_named_techniques_own_ranges() -> None:
    spec = job(
        regularization={"l1": {"strength": 0.1}, "dropout": {"p": 0.1}, "early_stopping": {}}
    )
    space = dimensions(spec)
    assert space[STRENGTH] == Range(low=1e-6, high=1e-2, log=True)
    assert space[P] == Range(low=0.0, high=0.8)
    lookahead = dimensions(job(regularization={"lookahead": {}}))
    assert lookahead["regularization.lookahead.steps"] == Range(low=5, high=10, integer=True)


def test_a_default_space_of_nothing_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        dimensions(job())
    assert caught.value.param == "search.space"


def test_a_path_goes_from_strong_to_weak() -> None:
    spec = job(search={"method": "path", "over": STRENGTH, "points": 5})
    found = path(search_of(spec), dimensions(spec))
    assert [each[STRENGTH] for each in found] == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5, 1e-6])


def test_tpe_draws_near_what_did_well_and_repeatably() -> None:
    spec = job({STRENGTH: {"low": 0.0, "high": 1.0}})
    space, document = dimensions(spec), base(spec)
    history = [Trained({STRENGTH: share / 40}, abs(share / 40 - 0.7)) for share in range(40)]
    found = [each[STRENGTH] for each in propose(0, 40, 20, space, document, history)]
    assert sum(abs(value - 0.7) < 0.25 for value in found) >= 14
    assert found == [each[STRENGTH] for each in propose(0, 40, 20, space, document, history)]


def test_tpe_takes_what_is_still_training_and_conditional_spaces() -> None:
    spec = job(
        {
            "regularization.dropout": {"optional": True},
            P: {"low": 0.0, "high": 0.5},
            "network.hidden": {"values": [[8], [16, 16]]},
            "training.batch_size": {"low": 16, "high": 64, "integer": True, "log": True},
        }
    )
    space, document = dimensions(spec), base(spec)
    first = propose(0, 0, 30, space, document, [])
    history = [Trained(each, None if n % 3 else float(n)) for n, each in enumerate(first)]
    for each in propose(0, 30, 10, space, document, history):
        assert (P in each) == (each["regularization.dropout"] is not None)
        assert configure(document, 0, each)
