"""From scores to probabilities, and from members' scores to those of their mean prediction.

In float64, rounded once. Each number follows from its own row alone, entry by entry or by sums
along the row, so that a row has the same bits in any batch. Nothing overflows, however large the
scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from worker.spec import TaskKind


def class_probabilities(task: TaskKind, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores ``[N, O]`` → probabilities ``[N, C]``.

    One score is the logit of the second of two classes, σ(s) = 1/(1 + e⁻ˢ); several are those of
    their classes, softmax(s) = eˢ/Σeˢ.
    """
    with np.errstate(invalid="ignore"):  # of scores that are no numbers
        if task == "binary":
            logits = scores[:, 0].astype(np.float64)
            small = np.exp(-np.abs(logits))
            whole = 1.0 + small
            sides = 1.0 / whole, small / whole
            second = logits >= 0
            both = np.empty((len(logits), 2), dtype=np.float32)
            both[:, 1] = np.where(second, *sides)
            both[:, 0] = np.where(second, *sides[::-1])
            return both
        logits = scores.astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= np.add.reduce(logits, axis=1, keepdims=True)
        return logits.astype(np.float32)


def mean_member(task: TaskKind, members: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The scores ``[N, O]`` of M members → those of their mean prediction, ``[N, O]``.

    The mean of a regression's values; of probabilities, as logits. `mean_scores` does the same with
    tensors.
    """
    count = len(members)
    with np.errstate(invalid="ignore", divide="ignore"):
        if task == "regression":
            total = np.zeros(members[0].shape)
            for member in members:
                total += member
            return (total / count).astype(np.float32)
        if task == "binary":
            logits = [member.astype(np.float64) for member in members]
            second = _logarithm_of_sum([-np.logaddexp(0.0, -logit) for logit in logits])
            first = _logarithm_of_sum([-np.logaddexp(0.0, logit) for logit in logits])
            return (second - first).astype(np.float32)
        mean = _logarithm_of_sum([_log_softmax(member.astype(np.float64)) for member in members])
        return (mean - log(count)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class WeightedMean:
    """The scores ``[M, N, O]`` of M members → those of their weighted mean, ``[N, O]``.

    As `mean_member`, with a weight for each, ``[M]``, which sum to 1. Who calls it says what is to
    be done about scores that are no numbers: of a row, that takes a tenth of the time.
    """

    task: TaskKind
    weights: NDArray[np.float64]
    logarithms: NDArray[np.float64]
    """Of the weights, ``[M, 1]``."""

    @classmethod
    def of(cls, task: TaskKind, weights: NDArray[np.float64]) -> "WeightedMean":
        """Of these weights."""
        with np.errstate(divide="ignore"):
            return cls(task, weights, np.log(weights)[:, None])

    def __call__(self, members: NDArray[np.float32]) -> NDArray[np.float32]:
        """Their mean."""
        count, rows, outputs = members.shape
        scores = members.astype(np.float64)
        if self.task == "regression":
            weighed = scores.reshape(count, rows * outputs) * self.weights[:, None]
            total = np.asarray(np.add.accumulate(weighed, axis=0)[-1], dtype=np.float32)
            return total.reshape(rows, outputs)
        if self.task == "binary":
            logits = scores.reshape(count, rows)
            sides = np.empty((count, 2, rows))
            np.subtract(self.logarithms, np.logaddexp(0.0, -logits), out=sides[:, 1])
            np.subtract(sides[:, 1], logits, out=sides[:, 0])  # log σ(−s) = log σ(s) − s
            first, second = _logarithm_of_terms(sides.reshape(count, 2 * rows)).reshape(2, rows)
            return (second - first).reshape(rows, outputs).astype(np.float32)
        scores -= scores.max(axis=2, keepdims=True)
        scores -= np.log(np.add.reduce(np.exp(scores), axis=2, keepdims=True))
        terms = scores.reshape(count, rows * outputs) + self.logarithms
        return _logarithm_of_terms(terms).reshape(rows, outputs).astype(np.float32)


def weighted_mean(
    task: TaskKind, members: NDArray[np.float32], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The scores ``[M, N, O]`` of M members → those of their weighted mean, once."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return WeightedMean.of(task, weights)(members)


def _logarithm_of_terms(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """log Σ eᵗ over members ``[M, N]``, one after another, however many rows there are."""
    most = np.maximum.reduce(terms, axis=0)
    terms -= most
    np.exp(terms, out=terms)
    total = np.log(np.add.accumulate(terms, axis=0)[-1])
    return np.asarray(total + most)


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    scores -= scores.max(axis=1, keepdims=True)
    scores -= np.log(np.add.reduce(np.exp(scores), axis=1, keepdims=True))
    return scores


def _logarithm_of_sum(logarithms: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """log Σ eˡ over members, one after another."""
    total = logarithms[0]
    for logarithm in logarithms[1:]:
        total = np.logaddexp(total, logarithm)
    return total
