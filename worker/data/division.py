"""The division of a job's rows: which way its `split` asks for, and what that way reads of columns.

Decisions:

* A cell that says to which fold or group a row belongs, or when it was, must not be missing: a
  guess would tear apart what belongs together. The job is refused, and told the first such row.
* A column that divides is no feature, with one exception: the order, which is one unless `columns`
  says that it is to be ignored.
* Values of a column of folds are sorted as numbers where all are, else as texts; the first is fold
  0. Texts have no order in time: `split.order` takes numbers and dates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.grouping import deal_groups
from worker.data.mixture import numbers_of
from worker.data.splits import Rows, RowSplit, given_split, labelled_places, split_rows
from worker.data.table import MISSING_CODE, Table, label_of
from worker.data.time_order import time_ordered
from worker.errors import DataError
from worker.spec import FoldColumn, JobSpec, Split

FEWEST_FOLDS, MOST_FOLDS = 2, 50


@dataclass(frozen=True)
class Division:
    """The splits of a job, one or one a fold, in places of the labelled rows."""

    splits: tuple[RowSplit, ...]
    names: tuple[str, ...] = ()
    """Of the folds of a column: its values."""
    groups: Rows | None = None
    """[N]: the number of each row's group, where groups stay together."""


def set_aside(spec: JobSpec) -> dict[str, str]:
    """The columns that divide the rows and so are no features: name → the field that names it."""
    return {
        name: field
        for name, field in spec.split.columns.items()
        if field != "order" or spec.columns.get(name) == "ignore"
    }


def divide(
    table: Table,
    row_numbers: Rows,
    labels: NDArray[np.int64] | None,
    split: Split,
    *,
    target: str,
    classes: Sequence[str] = (),
) -> Division:
    """Divide the labelled rows of a table.

    Args:
        table: the data.
        row_numbers: [N], the numbers in the table of the labelled rows, ascending.
        labels: [N], their class numbers; none for a regression.
        split: what the job says.
        target: the target's column, which cannot divide.
        classes: the classes' names, for messages.

    Raises:
        DataError: the rows cannot be divided so; `param` names the field.
    """
    for name, field in split.columns.items():
        if name == target:
            raise DataError(
                f"Column {name!r} is the target, which cannot divide the rows too; name another "
                f"column in `split.{field}`.",
                code="target_divides",
                param=f"split.{field}",
                column=name,
            )
    places = np.arange(len(row_numbers), dtype=np.int64)
    if isinstance(split.folds, FoldColumn):
        return _by_column(table, row_numbers, split.folds)
    if isinstance(split.folds, tuple):
        return Division(_by_lists(split.folds, row_numbers, table.rows))
    if split.rows is not None:
        given = given_split(
            table.parts, row_numbers, labels, split, total=table.rows, classes=classes
        )
        return Division((given,))
    if split.groups is not None:
        groups, _ = _codes(table, row_numbers, split.groups, "split.groups")
        strata = labels if labels is not None and split.stratify else np.zeros_like(places)
        return Division(_by_groups(groups, strata, split), groups=groups)
    if split.order is not None:
        times = _times(table, row_numbers, split.order)
        parts = time_ordered(
            times, validation=split.validation, test=split.test, folds=split.fold_count
        )
        return Division(tuple(RowSplit(*map(np.sort, part)) for part in parts))
    return Division(split_rows(places, labels, split, classes=classes))


def _by_column(table: Table, row_numbers: Rows, folds: FoldColumn) -> Division:
    codes, names = _codes(table, row_numbers, folds.column, "split.folds.column")
    tested = np.zeros(len(codes), dtype=bool)
    if folds.test is not None:
        if folds.test not in names:
            raise DataError(
                f"Column {folds.column!r} has no value {folds.test!r} in the rows with a target; "
                f"it has {_some(names)}.",
                code="unknown_value",
                param="split.folds.test",
                column=folds.column,
            )
        tested = codes == names.index(folds.test)
    numbers = [number for number, name in enumerate(names) if name != folds.test]
    if not FEWEST_FOLDS <= len(numbers) <= MOST_FOLDS:
        raise DataError(
            f"Column {folds.column!r} makes {len(numbers):,} folds, one of each value; there may "
            f"be {FEWEST_FOLDS} to {MOST_FOLDS}. Name a column with fewer different values, or "
            "one whose groups stay together in `split.groups`.",
            code="fold_count",
            param="split.folds.column",
            column=folds.column,
        )
    if folds.count not in (None, len(numbers)):
        raise DataError(
            f"Column {folds.column!r} makes {len(numbers)} folds, not {folds.count}; leave `count` "
            "out.",
            code="fold_count",
            param="split.folds.count",
            column=folds.column,
        )
    test = np.flatnonzero(tested)
    splits = tuple(
        RowSplit(np.flatnonzero(~tested & (codes != n)), np.flatnonzero(codes == n), test)
        for n in numbers
    )
    return Division(splits, tuple(names[number] for number in numbers))


