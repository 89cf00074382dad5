"""Scoring: how good a model's answers are on rows whose truth is known, a few rows at a time.

The metrics are those of `worker.metrics`, without the name of a part of the rows. Those that need
all scores together (the AUC, errors of calibration, medians) are measured as long as the scores
fit; of more rows there are those that are sums.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data import Target, is_known
from worker.metrics import (
    confusion,
    final_classification,
    final_regression,
    from_confusion,
    from_squares,
)
from worker.models.answers import Answers
from worker.results import Metrics

MOST_SCORES = 8_000_000
"""Scores that are kept: sorting them takes about 100 bytes each."""


class Scoring:
    """Takes answers with their truth, and says in the end how good they were."""

    def __init__(self, target: Target, most_scores: int = MOST_SCORES) -> None:
        """Begin; `most_scores` is how many are kept."""
        self._target = target
        self._most_scores = most_scores
        self._rows = 0
        self._confusion: NDArray[np.int64] | int = 0
        self._sums = np.zeros(3)
        """Of a regression: squared errors; squares and sums of the truth less its first value."""
        self._first = 0.0
        self._kept: list[tuple[NDArray[Any], NDArray[Any]]] | None = []

    def add(
        self,
        scores: NDArray[np.float32],
        answers: Answers,
        truth: NDArray[Any],
    ) -> None:
        """Take rows: the scores ``[N, O]``, what was read of them, and the target's values ``[N]``.
        Rows whose truth is missing, or is no class of the model, do not count.
        """
        known = is_known(self._target, truth)
        truth, count = truth[known], int(known.sum())
        if not count:
            return
        kept: NDArray[Any] = scores[known]
        if answers.values is not None:
            kept = answers.values[known]
            self._add_squares(kept, truth)
        elif answers.best is not None:
            classes = len(self._target.classes)
            self._confusion = self._confusion + confusion(
                answers.best[known][None], truth.astype(np.int64)[None], classes
            )
        self._rows += count
        if self._kept is not None:
            self._kept.append((kept, truth))
            width = scores.shape[1]
            if self._rows * width > self._most_scores:
                self._kept = None

    def _add_squares(self, values: NDArray[Any], truth: NDArray[Any]) -> None:
        if not self._rows:
            self._first = float(truth[0])
        apart = truth - self._first
        self._sums += np.square(values - truth).sum(), np.square(apart).sum(), apart.sum()

    def metrics(self) -> Metrics | None:
        """By name, null where one is not defined; none at all where no row's truth is known."""
        if not self._rows:
            return None
        by_name = (
            self._regression() if self._target.task == "regression" else self._classification()
        )
        return {
            name: value if math.isfinite(value) else None
            for name, (value,) in ((name, values.tolist()) for name, values in by_name.items())
        }

    def _classification(self) -> dict[str, NDArray[np.float64]]:
        positive = self._target.positive_number
        chosen = 1 if positive is None else positive
        values = from_confusion(np.asarray(self._confusion), chosen)
        if self._kept is not None:
            scores, truth = self._together()
            values |= final_classification(scores[None], truth[None].astype(np.int64), chosen)
        return values

    def _regression(self) -> dict[str, NDArray[np.float64]]:
        error, square, mean = (self._sums / self._rows)[:, None]
        one, zero = np.ones(1), np.zeros(1)
        by_name = from_squares(error, np.maximum(square - np.square(mean), 0.0), one)
        if self._kept is not None:
            values, truth = self._together()
            by_name |= final_regression(values[None], truth[None], one, zero)
        return by_name

    def _together(self) -> tuple[NDArray[Any], NDArray[Any]]:
        kept = self._kept or []
        return np.concatenate([one for one, _ in kept]), np.concatenate([two for _, two in kept])
