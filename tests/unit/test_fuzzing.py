"""Damaged inputs are read or refused, whatever was damaged. `tests/fuzzing.py` tries for longer."""

import random

import pytest

from tests.fuzzing import TARGETS, changed, tried

pytestmark = pytest.mark.slow
TRIES = 2_000


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_damaged_ends_in_what_nobody_foresaw(name: str) -> None:
    target, chance = TARGETS[name](), random.Random(2)
    found = {}
    for _ in range(TRIES):
        data = changed(target, chance)
        wrong = tried(target, data)
        if wrong is not None:
            found[wrong] = data
    assert not found
