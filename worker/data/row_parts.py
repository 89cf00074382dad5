"""Splits that are given row by row: by the job, or by the file's own parts.

Decisions:

* A job names rows of the uploaded table; splits count labelled rows. A row without a target is
  dropped from its part.
* Where the file's parts are asked for and it has no validation part, that is drawn from its
  training rows, by share, seed and stratification as ever. Its test rows stay as they are.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from worker.data.splits import RowSplit, split_rows
from worker.errors import DataError
from worker.spec.split import PartRows, Split

Rows = NDArray[np.int64]


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
        named = split.rows
        return RowSplit(
            _labelled("train", named.train, row_numbers, total),
            _labelled("validation", named.validation, row_numbers, total),
            _labelled("test", named.test, row_numbers, total),
        )
    if not parts:
        raise DataError(
            'The data set was not uploaded in parts, so `split.rows` cannot be "given". Give the '
            "numbers of the rows of each part, or leave `split.rows` out and set shares.",
            code="no_parts",
            param="split.rows",
        )
    ends = np.cumsum(list(parts.values()))
    found = {
        part: _labelled(part, np.arange(end - size, end), row_numbers, total)
        for (part, size), end in zip(parts.items(), ends.tolist(), strict=True)
    }
    train, none = found["train"], np.zeros(0, dtype=np.int64)
    test, validation = found.get("test", none), found.get("validation")
    if validation is not None:
        return RowSplit(train, validation, test)
    drawn = Split(validation=split.validation, seed=split.seed, stratify=split.stratify)
    (inner,) = split_rows(train, None if labels is None else labels[train], drawn, classes=classes)
    return RowSplit(inner.train, inner.validation, test)


def _labelled(part: str, rows: Sequence[int] | Rows, row_numbers: Rows, total: int) -> Rows:
    """From rows of the table to the places of the labelled ones among them, ascending."""
    numbers = np.sort(np.asarray(rows, dtype=np.int64))
    if numbers.size and numbers[-1] >= total:
        raise DataError(
            f"There is no row {numbers[-1]:,}: the data set has {total:,} rows, numbered from 0.",
            code="unknown_row",
            param=f"split.rows.{part}",
        )
    places = np.searchsorted(row_numbers, numbers)
    known = places < len(row_numbers)
    known[known] = row_numbers[places[known]] == numbers[known]
    if part == "train" and not known.any():
        raise DataError(
            f"None of the {len(numbers):,} rows to train on has a target. Name rows that have one.",
            code="too_few_rows",
            param="split.rows.train",
        )
    return places[known]
