"""Who is best, said once: for leaderboard, winner, report, comparison, halving and refit.

A *trial* has a score, its objective with the sign turned where more is better, so that the smallest
score is best; and a standing, the part of the leaderboard it belongs to. Both are stored in its
row, so that the database can page through a leaderboard of thousands in order.

A *configuration* has a rank, from the scores of its trials (repeats and folds). The smallest rank
is best. Ranks are compared, in this order, by

1. whether it competes: one that leaves a technique out or trains a winner again does not;
2. whether it has any score: one whose objective is nowhere a finite number cannot win, whatever
   the others came to, and where none has one nothing wins;
3. whether halving let it go: others did better at that epoch, whatever its scores;
4. how many of its trials have no score, because they failed or have not ended;
5. the mean of its scores, rounded once, so that it does not depend on the order of the trials;
6. its number: of equals, the one posted or drawn first.

The winner is the first of these; where a search chooses by one standard error, it is what
`worker.search.report.choice` makes of this order. It is served as the job's refit, if there is one;
else as its first trial that has a score, in the order of repeats and folds. Not as its best one: a
repeat or fold that was picked for its luck would no longer be what the configuration's mean is the
estimate of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from worker.schema import Json
from worker.statistics import mean

LARGEST = 3.4028234663852886e38
"""The largest float32."""
UNSCORED = 1.7e308
"""The score of a trial without a finite objective: after all others."""


class Standing(IntEnum):
    """Part of the leaderboard, as stored in a trial's row; the lower comes first."""

    SCORED = 0
    BEHIND = 1
    """Without a score, or halving let it go."""
    SCORED_ASIDE = 2
    """As ``SCORED``, of a trial that does not compete."""
    BEHIND_ASIDE = 3
    """As ``BEHIND``, of a trial that does not compete."""

    @property
    def competes(self) -> bool:
        """Whether the trial may win."""
        return self <= Standing.BEHIND


def competes(settings: Mapping[str, Any]) -> bool:
    """Whether a trial with these settings may win; one that leaves a technique out, or trains a
    winner once more on more rows, only shows what that brings.
    """
    return settings.get("without") is None and settings.get("refit") is None


def score_of(objective: float | None, *, maximize: bool) -> float | None:
    """The score of a trial with this objective; none when that is no finite number of float32, in
    which networks compute: what is beyond it has overflowed, whatever it was added up in.
    """
    if objective is None or not abs(objective) <= LARGEST:
        return None
    return -float(objective) if maximize else float(objective)


def objective_of(score: float, *, maximize: bool) -> float:
    """The objective, or the mean of several, that a score stands for."""
    return (-score if maximize else score) + 0.0  # no minus nought


def standing_of(score: float | None, *, competes: bool, halved: bool = False) -> Standing:
    """The standing of a trial, from its score, none where it has not succeeded."""
    behind = score is None or halved
    if competes:
        return Standing.BEHIND if behind else Standing.SCORED
    return Standing.BEHIND_ASIDE if behind else Standing.SCORED_ASIDE


class Rank(NamedTuple):
    """A configuration's place among others: the smallest is best. See the module."""

    aside: bool
    unscored: bool
    halved: bool
    missing: int
    mean: float
    """Of the scores; ``UNSCORED`` without any."""
    configuration: int

    @property
    def wins(self) -> bool:
        """Whether it would win if it were alone."""
        return not self.aside and not self.unscored


def rank(
    configuration: int,
    scores: Sequence[float],
    *,
    missing: int = 0,
    halved: bool = False,
    competes: bool = True,
) -> Rank:
    """The rank of a configuration.

    Args:
        configuration: its number.
        scores: of its trials that have one.
        missing: how many of its trials have none.
        halved: whether halving let it go before its end.
        competes: whether it may win.
    """
    average = mean(scores) if scores else UNSCORED
    return Rank(not competes, not scores, halved, missing, average, configuration)


@dataclass
class Group:
    """One configuration that competes: its trials, and the scores of those that have one."""

    number: int
    overrides: Json
    """In a search, what it changes in the job, by path."""
    maximize: bool = False
    trials: int = 0
    succeeded: int = 0
    open: int = 0
    """Its trials that have not ended."""
    halved: bool = False
    """Whether halving let it go before its end; its scores are those it had then."""
    scores: list[float] = field(default_factory=list)
    best_epochs: list[int] = field(default_factory=list)
    """The epochs whose weights its trials ended with, as far as they have a score."""

    @property
    def values(self) -> list[float]:
        """The objective of each trial that has one."""
        return [objective_of(score, maximize=self.maximize) for score in self.scores]

    @property
    def missing(self) -> int:
        """Its trials without a score."""
        return self.trials - len(self.scores)

    @property
    def rank(self) -> Rank:
        """Its place among the others."""
        return rank(self.number, self.scores, missing=self.missing, halved=self.halved)


class Ranked(Protocol):
    """A trial with its score and standing, such as its row."""

    standing: int
    score: float
    configuration: int
    repeat: int
    fold: int | None


def place_of(trial: Ranked) -> tuple[int, float, int, int, int]:
    """A trial's place on the leaderboard, by which the smallest comes first."""
    return trial.standing, trial.score, trial.configuration, trial.repeat, trial.fold or 0
