"""What a technique bought: paired differences and their interval."""

import math
from typing import Any

import pytest

from service.comparison import attributions
from worker.results.comparison import Attribution
from worker.storage.states import State
from worker.storage.tables import Job, TrialRow

JOB = Job(objective="validation_loss", maximize=False)


def trial(configuration: int, repeat: int, fold: int | None = None, **metrics: Any) -> TrialRow:
    without = {"technique": "dropout", "configuration": 0} if configuration else None
    return TrialRow(
        name="base" if configuration == 0 else "base without dropout",
        configuration=configuration,
        repeat=repeat,
        fold=fold,
        state=State.SUCCEEDED if metrics else State.FAILED,
        metrics=metrics,
        settings={"without": without},
    )


def bought(*rows: TrialRow) -> Attribution:
    groups: dict[int, list[TrialRow]] = {}
    for row in rows:
        groups.setdefault(row.configuration, []).append(row)
    (found,) = attributions(JOB, groups)
    return found


def losses(with_it: list[float], without: list[float]) -> list[TrialRow]:
    return [
        trial(configuration, repeat, validation_loss=value)
        for configuration, values in enumerate((with_it, without))
        for repeat, value in enumerate(values)
    ]


def test_the_interval_is_students_t_over_pairs() -> None:
    """Differences −1, −2, −3: mean −2, s = 1, t(2) = 4.3027, half width 4.3027/√3."""
    (effect,) = bought(*losses([1.0, 1.0, 2.0], [2.0, 3.0, 5.0])).effects
    assert effect.metric == "validation_loss"
    assert (effect.mean_with, effect.mean_without) == (pytest.approx(4 / 3), pytest.approx(10 / 3))
    assert effect.difference == pytest.approx(-2)
    half = 4.302653 / math.sqrt(3)
    assert effect.interval == pytest.approx((-2 - half, -2 + half), rel=1e-6)
    assert (effect.pairs, effect.verdict) == (3, "unclear")


@pytest.mark.parametrize(
    ("with_it", "without", "verdict"),
    [
        ([1.0, 1.1, 0.9, 1.0], [2.0, 2.1, 1.8, 2.1], "helps"),
        ([2.0, 2.1, 1.8, 2.1], [1.0, 1.1, 0.9, 1.0], "hurts"),
        ([1.0, 2.0], [2.0, 1.0], "unclear"),
        ([1.0], [2.0], "untested"),
    ],
)
def test_the_verdict_follows_the_interval_and_the_metric(
    with_it: list[float], without: list[float], verdict: str
) -> None:
    assert bought(*losses(with_it, without)).effects[0].verdict == verdict


def test_more_accuracy_is_better() -> None:
    rows = [
        trial(c, r, validation_loss=1.0, test_accuracy=0.9 - c / 10 + r / 100)
        for c in range(2)
        for r in range(3)
    ]
    _, effect = bought(*rows).effects
    assert (effect.metric, effect.maximize, effect.verdict) == ("test_accuracy", True, "helps")
    assert effect.difference == pytest.approx(0.1)


def test_test_rows_are_told_before_validation_rows() -> None:
    metrics = {
        "validation_loss": 1.0,
        "validation_accuracy": 0.8,
        "validation_balanced_accuracy": 1,
    }
    held_out = {"test_balanced_accuracy": 0.7, "test_accuracy": 0.8}
    names = [
        effect.metric for effect in bought(trial(0, 0, **metrics), trial(1, 0, **metrics)).effects
    ]
    assert names == ["validation_loss", "validation_balanced_accuracy", "validation_accuracy"]
    rows = [trial(c, 0, **metrics, **held_out) for c in range(2)]
    assert [effect.metric for effect in bought(*rows).effects][1:] == list(held_out)


def test_one_pair_has_no_interval_and_says_so() -> None:
    found = bought(*losses([1.0], [2.0]))
    assert found.effects[0].interval is None
    assert "no interval" in (found.note or "")


def test_trials_are_paired_by_repeat_and_fold_and_failed_ones_left_out() -> None:
    rows = [
        trial(0, 0, 0, validation_loss=1.0),
        trial(0, 0, 1, validation_loss=2.0),
        trial(0, 0, 2),
        trial(1, 0, 1, validation_loss=2.5),
        trial(1, 0, 0, validation_loss=1.5),
        trial(1, 0, 2, validation_loss=9.0),
    ]
    found = bought(*rows)
    (effect,) = found.effects
    assert (effect.pairs, effect.difference) == (2, pytest.approx(-0.5))
    assert effect.interval == pytest.approx((-0.5, -0.5))
    assert "Folds" in (found.note or "")


def test_nothing_is_said_before_trials_have_ended() -> None:
    found = bought(trial(0, 0), trial(1, 0))
    assert found.effects == []
