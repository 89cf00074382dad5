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
  Repeat r deals them by the seed + r.
* Row numbers are sorted within a part: the order of training batches has its own seed.
* Given row by row: a job names rows of the uploaded table, while splits count labelled rows. A row
  without a target is dropped from its part.
* Given by the file's own parts: if there is no validation part, it is drawn from the training rows,
  by share, seed and stratification. The test rows stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.errors import DataError
from worker.spec import PartRows, Split

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
    order = shuffled(len(rows), split.seed)
    stratified = labels is not None and split.stratify
    # Without stratification all rows are of one class.
    strata = labels if labels is not None and stratified else np.zeros_like(rows)
    classes_of = strata[order]
    in_test = _draw(classes_of, np.ones(len(rows), dtype=bool), split.test, "test")
    remaining = ~in_test
    test = np.sort(rows[order[in_test]])
    if not isinstance(split.folds, int):
        in_validation = _draw(classes_of, remaining, split.validation, "validation")
        _check_training(int(remaining.sum() - in_validation.sum()), len(rows))
        return (_row_split(rows[order], remaining & ~in_validation, in_validation, test),)

    tested = np.zeros(len(rows), dtype=bool)
    tested[order[in_test]] = True
    splits: list[RowSplit] = []
    for repeat in range(split.repeats):
        order = shuffled(len(rows), split.seed + repeat)
        remaining = ~tested[order]
        fold = _deal(strata[order], remaining, split.folds, classes if stratified else None)
        splits += [
            _row_split(
                rows[order], remaining & (fold != number), remaining & (fold == number), test
            )
            for number in range(split.folds)
        ]
    return tuple(splits)


def shuffled(count: int, seed: int) -> Rows:
    """The numbers below ``count`` in the order of a seed."""
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def given_split(
    parts: Mapping[str, int],
    row_numbers: Rows,
    labels: NDArray[np.int64] | None,
    split: Split,
    *,
    total: int,
    classes: Sequence[str] = (),
) -> RowSplit:
    """The split that `split.rows` asks for.

    Args:
        parts: the parts of the file and their sizes, as `Table.parts`.
        row_numbers: [N], the numbers in the table of the labelled rows, ascending.
        labels: [N], their class numbers; none for a regression.
        split: what the job says; its `rows` is not none.
        total: rows of the table.
        classes: the classes' names, for messages.

    Raises:
        DataError: the file came in one part, a row is not in the table, or no row is left to train
            on; `param` names the part.
    """
    if isinstance(split.rows, PartRows):
        return RowSplit(
            labelled_places("split.rows.train", split.rows.train, row_numbers, total, needed=True),
            labelled_places("split.rows.validation", split.rows.validation, row_numbers, total),
            labelled_places("split.rows.test", split.rows.test, row_numbers, total),
        )
    if not parts:
        raise DataError(
            'The data set was not uploaded in parts, so `split.rows` cannot be "given". Give the '
            "numbers of the rows of each part, or leave `split.rows` out and set shares.",
            code="no_parts",
            param="split.rows",
        )
    ends = np.cumsum(list(parts.values()))
    places = {
        part: labelled_places(
            f"split.rows.{part}",
            np.arange(end - size, end),
            row_numbers,
            total,
            needed=part == "train",
        )
        for (part, size), end in zip(parts.items(), ends.tolist(), strict=True)
    }
    train, test = places["train"], places.get("test", np.zeros(0, dtype=np.int64))
    validation = places.get("validation")
    if validation is not None:
        return RowSplit(train, validation, test)
    shares = Split(validation=split.validation, seed=split.seed, stratify=split.stratify)
    train_labels = None if labels is None else labels[train]
    (of_train,) = split_rows(train, train_labels, shares, classes=classes)
    return RowSplit(of_train.train, of_train.validation, test)


def _row_split(
    shuffled: Rows, train: NDArray[np.bool_], validation: NDArray[np.bool_], test: Rows
) -> RowSplit:
    return RowSplit(np.sort(shuffled[train]), np.sort(shuffled[validation]), test)


