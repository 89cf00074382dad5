"""Copies: features that are the target over again, which a model could only copy."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.cell_texts import parse_numbers
from worker.data.drafts import Draft, bounded_findings
from worker.data.findings import FEWEST_ROWS
from worker.data.table import MISSING_CODE, Column, Table
from worker.results import Advice

_MOST_LABELS = 1_000
"""Categories that are looked at as numbers."""
_Key = Callable[[Column, NDArray[Any]], bytes | None]
_HEAD = 1_000
"""Rows in which most columns are told apart."""


def target_findings(table: Table, target: str) -> list[Advice]:
    """Features that are the target over again: equal to it, or each of its values under another
    name (1 for yes and 0 for no), so that a model learns nothing but to copy.

    A one-to-one copy of values that stand in one row each shows nothing; such columns count only
    where the numbers are equal.
    """
    if table.column(target, param="target").kind == "image":
        return []
    drafts = [
        Draft(
            "equals_target",
            f"Column {name!r} is the target {target!r} over again: each value of the one stands "
            "with one value of the other, in every row.",
            "Ignore the column: it will not be known when predictions are asked for.",
            column=name,
            evidence={"target": target, "rows": table.rows},
            change={"columns": {name: "ignore"}},
        )
        for name in (_counted_copies if target in table.counts else _copies)(table, target)
    ]
    return list(bounded_findings(drafts))


def _copies(table: Table, target: str) -> Iterator[str]:
    labels, numbers = _numbered(table, target)
    repeated = _is_repeated(table, len(np.unique(labels)))
    for column in table.columns:
        if column.kind == "image" or column.name == target:
            continue
        if _is_copy(table, column, labels if repeated else None, numbers):
            yield column.name


def _counted_copies(table: Table, target: str) -> Iterator[str]:
    """The same, by what was counted."""
    own = table.counts[target]
    for column in table.columns:
        other = table.counts[column.name]
        equal = own.numbers_alike is not None and own.numbers_alike == other.numbers_alike
        told = own.labels_alike is not None and own.labels_alike == other.labels_alike
        if column.name != target and (equal or told):
            yield column.name


def copy_groups(table: Table, distinct: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Which columns are copies of each other: column → a number that its copies share, for those
    that have any; by their numbers, and by what stands together where values are repeated.

    Args:
        table: the data.
        distinct: how many different values each column has, a missing one among them.
    """
    columns = [column for column in table.columns if column.kind != "image"]
    repeated = [one for one in columns if _is_repeated(table, distinct[one.name])]
    repeated = [one for one in repeated if distinct[one.name] > 1]
    head, whole = slice(0, _HEAD), slice(None)

    def shared(among: Sequence[Column], rows: slice, key: _Key) -> list[list[Column]]:
        by_key: dict[bytes, list[Column]] = defaultdict(list)
        for column in among:
            found = key(column, table.values[column.name][rows])
            if found is not None:
                by_key[found].append(column)
        return [group for group in by_key.values() if len(group) > 1]

    def numbered(among: Sequence[Column], key: _Key) -> dict[str, int]:
        # Most columns are told apart in their first rows.
        groups = [part for group in shared(among, head, key) for part in shared(group, whole, key)]
        return {one.name: number for number, group in enumerate(groups) for one in group}

    return numbered(columns, _numbers_key), numbered(repeated, _labels_key)


def _numbers_key(column: Column, values: NDArray[Any]) -> bytes | None:
    """The same for columns of the same numbers; none for texts."""
    categorical = column.kind == "categorical"
    numbers = _numbers_of(column)[values] if categorical else values + 0.0  # -0 is 0
    missing = np.isnan(numbers)
    if missing.all():
        return None
    numbers[missing] = np.nan
    return blake2b(numbers.tobytes(), digest_size=16).digest()


def _labels_key(column: Column, values: NDArray[Any]) -> bytes:
    """The same for columns each of whose values stands with one value of the others: their values
    are numbered as they come.
    """
    numbered = pc.dictionary_encode(pa.array(values if values.dtype == np.int32 else values + 0.0))
    return blake2b(numbered.indices.to_numpy().tobytes(), digest_size=16).digest()


def _is_repeated(table: Table, distinct: int) -> bool:
    """Whether values stand in so many rows each that a column which tells them is no chance."""
    return table.rows >= FEWEST_ROWS and 2 * distinct <= table.rows


def _numbered(table: Table, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The cells as numbers of distinct values, -1 where missing, and as what they are if numbers.

    Categories that are numbers count as these.
    """
    column, values = table.column(name), table.values[name]
    if column.kind == "categorical":
        return values.astype(np.int64), _numbers_of(column)[values]
    _, inverse = np.unique(values, return_inverse=True)
    numbers = np.where(np.isnan(values), MISSING_CODE, inverse.reshape(-1))
    return numbers.astype(np.int64), np.asarray(values, dtype=np.float64)


def _numbers_of(column: Column) -> NDArray[np.float64]:
    """The numbers that categories are, if all are, with one more for the code -1; else NaN."""
    numbers = np.full(len(column.categories) + 1, np.nan)
    if len(column.categories) <= _MOST_LABELS:
        parsed = parse_numbers(column.categories, column)
        if not np.isnan(parsed).any():
            numbers[:-1] = parsed
    return numbers


def _is_copy(
    table: Table, column: Column, labels: NDArray[np.int64] | None, numbers: NDArray[np.float64]
) -> bool:
    """Whether a column holds the target's numbers, or, given its labels, tells each of them."""
    values, head = table.values[column.name], slice(0, _HEAD)
    if labels is None and np.isnan(numbers).all():
        return False
    first = values[head]
    if column.kind != "categorical":
        if np.array_equal(first, numbers[head], equal_nan=True) and _equal(values, numbers):
            return True
        first = np.nan_to_num(first, nan=np.inf)
        if labels is None:
            return False
    if labels is not None and not _one_to_one(first, labels[head], least=1):
        return False
    codes, own = _numbered(table, column.name)
    return _equal(own, numbers) or (labels is not None and _one_to_one(codes, labels))


def _equal(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return np.array_equal(first, second, equal_nan=True) and not bool(np.isnan(first).all())


def _one_to_one(first: NDArray[Any], second: NDArray[Any], least: int = 2) -> bool:
    """Whether each value of the one stands with one value of the other, of two or more."""
    ones, one = np.unique(first, return_inverse=True)
    others, other = np.unique(second, return_inverse=True)
    if not len(ones) == len(others) >= least:
        return False
    return len(np.unique(one.reshape(-1) * len(others) + other.reshape(-1))) == len(ones)
