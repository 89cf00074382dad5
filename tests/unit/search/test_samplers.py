from typing import Any

import pytest

from tests.unit.search.test_space import STRENGTH, P, job
from worker.errors import SpecError
from worker.search.samplers import Trained, grid, path_points, random_draw, tpe_draws
from worker.search.space import configure, dimensions, search_of, searched_sections
from worker.spec import JobSpec

LAMBDA_AND_P = {
    STRENGTH: {"low": 1e-6, "high": 1e-2, "log": True},
    P: {"values": [0.0, 0.2, 0.5]},
}


def drawn(spec: JobSpec, count: int) -> list[dict[str, Any]]:
    space = dimensions(spec)
    return [
        random_draw(search_of(spec).seed, n, space, searched_sections(spec)) for n in range(count)
    ]


def listed(spec: JobSpec) -> list[dict[str, Any]]:
    return grid(search_of(spec), dimensions(spec), searched_sections(spec))


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


def test_what_lies_below_a_technique_that_is_off_is_left_out() -> None:
    spec = job({"regularization.dropout": {"optional": True}, P: {"low": 0.1, "high": 0.5}})
    found = drawn(spec, 50)
    off = [each for each in found if each["regularization.dropout"] is None]
    assert 10 < len(off) < 40
    for each in found:
        assert (P in each) == (each["regularization.dropout"] is not None)
        dropout = configure(searched_sections(spec), 0, each).regularization.dropout
        assert (dropout is None) == (P not in each)
        if dropout is not None:
            assert dropout.p == each[P]


def test_a_switch_turns_the_jobs_own_settings_off_and_on() -> None:
    spec = job(
        {"regularization.dropout": {"optional": True}},
        regularization={"dropout": {"p": 0.3, "input_p": 0.1}},
        search={"method": "grid"},
    )
    off, on = (
        configure(searched_sections(spec), 0, each).regularization.dropout for each in listed(spec)
    )
    assert off is None
    assert on is not None
    assert (on.p, on.input_p) == (0.3, 0.1)


def test_a_grid_has_every_combination_once() -> None:
    space = {**LAMBDA_AND_P, "regularization.dropout": {"optional": True}}
    found = listed(job(space, search={"method": "grid", "points": 4}))
    assert len(found) == 4 * (1 + 3)
    assert sorted({each[STRENGTH] for each in found}) == pytest.approx(
        [1e-6, 10 ** (-14 / 3), 10 ** (-10 / 3), 1e-2], rel=1e-5
    )


def test_a_grid_that_is_too_large_is_refused() -> None:
    space = {f"network.hidden.{n}": {"low": 1, "high": 500, "integer": True} for n in range(2)}
    with pytest.raises(SpecError, match="160000") as caught:
        listed(job(space, search={"method": "grid", "points": 400}))
    assert caught.value.param == "search.space"


def test_a_path_goes_from_strong_to_weak() -> None:
    spec = job(search={"method": "path", "over": STRENGTH, "points": 5})
    found = path_points(search_of(spec), dimensions(spec))
    assert [each[STRENGTH] for each in found] == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5, 1e-6])


def test_tpe_draws_near_what_did_well_and_repeatably() -> None:
    spec = job({STRENGTH: {"low": 0.0, "high": 1.0}})
    space, document = dimensions(spec), searched_sections(spec)
    history = [Trained({STRENGTH: share / 40}, abs(share / 40 - 0.7)) for share in range(40)]
    found = [each[STRENGTH] for each in tpe_draws(0, 40, 20, space, document, history)]
    assert sum(abs(value - 0.7) < 0.25 for value in found) >= 14
    assert found == [each[STRENGTH] for each in tpe_draws(0, 40, 20, space, document, history)]


def test_tpe_takes_what_is_still_training_and_conditional_spaces() -> None:
    spec = job(
        {
            "regularization.dropout": {"optional": True},
            P: {"low": 0.0, "high": 0.5},
            "network.hidden": {"values": [[8], [16, 16]]},
            "training.batch_size": {"low": 16, "high": 64, "integer": True, "log": True},
        }
    )
    space, document = dimensions(spec), searched_sections(spec)
    first = tpe_draws(0, 0, 30, space, document, [])
    history = [Trained(each, None if n % 3 else float(n)) for n, each in enumerate(first)]
    for each in tpe_draws(0, 30, 10, space, document, history):
        assert (P in each) == (each["regularization.dropout"] is not None)
        assert configure(document, 0, each)
