"""The variance shares of searched fields."""

import math
import random

import pytest

from worker.search.report.axes import Axis, ConfigurationResult
from worker.search.report.importance import variance_shares

L1 = Axis("regularization.l1.strength", low=1e-6, high=1e-2, log=True)
DROPOUT = Axis("regularization.dropout")
P = Axis("regularization.dropout.p", low=0.0, high=0.8)
SHAPE = Axis("regularization.dropout.shape", values=("brick", "funnel"))
AXES = (L1, DROPOUT, P, SHAPE)


def results(count: int, seed: int = 0) -> list[ConfigurationResult]:
    """The objective depends on λ alone, a lot, and on dropout being on, a little."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        strength = 10 ** draw.uniform(-6, -2)
        overrides: dict[str, object] = {L1.path: strength, DROPOUT.path: draw.random() < 0.5}
        if overrides[DROPOUT.path]:
            overrides |= {P.path: draw.uniform(0, 0.8), SHAPE.path: draw.choice(SHAPE.values)}
        value = abs(math.log10(strength) + 4) + (0.5 if overrides[DROPOUT.path] else 0.0)
        found.append(ConfigurationResult(number, overrides, (value + draw.gauss(0, 0.01),)))
    return found


def test_what_matters_has_the_larger_share_and_shares_add_up_to_one() -> None:
    found = variance_shares(AXES, results(400))
    assert found is not None
    order = sorted(found.shares, key=lambda path: -found.shares[path])
    assert order[:2] == [L1.path, DROPOUT.path]
    # λ: |u| on [−2, 2] has variance 1/3; the switch 0.25 / 4.
    assert found.shares[L1.path] == pytest.approx((1 / 3) / (1 / 3 + 1 / 16), abs=0.08)
    assert found.shares[DROPOUT.path] == pytest.approx((1 / 16) / (1 / 3 + 1 / 16), abs=0.08)
    assert found.shares[P.path] + found.shares[SHAPE.path] < 0.05
    assert sum(found.shares.values()) + found.interactions == pytest.approx(1.0)
    assert found.fit > 0.9


def test_it_is_the_same_whatever_the_order() -> None:
    given = results(100)
    assert variance_shares(AXES, given) == variance_shares(AXES, given[::-1])


def test_noise_is_no_fit() -> None:
    draw = random.Random(1)
    noise = [
        ConfigurationResult(r.configuration, r.overrides, (draw.random(),)) for r in results(200)
    ]
    found = variance_shares(AXES, noise)
    assert found is not None
    assert found.fit < 0.2


def test_a_diverged_training_does_not_decide() -> None:
    given = results(200)
    spoiled = [ConfigurationResult(0, given[0].overrides, (1e30,)), *given[1:]]
    found = variance_shares(AXES, spoiled)
    assert found is not None
    assert found.shares[L1.path] > 0.5


@pytest.mark.parametrize("count", [0, 5])
def test_few_configurations_say_nothing(count: int) -> None:
    assert variance_shares(AXES, results(count)) is None


def test_a_constant_objective_says_nothing() -> None:
    same = [ConfigurationResult(r.configuration, r.overrides, (1.0,)) for r in results(40)]
    assert variance_shares(AXES, same) is None
    assert variance_shares((), results(40)) is None


def test_of_many_configurations_an_even_choice_is_seen() -> None:
    found = variance_shares((L1,), results(5000))
    assert found is not None
    assert found.shares[L1.path] + found.interactions == pytest.approx(1.0)
