import json
from typing import Any

import numpy as np
import pytest

from worker.errors import SpecError
from worker.search.space import (
    configure,
    dimensions,
    even_values,
    searched_sections,
    value_at,
)
from worker.spec import JobSpec, Range

STRENGTH = "regularization.l1.strength"
P = "regularization.dropout.p"


def job(space: Any = "default", **more: Any) -> JobSpec:
    search = {"space": space, **more.pop("search", {})}
    body = {"dataset": {"builtin": "circle"}, "search": search, **more}
    return JobSpec.model_validate_json(json.dumps(body))


def test_whole_numbers_are_alike_likely_and_stay_inside() -> None:
    range_ = Range(low=1, high=4, integer=True)
    values = [value_at(range_, share / 1000) for share in range(1000)]
    assert [values.count(n) for n in (1, 2, 3, 4)] == pytest.approx([250] * 4, abs=1)
    log = Range(low=1, high=512, log=True, integer=True)
    assert {value_at(log, 0.0), value_at(log, 0.999999)} == {1, 512}


def test_steps_reach_both_ends() -> None:
    assert even_values(Range(low=0.0, high=1.0), 3) == (0.0, 0.5, 1.0)
    assert even_values(Range(low=0.0, high=0.9), 4) == (0.0, 0.3, 0.6, 0.9)
    assert even_values(Range(low=1e-4, high=1e-2, log=True), 3) == (1e-4, 1e-3, 1e-2)
    assert even_values(Range(low=1, high=3, integer=True), 10) == (1, 2, 3)


def test_items_of_lists_and_whole_sections_may_be_searched() -> None:
    spec = job({"network.hidden.0": {"low": 4, "high": 64, "log": True, "integer": True}})
    network = configure(searched_sections(spec), 0, {"network.hidden.0": 7}).network
    assert network.model_dump()["hidden"] == (7, 50)
    linear = configure(searched_sections(spec), 0, {"network": {"kind": "linear"}}).network
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


@pytest.mark.parametrize(
    ("low", "high", "log", "digits"),
    [
        (1e-6, 1e-2, False, 6),
        (1e-6, 1e-2, True, 6),
        (0.1234567890123, 0.8, True, 6),
        (1.0, 1.00011, True, 9),
        (1.0, 1.00011, False, 9),
        (-8e307, 8e307, False, 6),
    ],
)
def test_what_is_drawn_has_the_digits_that_matter(
    low: float, high: float, log: bool, digits: int
) -> None:
    """Six, and those that the ends of a narrow range have in common; ends are kept as named."""
    range_ = Range(low=low, high=high, log=log)
    for share in np.random.default_rng(0).random(200):
        value = value_at(range_, float(share))
        assert low <= value <= high
        assert value in (low, high) or float(f"{value:.{digits}g}") == value
    even = even_values(range_, 1000)
    assert (even[0], even[-1], len(even)) == (low, high, 1000)
