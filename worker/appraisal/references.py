"""What every network must be compared with: the same answer for all rows, and gradient boosting."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.appraisal.rows import HeldOut, RowScores, folds_of, scores_at

CONSTANT = "the constant answer"


def constant_scores(held: HeldOut, beside: RowScores) -> RowScores:
    """The best answer that is the same for every row, from the training rows of each split: the
    shares of the classes, or the mean of the target.

    A class without training rows has the share of half a row.
    """
    prepared, task = held.prepared, held.target.task
    constants = np.empty((len(prepared.splits), held.target.outputs), dtype=np.float32)
    for number, split in enumerate(prepared.splits):
        y = prepared.y[number][split.train]
        if task == "regression":
            constants[number] = y.mean(dtype=np.float64)
            continue
        counts = np.maximum(np.bincount(y, minlength=len(held.target.classes)), 0.5)
        logs = np.log(counts)
        constants[number] = logs[1] - logs[0] if task == "binary" else logs - logs.max()
    places = beside.places if held.fold is None else [(0, None)]
    scores = constants[folds_of(held, places)]  # [R, 1, O] or [1, N, O]
    return scores_at(
        held, places, np.broadcast_to(scores, (len(scores), len(held), scores.shape[2]))
    )


def boosted_scores(
    held: HeldOut, of_splits: Sequence[NDArray[np.float32]], beside: RowScores
) -> RowScores:
    """Gradient boosting's scores of the rows, from those ``[n, O]`` of the rows of each split."""
    splits = held.prepared.splits
    if held.part == "test":
        rows = np.searchsorted(splits[0].test, held.rows)
        numbers = [fold or 0 for _, fold in beside.places]
        return scores_at(held, beside.places, np.stack([of_splits[fold][rows] for fold in numbers]))
    scores = np.empty((1, len(held), held.target.outputs), dtype=np.float32)
    fold = np.zeros(len(held), dtype=np.int64) if held.fold is None else held.fold
    for number, (split, own) in enumerate(zip(splits, of_splits, strict=True)):
        mine = fold == number
        scores[0, mine] = own[np.searchsorted(split.validation, held.rows[mine])]
    return scores_at(held, [(0, None)], scores)