def _draw(
    classes: NDArray[np.int64], unassigned: NDArray[np.bool_], share: float, part: str
) -> NDArray[np.bool_]:
    """Mark `share` of all rows, from the unassigned ones, class by class; one of each is left."""
    drawn = np.zeros(len(classes), dtype=bool)
    if share == 0:
        return drawn
    counts = np.bincount(classes)
    available = np.maximum(np.bincount(classes[unassigned], minlength=len(counts)) - 1, 0)
    size = max(1, int(np.floor(len(classes) * share + 0.5)))
    if available.sum() < 1:
        raise DataError(
            f"There are too few rows ({len(classes)}) for a {part} part beside the training rows. "
            f"Add rows, or set `split.{part}` to 0.",
            code="too_few_rows",
            param=f"split.{part}",
        )
    taken = _apportion(min(size, int(available.sum())), counts * share, available)
    # The rank of each unassigned row within its class, in shuffled order: the first are taken.
    places = np.flatnonzero(unassigned)
    places = places[np.argsort(classes[places], kind="stable")]
    sorted_classes = classes[places]
    starts = np.searchsorted(sorted_classes, np.arange(len(counts)))
    rank = np.arange(len(places)) - starts[sorted_classes]
    drawn[places[rank < taken[sorted_classes]]] = True
    return drawn


def _apportion(
    total: int, quota: NDArray[np.floating[Any]], available: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Whole numbers near `quota`, at most `available`, that sum to `total`: largest remainders."""
    taken: NDArray[np.int64] = np.minimum(np.floor(quota).astype(np.int64), available)
    order = np.argsort(-(quota - np.floor(quota)), kind="stable")
    while (left := total - int(taken.sum())) > 0:
        open_classes = order[taken[order] < available[order]][:left]
        taken[open_classes] += 1
    return taken


def _deal(
    classes_of: NDArray[np.int64],
    remaining: NDArray[np.bool_],
    folds: int,
    names: Sequence[str] | None,
) -> NDArray[np.int64]:
    """The fold of each remaining row; -1 for the others."""
    places = np.flatnonzero(remaining)
    if len(places) < folds:
        raise DataError(
            f"{len(places)} rows cannot make {folds} folds. Add rows, or set `split.folds` to at "
            f"most {max(len(places), 2)}.",
            code="too_few_rows",
            param="split.folds",
        )
    counts = np.bincount(classes_of[places])
    scarce = int(np.argmin(np.where(counts > 0, counts, len(classes_of) + 1)))
    if names is not None and counts[scarce] < folds:
        name = names[scarce] if scarce < len(names) else str(scarce)
        raise DataError(
            f"Class {name!r} has {counts[scarce]} rows to deal, fewer than the {folds} folds. Add "
            "rows of that class, ask for fewer folds, or set `split.stratify` to false.",
            code="too_few_rows",
            param="split.folds",
        )
    fold = np.full(len(classes_of), -1, dtype=np.int64)
    by_class = places[np.argsort(classes_of[places], kind="stable")]
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


def labelled_places(
    field: str, rows: Sequence[int] | Rows, row_numbers: Rows, total: int, *, needed: bool = False
) -> Rows:
    """From rows of the table to the places of the labelled ones among them, ascending.

    Raises:
        DataError: a row is not in the table, or none of those that are ``needed`` has a target;
            `param` is the field.
    """
    numbers = np.sort(np.asarray(rows, dtype=np.int64))
    if numbers.size and numbers[-1] >= total:
        raise DataError(
            f"There is no row {numbers[-1]:,}: the data set has {total:,} rows, numbered from 0.",
            code="unknown_row",
            param=field,
        )
    places = np.searchsorted(row_numbers, numbers)
    known = places < len(row_numbers)
    known[known] = row_numbers[places[known]] == numbers[known]
    if needed and not known.any():
        raise DataError(
            f"None of the {len(numbers):,} rows has a target. Name rows that have one.",
            code="too_few_rows",
            param=field,
        )
    return places[known]
