"""What every network must be compared with: the same answer for all rows, and gradient boosting."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.appraisal.rows import HeldOut, RowScores, folds_of, scores_at
from worker.spec import QuantileLoss

CONSTANT = "the constant answer"
SMALLEST = 1e-6
"""A count below it is taken to be it where its logarithm is asked for."""


def constant_scores(held: HeldOut, beside: RowScores) -> RowScores:
    """The best answer that is the same for every row, from the training rows of each split: the
    shares of the classes, or the mean of the target.

    A class without training rows has the share of half a row.
    """
    prepared, task = held.prepared, held.target.task
    constants = np.empty((len(prepared.splits), held.target.outputs), dtype=np.float32)
    for number, split in enumerate(prepared.splits):
        y = prepared.y[number][split.train]
        weights, offset = (
            None if values is None else values[number][split.train]
            for values in (prepared.weights, prepared.offset)
        )
        if task == "regression":
            constants[number] = _constant(held, y.astype(np.float64), weights, offset)
            continue
        counts = np.bincount(y, weights=weights, minlength=len(held.target.classes))
        counts = np.maximum(counts, 0.5)
        logs = np.log(counts)
        constants[number] = logs[1] - logs[0] if task == "binary" else logs - logs.max()
    places = beside.places if held.fold is None else [(0, None)]
    scores = constants[folds_of(held, places)]  # [R, 1, O] or [1, N, O]
    return scores_at(
        held, places, np.broadcast_to(scores, (len(scores), len(held), scores.shape[2]))
    )


def _constant(
    held: HeldOut,
    y: NDArray[np.float64],
    weights: NDArray[np.float32] | None,
    offset: NDArray[np.float32] | None,
) -> float:
    """The score that is best for all, beside their offsets: of the mean, or of a quantile where
    that is asked for.
    """
    if held.data_loss.log_link:
        exposure = 1.0 if offset is None else np.average(np.exp(offset), weights=weights)
        return float(np.log(max(np.average(y, weights=weights), SMALLEST) / exposure))
    left = y if offset is None else y - offset
    if isinstance(held.loss, QuantileLoss):
        return float(np.quantile(left, held.loss.q, weights=weights, method="inverted_cdf"))
    return float(np.average(left, weights=weights))


def boosted_scores(
    held: HeldOut, of_splits: Sequence[NDArray[np.float32]], beside: RowScores
) -> RowScores:
    """Gradient boosting's scores of the rows, from those ``[n, O]`` of the rows of each split."""
    splits = held.prepared.splits
    if held.part == "test":
        rows = np.searchsorted(splits[0].test, held.rows)
        numbers = [fold or 0 for _, fold in beside.places]
        of_rows = np.stack([of_splits[fold][rows] for fold in numbers])
        return scores_at(held, beside.places, _linked(held, of_rows), with_offset=False)
    scores = np.empty((1, len(held), held.target.outputs), dtype=np.float32)
    fold = np.zeros(len(held), dtype=np.int64) if held.fold is None else held.fold
    for number, (split, own) in enumerate(zip(splits, of_splits, strict=True)):
        mine = fold == number
        scores[0, mine] = own[np.searchsorted(split.validation, held.rows[mine])]
    return scores_at(held, [(0, None)], _linked(held, scores), with_offset=False)


def _linked(held: HeldOut, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Answers as the scores that stand for them."""
    return np.log(np.maximum(values, SMALLEST)) if held.data_loss.log_link else values