def _by_lists(
    folds: Sequence[Sequence[int]], row_numbers: Rows, total: int
) -> tuple[RowSplit, ...]:
    validation = [
        labelled_places(f"split.folds.{number}", rows, row_numbers, total, needed=True)
        for number, rows in enumerate(folds)
    ]
    whole = np.sort(np.concatenate(validation))
    none = whole[:0]
    return tuple(
        RowSplit(np.setdiff1d(whole, part, assume_unique=True), part, none) for part in validation
    )


def _by_groups(groups: Rows, strata: Rows, split: Split) -> tuple[RowSplit, ...]:
    """Whole groups by shares, or the test's share and then folds, dealt anew in each repeat."""
    rows, none = np.arange(len(groups)), np.zeros(0, dtype=np.int64)
    if split.fold_count == 0:
        shares = {
            "train": 1 - split.validation - split.test,
            "validation": split.validation,
            "test": split.test,
        }
        there = [part for part, share in shares.items() if share > 0]
        bins = deal_groups(
            groups, strata, [shares[part] for part in there], split.seed, param="split.groups"
        )
        found = {part: np.flatnonzero(bins == number) for number, part in enumerate(there)}
        return (RowSplit(found["train"], found.get("validation", none), found.get("test", none)),)
    test = none
    if split.test > 0:
        bins = deal_groups(
            groups, strata, [1 - split.test, split.test], split.seed, param="split.groups"
        )
        test, rows = np.flatnonzero(bins == 1), np.flatnonzero(bins == 0)
    assert isinstance(split.folds, int)
    _, numbered = np.unique(groups[rows], return_inverse=True)
    splits: list[RowSplit] = []
    for repeat in range(split.repeats):
        fold = deal_groups(
            numbered,
            strata[rows],
            [1 / split.folds] * split.folds,
            split.seed + repeat,
            param="split.folds",
        )
        splits += [
            RowSplit(rows[fold != number], rows[fold == number], test)
            for number in range(split.folds)
        ]
    return tuple(splits)


def _codes(table: Table, row_numbers: Rows, name: str, param: str) -> tuple[Rows, list[str]]:
    """The number of each row's value among those that there are, and these as sorted texts."""
    column = table.column(name, param=param)
    if column.kind == "image":
        raise _unfit(name, "holds images or series", "name a column of numbers or texts", param)
    values = table.values[name][row_numbers]
    _check_present(
        name,
        values == MISSING_CODE if column.kind == "categorical" else np.isnan(values),
        row_numbers,
        param,
    )
    distinct, codes = np.unique(values, return_inverse=True)
    codes = codes.reshape(-1).astype(np.int64)
    if column.kind != "categorical":
        return codes, [label_of(value) for value in distinct.tolist()]
    names = [column.categories[code] for code in distinct.tolist()]
    numbers = numbers_of(tuple(names))
    if np.isnan(numbers).any():
        return codes, names  # Categories are sorted as texts.
    order = np.argsort(numbers, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return place[codes], [names[number] for number in order.tolist()]


def _times(table: Table, row_numbers: Rows, name: str) -> NDArray[Any]:
    column = table.column(name, param="split.order")
    if column.kind not in ("numeric", "date"):
        what = "images or series" if column.kind == "image" else "texts"
        raise _unfit(
            name,
            f"holds {what}, which have no order in time",
            f'declare it under `columns`, as in {{"{name}": "date"}}, or name another column',
            "split.order",
        )
    values = table.values[name][row_numbers]
    _check_present(name, np.isnan(values), row_numbers, "split.order")
    return np.asarray(values)


def _check_present(name: str, missing: NDArray[np.bool_], row_numbers: Rows, param: str) -> None:
    if not missing.any():
        return
    first = int(row_numbers[np.argmax(missing)])
    raise _unfit(
        name,
        f"has no value in {int(missing.sum()):,} of the rows with a target, such as row {first:,}, "
        "counted from 0, and so does not say where they belong",
        "fill these cells and upload the file again, or name another column",
        param,
    )


def _unfit(name: str, fact: str, remedy: str, param: str) -> DataError:
    return DataError(
        f"Column {name!r} {fact}; {remedy}.", code="unfit_to_divide", param=param, column=name
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:10]) + (", …" if len(names) > 10 else "")
