"""The one ranking: trials by standing and score, configurations by rank."""

import math
import random
from dataclasses import dataclass

import pytest

from worker.results.ranking import (
    UNSCORED,
    Standing,
    competes,
    objective_of,
    place_of,
    rank,
    score_of,
    standing_of,
)


def order(*ranks: tuple[int, ...]) -> list[int]:
    return [number for *_, number in sorted(ranks)]


@pytest.mark.parametrize("maximize", [False, True])
def test_the_smallest_score_is_the_best_objective(maximize: bool) -> None:
    objectives = [0.3, 0.1, 0.2]
    scores = [score_of(value, maximize=maximize) for value in objectives]
    best = min(score for score in scores if score is not None)
    assert objective_of(best, maximize=maximize) == (max if maximize else min)(objectives)


@pytest.mark.parametrize("objective", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_has_no_score(objective: float | None) -> None:
    assert score_of(objective, maximize=False) is None


def test_standings_are_as_they_are_stored() -> None:
    """Rows of earlier releases hold these numbers."""
    assert [int(standing) for standing in Standing] == [0, 1, 2, 3]
    assert standing_of(0.5, competes=True) == Standing.SCORED == 0
    assert standing_of(None, competes=True) == Standing.BEHIND == 1
    assert standing_of(0.5, competes=True, halved=True) == Standing.BEHIND
    assert standing_of(0.5, competes=False) == Standing.SCORED_ASIDE == 2
    assert standing_of(None, competes=False) == Standing.BEHIND_ASIDE == 3
    assert [standing.competes for standing in Standing] == [True, True, False, False]


def test_what_leaves_a_technique_out_or_trains_a_winner_again_does_not_compete() -> None:
    assert competes({"name": "a"})
    assert competes({"without": None, "refit": None})
    assert not competes({"without": {"technique": "l1", "configuration": 0}})
    assert not competes({"refit": 0})


def test_the_best_mean_comes_first() -> None:
    assert order(rank(0, [0.1, 0.9]), rank(1, [0.3, 0.4]), rank(2, [0.2, 0.2])) == [2, 1, 0]


def test_of_equals_the_lower_number_comes_first() -> None:
    assert order(rank(2, [0.5]), rank(0, [0.5]), rank(1, [0.25, 0.75])) == [0, 1, 2]


def test_whole_configurations_come_before_those_with_trials_missing() -> None:
    ranks = [rank(0, [0.1], missing=2), rank(1, [0.1, 0.1], missing=1), rank(2, [0.9] * 3)]
    assert order(*ranks) == [2, 1, 0]


def test_what_was_halved_comes_after_what_was_trained_to_its_end() -> None:
    ranks = [rank(0, [0.1], halved=True), rank(1, [0.9]), rank(2, [0.05], halved=True)]
    assert order(*ranks) == [1, 2, 0]


def test_what_does_not_compete_comes_last() -> None:
    assert order(rank(0, [0.1], competes=False), rank(1, [], missing=1)) == [1, 0]


def test_without_a_score_a_configuration_comes_after_those_with_one() -> None:
    assert rank(0, [], missing=1).mean == UNSCORED
    assert order(rank(0, [], missing=3), rank(1, [9.0], missing=2)) == [1, 0]


def test_the_mean_does_not_depend_on_the_order_of_the_trials() -> None:
    """Ties must be ties: a sum from left to right would differ in the last bit."""
    scores = [random.Random(seed).uniform(0, 1) for seed in range(1000)]
    shuffled = random.Random(0).sample(scores, len(scores))
    assert sum(scores) != sum(shuffled)
    assert rank(0, scores) == rank(0, shuffled)


@dataclass
class Row:
    standing: int
    score: float
    configuration: int = 0
    repeat: int = 0
    fold: int | None = None


def test_a_leaderboard_is_by_standing_then_score_then_as_posted() -> None:
    rows = [
        Row(Standing.SCORED, 0.2),
        Row(Standing.SCORED, 0.5),
        Row(Standing.SCORED, 0.5, configuration=1),
        Row(Standing.SCORED, 0.5, configuration=1, repeat=1),
        Row(Standing.SCORED, 0.5, configuration=1, repeat=1, fold=1),
        Row(Standing.BEHIND, 0.1),
        Row(Standing.SCORED_ASIDE, 0.1),
    ]
    shuffled = random.Random(1).sample(rows, len(rows))
    assert sorted(shuffled, key=place_of) == rows
