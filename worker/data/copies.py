"""Copies: features that are the target over again, which a model could only copy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.cell_texts import parse_numbers
from worker.data.drafts import Draft, bounded_findings
from worker.data.findings import FEWEST_ROWS
from worker.data.table import MISSING_CODE, Column, Table
from worker.results import Advice

_MOST_LABELS = 1_000
"""Categories that are looked at as numbers."""


def target_findings(table: Table, target: str) -> list[Advice]:
    """Features that are the target over again: equal to it, or each of its values under another
    name (1 for yes and 0 for no), so that a model learns nothing but to copy.

    A one-to-one copy of values that stand in one row each shows nothing; such columns count only
    where the numbers are equal.
    """
    if table.column(target, param="target").kind == "image":
        return []
    labels, numbers = _numbered(table, target)
    repeated = table.rows >= FEWEST_ROWS and 2 * len(np.unique(labels)) <= table.rows
    drafts: list[Draft] = []
    for column in table.columns:
        if column.kind == "image" or column.name == target:
            continue
        if _is_copy(table, column, labels if repeated else None, numbers):
            drafts.append(
                Draft(
                    "equals_target",
                    f"Column {column.name!r} is the target {target!r} over again: each value of "
                    "the one stands with one value of the other, in every row.",
                    "Ignore the column: it will not be known when predictions are asked for.",
                    column=column.name,
                    evidence={"target": target, "rows": table.rows},
                    change={"columns": {column.name: "ignore"}},
                )
            )
    return list(bounded_findings(drafts))


def _numbered(table: Table, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The cells as numbers of distinct values, -1 where missing, and as what they are if numbers.

    Categories that are numbers count as these.
    """
    column, values = table.column(name), table.values[name]
    if column.kind == "categorical":
        of_categories = np.full(len(column.categories) + 1, np.nan)  # -1 is the last
        if len(column.categories) <= _MOST_LABELS:
            parsed = parse_numbers(column.categories, column)
            if not np.isnan(parsed).any():
                of_categories[:-1] = parsed
        return values.astype(np.int64), of_categories[values]
    _, inverse = np.unique(values, return_inverse=True)
    numbers = np.where(np.isnan(values), MISSING_CODE, inverse.reshape(-1))
    return numbers.astype(np.int64), np.asarray(values, dtype=np.float64)


def _is_copy(
    table: Table, column: Column, labels: NDArray[np.int64] | None, numbers: NDArray[np.float64]
) -> bool:
    """Whether a column holds the target's numbers, or, given its labels, tells each of them."""
    values = table.values[column.name]
    head = slice(0, 1_000)  # Most columns are told in their first rows.
    if labels is None and np.isnan(numbers).all():
        return False
    if column.kind == "categorical":
        if labels is not None and not _one_to_one(values[head], labels[head]):
            return False
        codes, own = _numbered(table, column.name)
        return _equal(own, numbers) or (labels is not None and _one_to_one(codes, labels))
    if _equal(values[head], numbers[head]) and _equal(values, numbers):
        return True
    if labels is None or not _one_to_one(np.nan_to_num(values[head], nan=np.inf), labels[head]):
        return False
    return _one_to_one(_numbered(table, column.name)[0], labels)


def _equal(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return np.array_equal(first, second, equal_nan=True) and not bool(np.isnan(first).all())


def _one_to_one(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether each value of the one stands with one value of the other, of two or more."""
    ones, one = np.unique(first, return_inverse=True)
    others, other = np.unique(second, return_inverse=True)
    if not len(ones) == len(others) >= 2:
        return False
    return len(np.unique(one.reshape(-1) * len(others) + other.reshape(-1))) == len(ones)
