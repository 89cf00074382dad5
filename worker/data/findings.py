"""Findings: what the finished columns of a table show: one value, none, one for each row, codes,
copies, labels that differ in case only.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.doubts import doubtful_numbers, doubtful_texts
from worker.data.drafts import Draft
from worker.data.labels import label_findings
from worker.data.table import Column, Table, label_of
from worker.data.totals import totals_row
from worker.schema import Json
from worker.text import shortened

NEARLY_EACH = 0.9
"""Distinct texts for each row, in an identifier."""
FEWEST_ROWS = 10
"""In fewer rows anything may be distinct, or alike."""
FEW_NUMBERS = 20
"""A column of no more distinct whole numbers than this may hold codes."""
EXTREME = 1e6
"""How many times as large as others a number is that no measurement explains."""
_LOOKED_AT, _FEWEST_SIZES = 10_000, 5
_HEAD = 1_000
_TOLD = {"dates", "nearly_numeric", "numbers_with_units", "leading_zeros", "large_integers"}
_INDEX_NAME = re.compile(
    r"(?i)^(?:unnamed: ?\d+|__index_level_\d+__|index|idx|row_?(?:id|number|num|no)?|id|uuid|guid|"
    r".*[_ .-](?:id|uuid|guid))$|^.*[a-z](?:Id|ID)$"
)


def draft_findings(
    table: Table, declared: Iterable[str] = (), told: Iterable[Draft] = ()
) -> list[Draft]:
    """What finished columns show: one value, none, one for each row, codes, copies, labels.

    What was declared is not doubted, nor texts of which something is told already.
    """
    already = {draft.column for draft in told if draft.code in _TOLD}
    known = set(declared)
    drafts: list[Draft] = []
    seen = _Originals()
    for column in table.columns:
        if column.kind == "image" or column.name == table.target:
            continue
        values = table.values[column.name]
        found = _one_value(column, values)
        if found is None and column.name not in known:
            found = _identifier(column, values)
            doubt = doubtful_numbers(column, values)
            if doubt is None and column.name not in already:
                doubt = doubtful_texts(column)
            if doubt is not None and found is not None and "step" in found.evidence:
                found = None  # A clock ticks evenly too.
            if doubt is not None and (found is None or column.kind == "categorical"):
                drafts.append(doubt)
            if found is None and (doubt is None or doubt.code != "dates_as_numbers"):
                found = _codes(column, values)
        if found is not None:
            drafts.append(found)
        if found is None or found.code == "integer_codes":
            drafts += label_findings(column)
        if found is None or found.code not in {"empty", "constant"}:
            drafts += _copy(column, values, seen)
            drafts += _extreme(column, values)
    # Labels are asked for by name at prediction: theirs count too.
    return (
        drafts
        + [
            draft
            for column in table.columns
            if column.name == table.target
            for draft in label_findings(column)
        ]
        + totals_row(table)
    )


def _one_value(column: Column, values: NDArray[Any]) -> Draft | None:
    if column.missing == len(values):
        return Draft(
            "empty",
            f"Column {column.name!r} has no value in any row.",
            "Leave the column out; it says nothing.",
            "info",
            column.name,
            change={"columns": {column.name: "ignore"}},
        )
    if len(values) < 2:
        return None
    if column.kind == "categorical":
        # Missing cells of a category are told apart from those that have it.
        constant = len(column.categories) == 1 and column.missing == 0
        text = (*column.categories, "")[0]
    else:
        first = values[0] if column.missing == 0 else values[np.argmax(~np.isnan(values))]
        constant = bool(values[-1] == first or column.missing) and bool(
            ((values == first) | np.isnan(values)).all()
        )
        text = label_of(float(first))
    if not constant:
        return None
    return Draft(
        "constant",
        f"Column {column.name!r} has one value only, {shortened(text)!r}"
        f"{f', and {column.missing:,} missing cells' if column.missing else ''}.",
        "Leave the column out; what does not vary tells nothing apart.",
        "info",
        column.name,
        evidence={"value": shortened(text), "missing": column.missing},
        change={"columns": {column.name: "ignore"}},
    )


def _identifier(column: Column, values: NDArray[Any]) -> Draft | None:
    """A column that numbers or names the rows."""
    rows = len(values)
    if column.kind == "categorical":
        count = len(column.categories)
        named = count == rows > 2 and _INDEX_NAME.match(column.name) is not None
        if not named and (rows < FEWEST_ROWS or count < NEARLY_EACH * rows):
            return None
        return _names_rows(
            column.name,
            f"Column {column.name!r} has {count:,} distinct texts in {rows:,} rows, as identifiers "
            "have: a network can learn rows by heart with it, and nothing of new ones.",
            {"distinct": count, "rows": rows},
        )
    if column.kind != "numeric" or column.missing or rows < 2:
        return None
    named = _INDEX_NAME.match(column.name) is not None
    low, high = float(values.min()), float(values.max())
    step, rest = divmod(high - low, rows - 1)
    even = step >= 1 and rest == 0 and rows >= FEWEST_ROWS and not ((values - low) % step).any()
    if not (even or (named and rows > 2)) or not _all_distinct_whole(values, low, high):
        return None
    fact = "whole numbers, all distinct"
    if even:
        fact = "consecutive whole numbers" if step == 1 else f"whole numbers in steps of {step:g}"
    return _names_rows(
        column.name,
        f"Column {column.name!r} holds {fact}, {label_of(low)} to {label_of(high)}, as an "
        "index of the rows does: it may tell their order, and nothing of new rows.",
        {"minimum": low, "maximum": high, "rows": rows}
        | ({"step": step} if even and step > 1 else {}),
    )


def _all_distinct_whole(values: NDArray[np.float64], low: float, high: float) -> bool:
    if (values != np.floor(values)).any():
        return False
    if high - low == len(values) - 1:
        return bool(
            (np.bincount((values - low).astype(np.int64), minlength=len(values)) == 1).all()
        )
    return len(np.unique(values)) == len(values)


def _names_rows(name: str, message: str, evidence: Json) -> Draft:
    return Draft(
        "identifier",
        message,
        "Ignore the column, unless it measures something.",
        column=name,
        evidence=evidence,
        change={"columns": {name: "ignore"}},
    )


def _codes(column: Column, values: NDArray[Any]) -> Draft | None:
    """Few distinct whole numbers: amounts, or the names of kinds?"""
    if column.kind != "numeric" or len(values) < FEWEST_ROWS:
        return None
    present = values[~np.isnan(values)] if column.missing else values
    head = np.unique(present[:1_000])
    if len(head) > FEW_NUMBERS or (head != np.floor(head)).any():
        return None
    distinct = np.unique(present)
    if not 2 <= len(distinct) <= min(FEW_NUMBERS, len(present) // 2):
        return None
    if (distinct != np.floor(distinct)).any():
        return None
    shown = [label_of(number) for number in distinct.tolist()]
    return Draft(
        "integer_codes",
        f"Column {column.name!r} holds {len(distinct)} distinct whole numbers "
        f"({', '.join(shown[:5])}{', …' if len(shown) > 5 else ''}), read as numbers, whose "
        "order and distances count.",
        'If they are codes, declare the columns as "categorical".',
        "info",
        column.name,
        evidence={"distinct": len(distinct), "values": shown},
        change={"columns": {column.name: "categorical"}},
    )


def _extreme(column: Column, values: NDArray[Any]) -> list[Draft]:
    """A number a million times as large as nearly all others: a slip, or a mark for a missing cell.

    It decides the scale of its column, and an answer to its row may overflow.
    """
    if column.kind != "numeric" or len(values) < FEWEST_ROWS:
        return []
    row = int(np.nanargmax(np.abs(values)))
    largest = abs(float(values[row]))
    if largest <= EXTREME * _usual_size(values[:_LOOKED_AT]):
        return []
    usual = _usual_size(values)
    if usual == 0.0 or largest <= EXTREME * usual:
        return []
    written = label_of(float(values[row])) if largest < 1e15 else f"{values[row]:g}"
    return [
        Draft(
            "extreme_value",
            lambda place: (
                f"Column {column.name!r} holds {written}{place}, more than a million "
                "times the size of nearly all its other numbers."
            ),
            "Correct the cell, or leave it empty if it is missing, and upload the data again.",
            column=column.name,
            row=row,
            evidence={"cell": written, "usual_size": usual},
        )
    ]


def _usual_size(values: NDArray[np.float64]) -> float:
    """The size that nine in ten of the numbers that are not 0 stay below; 0 for fewer than five."""
    sizes = np.abs(values[~np.isnan(values) & (values != 0.0)])
    if len(sizes) < _FEWEST_SIZES:
        return 0.0
    place = int(0.9 * (len(sizes) - 1))
    return float(np.partition(sizes, place)[place])


class _Originals:
    """The columns that were seen, by the hash of their cells, so that no pairs are compared."""

    def __init__(self) -> None:
        self._heads: dict[bytes, tuple[Column, NDArray[Any]]] = {}
        """The first column of each beginning; most are told apart there."""
        self._seen: dict[bytes, str] = {}

    def of(self, column: Column, values: NDArray[Any]) -> str:
        """The first column that had these cells; itself if it is."""
        first = self._heads.setdefault(_digest(column, values[:_HEAD]), (column, values))
        if first[0] is column:
            return column.name
        self._seen.setdefault(_digest(*first), first[0].name)
        return self._seen.setdefault(_digest(column, values), column.name)


def _digest(column: Column, values: NDArray[Any]) -> bytes:
    content = blake2b(np.ascontiguousarray(values).data, digest_size=16)
    content.update(repr((column.kind, column.categories)).encode(errors="replace"))
    return content.digest()


def _copy(column: Column, values: NDArray[Any], seen: _Originals) -> list[Draft]:
    """A column whose cells are those of another."""
    original = seen.of(column, values)
    if original == column.name or len(values) < 2:
        return []
    return [
        Draft(
            "equal_columns",
            f"Column {column.name!r} is equal to column {original!r} in every row.",
            "Ignore one of the two; a copy adds inputs and no information.",
            "info",
            column.name,
            evidence={"equals": original},
            change={"columns": {column.name: "ignore"}},
        )
    ]
