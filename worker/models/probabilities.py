"""From scores to probabilities, and from members' scores to those of their mean prediction.

In float64, rounded once. Each number follows from its own row alone, entry by entry or by sums
along the row, so that a row has the same bits in any batch. Nothing overflows, however large the
scores.
"""

from collections.abc import Sequence
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
