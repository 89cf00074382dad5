"""Splits: which rows train, which validate, which test.

Decisions:

* The shuffle sorts the raw output of PCG64, the bit generator behind `numpy.random.default_rng`.
  NumPy guarantees that output for good and on every platform; it does not guarantee
  `Generator.permutation`.
* By shares: a part has its share of the rows, rounded, and at least one row if the share is not 0.
  Stratified, each class gives its proportional number, by largest remainders (ties: the lower
  class number first), and keeps at least one row in training.
* Folds: the test rows are set aside first, and are the same in every fold. The others are dealt
  in turn, sorted by class: fold sizes, and each class's rows in the folds, differ by one at most.
* Row numbers are sorted within a part: the order of training batches has its own seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.errors import DataError
from worker.spec.split import Split

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RowSplit:
    """Row numbers of the three parts, each ascending; validation and test may be empty."""

    train: Rows
    validation: Rows
    test: Rows

    def merged(self) -> "RowSplit":
        """The validation rows train as well: what a refit uses."""
        train = np.sort(np.concatenate([self.train, self.validation]))
        return RowSplit(train, self.validation[:0], self.test)


def split_rows(
    rows: Rows,
    labels: NDArray[np.int64] | None,
    split: Split,
    *,
    classes: Sequence[str] = (),
) -> tuple[RowSplit, ...]:
    """Divide `rows`; `labels` are their class numbers from 0 up, none for a regression.

    `classes` are the classes' names, for messages. Returns one split, or one for each fold.

    Raises:
        DataError: too few rows for the parts, or a class with fewer rows than folds.
    """
    order = np.argsort(np.random.PCG64(split.seed).random_raw(len(rows)), kind="stable")
    stratified = labels is not None and split.stratify
    numbers = labels[order] if labels is not None and stratified else np.zeros_like(rows)
    shuffled = rows[order]

    tested = _draw(numbers, np.ones(len(rows), dtype=bool), split.test, "test")
    kept = ~tested
    test = np.sort(shuffled[tested])
    if split.folds is None:
        validated = _draw(numbers, kept, split.validation, "validation")
        _check_training(int(kept.sum() - validated.sum()), len(rows))
        return (_row_split(shuffled, kept & ~validated, validated, test),)

    fold = _deal(numbers, kept, split.folds, classes if stratified else None)
    return tuple(
        _row_split(shuffled, kept & (fold != number), kept & (fold == number), test)
        for number in range(split.folds)
    )


def _row_split(
    shuffled: Rows, train: NDArray[np.bool_], validation: NDArray[np.bool_], test: Rows
) -> RowSplit:
    return RowSplit(np.sort(shuffled[train]), np.sort(shuffled[validation]), test)


def _draw(
    classes: NDArray[np.int64], free: NDArray[np.bool_], share: float, part: str
) -> NDArray[np.bool_]:
    """Mark `share` of all rows among the free ones, class by class, leaving one of each class."""
    drawn = np.zeros(len(classes), dtype=bool)
    if share == 0:
        return drawn
    counts = np.bincount(classes)
    room = np.maximum(np.bincount(classes[free], minlength=len(counts)) - 1, 0)
    wanted = max(1, int(np.floor(len(classes) * share + 0.5)))
    if room.sum() < 1:
        raise DataError(
            f"There are too few rows ({len(classes)}) for a {part} part beside the training rows. "
            f"Add rows, or set `split.{part}` to 0.",
            code="too_few_rows",
            param=f"split.{part}",
        )
    taken = _apportion(min(wanted, int(room.sum())), counts * share, room)
    # The rank of each free row within its class, in shuffled order: the first ones are taken.
    places = np.flatnonzero(free)
    places = places[np.argsort(classes[places], kind="stable")]
    sorted_classes = classes[places]
    starts = np.searchsorted(sorted_classes, np.arange(len(counts)))
    rank = np.arange(len(places)) - starts[sorted_classes]
    drawn[places[rank < taken[sorted_classes]]] = True
    return drawn


def _apportion(
    total: int, quota: NDArray[np.floating[Any]], room: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Whole numbers near `quota` that sum to `total`, none above `room`: largest remainders."""
    taken: NDArray[np.int64] = np.minimum(np.floor(quota).astype(np.int64), room)
    order = np.argsort(-(quota - np.floor(quota)), kind="stable")
    while (left := total - int(taken.sum())) > 0:
        open_classes = order[taken[order] < room[order]][:left]
        taken[open_classes] += 1
    return taken


def _deal(
    numbers: NDArray[np.int64],
    kept: NDArray[np.bool_],
    folds: int,
    names: Sequence[str] | None,
) -> NDArray[np.int64]:
    """The fold of each kept row; -1 for the others."""
    places = np.flatnonzero(kept)
    if len(places) < folds:
        raise DataError(
            f"{len(places)} rows cannot make {folds} folds. Add rows, or set `split.folds` to at "
            f"most {max(len(places), 2)}.",
            code="too_few_rows",
            param="split.folds",
        )
    counts = np.bincount(numbers[places])
    scarce = int(np.argmin(np.where(counts > 0, counts, len(numbers) + 1)))
    if names is not None and counts[scarce] < folds:
        name = names[scarce] if scarce < len(names) else str(scarce)
        raise DataError(
            f"Class {name!r} has {counts[scarce]} rows to deal, fewer than the {folds} folds. Add "
            "rows of that class, ask for fewer folds, or set `split.stratify` to false.",
            code="too_few_rows",
            param="split.folds",
        )
    fold = np.full(len(numbers), -1, dtype=np.int64)
    by_class = places[np.argsort(numbers[places], kind="stable")]
    fold[by_class] = np.arange(len(by_class)) % folds
    return fold


def _check_training(left: int, rows: int) -> None:
    if left < 1:
        raise DataError(
            f"The split leaves none of the {rows} rows to train on. Add rows, or lower "
            "`split.validation` and `split.test`.",
            code="too_few_rows",
            param="split",
        )
