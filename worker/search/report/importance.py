"""How much each searched field matters: its share of the variance of the objective."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.search.report.axes import Axis, ConfigurationResult

FEWEST = 16
"""Configurations with a value below which nothing is said."""
MOST = 2000
"""Configurations that the forest sees; of more, an even choice."""
TREES = 64
LEVELS = 16
BACKGROUND = 96
OFF = -1.0
"""The column of a field whose technique is off: left of all positions, so a tree can tell."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """Shares of the variance, by path; they and ``interactions`` add up to 1."""

    shares: dict[str, float]
    """What each field explains alone, averaged over all others."""
    interactions: float
    """What only fields together explain."""
    fit: float
    """R² of the forest on configurations that a tree had not seen: how far to believe it."""


def variance_shares(
    axes: Sequence[Axis], results: Sequence[ConfigurationResult]
) -> Importance | None:
    """Functional analysis of variance of a random forest; none for few results.

    A forest of regression trees learns the objective from the positions of the fields on their
    scales. The share of field j is Var_v(f_j(v)) / Var(f), with f_j(v) the forest's mean answer
    when j is set to v and all others are as they were in the search; for a technique's field over
    the configurations that have the technique, times their share. Values of the objective beyond
    1.5 interquartile ranges from the quartiles count as that fence, so that a few diverged
    trainings do not decide. Deterministic, whatever the order of the results.

    Source: Hutter, Hoos, Leyton-Brown 2014, An efficient approach for assessing hyperparameter
    importance, ICML.
    """
    from sklearn.ensemble import RandomForestRegressor

    done = sorted((r for r in results if r.values), key=lambda result: result.configuration)
    done = done[:: -(-len(done) // MOST)] if done else done
    if len(done) < FEWEST or not axes:
        return None
    x, y = _columns(axes, done), _fenced(np.array([result.mean for result in done]))
    if np.ptp(y) == 0:
        return None
    forest = RandomForestRegressor(
        n_estimators=TREES, min_samples_leaf=2, max_features=0.7, oob_score=True, random_state=0
    ).fit(x, y)
    total = float(np.var(forest.predict(x)))
    if total == 0:
        return None
    families = [_family(axes, number) for number in range(len(axes))]
    alone = np.array(
        [
            _switch(forest, x, number, families[number])
            if axis.kind == "switch"
            else _field(forest, x, number)
            for number, axis in enumerate(axes)
        ]
    )
    shares = alone / max(total, float(alone.sum()))
    return Importance(
        shares={axis.path: float(share) for axis, share in zip(axes, shares, strict=True)},
        interactions=max(0.0, 1.0 - float(shares.sum())),
        fit=float(forest.oob_score_),
    )


def _columns(axes: Sequence[Axis], results: Sequence[ConfigurationResult]) -> Matrix:
    x = np.full((len(results), len(axes)), OFF)
    for row, result in enumerate(results):
        for column, axis in enumerate(axes):
            position = axis.position(result.overrides.get(axis.path))
            if position is not None:
                x[row, column] = position
    return x


def _fenced(y: Matrix) -> Matrix:
    low, high = np.percentile(y, [25, 75])
    reach = 1.5 * (high - low)
    return np.clip(y, low - reach, high + reach) if reach > 0 else y


def _family(axes: Sequence[Axis], number: int) -> list[int]:
    """The columns of the fields of a technique, given that of its switch."""
    inside = f"{axes[number].path}."
    return [column for column, axis in enumerate(axes) if axis.path.startswith(inside)]


def _field(forest: Any, x: Matrix, column: int) -> float:
    active = x[x[:, column] != OFF]
    if len(active) < 2:
        return 0.0
    levels = np.quantile(active[:, column], np.linspace(0, 1, LEVELS), method="nearest")
    background = _background(active)
    points = np.repeat(background[None], len(levels), axis=0)
    points[:, :, column] = levels[:, None]
    means = _mean_answers(forest, points)
    return float(np.var(means)) * len(active) / len(x)


def _switch(forest: Any, x: Matrix, column: int, family: Sequence[int]) -> float:
    on = x[x[:, column] == 1]
    if len(on) in {0, len(x)}:
        return 0.0
    background = _background(x)
    off = background.copy()
    off[:, [column, *family]] = [0.0, *[OFF] * len(family)]
    with_it, inside = background.copy(), [column, *family]
    lent = on[np.arange(len(background)) % len(on)][:, inside]
    with_it[:, inside] = np.where(background[:, [column]] == 1, background[:, inside], lent)
    low, high = _mean_answers(forest, np.stack([off, with_it]))
    share = len(on) / len(x)
    return float(share * (1 - share) * (high - low) ** 2)


def _background(points: Matrix) -> Matrix:
    return points[:: -(-len(points) // BACKGROUND)]


def _mean_answers(forest: Any, points: Matrix) -> Matrix:
    """``[V, B, F]`` → the forest's mean answer ``[V]``."""
    flat = forest.predict(points.reshape(-1, points.shape[-1]))
    means: Matrix = np.asarray(flat).reshape(points.shape[:2]).mean(1)
    return means
