"""Findings: what is worth knowing about the columns of a table, each with its place and remedy.

Readers draft findings as they type cells; what can be seen in the finished columns is drafted
here. `settle` gives drafts their lines, joins those of one kind where they are many, and bounds
how many there are.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worker.data.table import Column, Table
from worker.results import Advice
from worker.schema import Json
from worker.text import shortened

MOST = 100
"""Findings of one table."""
GROUPED_ABOVE = 10
"""More columns than this with one kind of finding share one."""
NEARLY_EACH = 0.9
"""Distinct texts for each row, in an identifier."""
FEWEST_ROWS = 10
"""In fewer rows anything may be distinct, or alike."""
FEW_NUMBERS = 20
"""A column of no more distinct whole numbers than this may hold codes."""
EXTREME = 1e6
"""How many times as large as others a number is that no measurement explains."""
_LOOKED_AT, _FEWEST_SIZES = 10_000, 5
_CHANGED = 1_000
"""Columns that the change of one finding names at most."""
_NAMES_SHOWN = 3
_EVIDENCE = 600
"""Characters of all columns' names, or labels, in evidence."""
_INDEX_NAME = re.compile(
    r"(?i)^(?:unnamed: ?\d+|__index_level_\d+__|index|row_?(?:id|number|num|no)?|id|uuid|guid|"
    r".*[_ .-](?:id|uuid|guid))$|^.*[a-z](?:Id|ID)$"
)

_MANY = {
    "constant": "have one value only",
    "dates": "hold dates or times, each of which became a category of its own",
    "empty": "have no value in any row",
    "identifier": "look like identifiers",
    "integer_codes": "hold few distinct whole numbers, read as amounts",
    "equal_columns": "are copies of other columns",
    "extreme_value": "hold a number a million times as large as nearly all others",
    "equals_target": "are copies of the target",
    "large_integers": "hold whole numbers beyond 2**53, kept as texts",
    "leading_zeros": "hold numbers with leading zeros, kept as texts",
    "missing_markers": "hold texts that stand for missing cells",
    "nearly_numeric": "hold numbers, but not in every cell, and became categorical",
    "number_format": "hold numbers that are not written plainly, and were read as numbers",
    "numbers_with_units": "hold numbers with a unit, and became categorical",
    "similar_labels": "hold texts that differ in case or blanks only",
}


@dataclass(frozen=True)
class Draft:
    """A finding whose line is not known yet."""

    code: str
    message: str | Callable[[str], str]
    """With a row: a function of its place in words, such as ` (line 5)`."""
    fix: str
    severity: Literal["info", "warning"] = "warning"
    column: str | None = None
    row: int | None = None
    """The row that it points at, counted from 0."""
    evidence: Json = field(default_factory=dict)
    change: Json | None = None
    field: str | None = None


Lines = Callable[[Sequence[int]], Mapping[int, int]]
"""Rows, counted from 0 → the lines of the file on which they begin."""


def settle(drafts: Iterable[Draft], lines: Lines | None = None) -> tuple[Advice, ...]:
    """The findings of a table, warnings first: bounded in number and in size."""
    by_code: dict[tuple[str, str], list[Draft]] = defaultdict(list)
    for draft in drafts:
        by_code[draft.severity, draft.code].append(draft)
    chosen: list[tuple[Draft, list[Draft]]] = []
    for same in by_code.values():
        many = len(same) > GROUPED_ABOVE and same[0].code in _MANY
        chosen += [(same[0], same)] if many else [(draft, [draft]) for draft in same]
    chosen.sort(key=lambda pair: (pair[0].severity == "info", pair[0].column is not None))
    left_over = chosen[MOST:]
    rows = sorted({draft.row for draft, _ in chosen[:MOST] if draft.row is not None})
    line_of = lines(rows) if lines is not None and rows else None
    findings = [_finding(draft, same, line_of) for draft, same in chosen[:MOST]]
    if left_over:
        findings.append(
            Advice(
                severity="info",
                code="more_findings",
                field="dataset",
                message=f"There are {len(left_over)} more findings, which are not listed.",
                evidence={"more": len(left_over)},
                fix="Mend those that are listed, and upload the data again.",
            )
        )
    return tuple(findings)


def _finding(draft: Draft, same: list[Draft], line_of: Mapping[int, int] | None) -> Advice:
    evidence, place = dict(draft.evidence), ""
    if draft.row is not None:
        evidence |= {"row": draft.row} if line_of is None else {"line": line_of[draft.row]}
        place = (
            f" (row {draft.row:,}, counted from 0)"
            if line_of is None
            else f" (line {line_of[draft.row]})"
        )
    message = draft.message if isinstance(draft.message, str) else draft.message(place)
    change, column = draft.change, draft.column
    if len(same) > 1:
        names = [other.column for other in same if other.column is not None]
        evidence |= {"count": len(names), "columns": bounded(names)}
        message = (
            f"{len(names):,} columns {_MANY[draft.code]}: {_listed(names)}. For one: {message}"
        )
        change = _merged([other.change for other in same])
        column = None
    return Advice(
        severity=draft.severity,
        code=draft.code,
        field=draft.field or next(iter(change or {}), "dataset"),
        column=column,
        message=message,
        evidence=evidence,
        fix=draft.fix,
        change=change,
    )


def bounded(texts: Iterable[str], most: int = 20) -> list[str]:
    """The first of some texts, shortened, so that all together are short."""
    shown: list[str] = []
    for text in texts:
        if len(shown) == most or sum(map(len, shown)) > _EVIDENCE:
            break
        shown.append(shortened(text))
    return shown


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(shortened(name)) for name in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _merged(changes: list[Json | None]) -> Json | None:
    """Changes of one kind as one: columns and lists joined, values kept where all agree."""
    known = [change for change in changes if change is not None]
    if not known or len({tuple(change) for change in known}) > 1:
        return None
    merged: Json = {}
    for key, value in known[0].items():
        values = [change[key] for change in known]
        if isinstance(value, dict):
            pairs = [pair for entry in values for pair in entry.items()]
            merged[key] = dict(pairs[:_CHANGED])
        elif isinstance(value, list):
            merged[key] = list(dict.fromkeys(text for entry in values for text in entry))[:100]
        elif any(other != value for other in values):
            return None
        else:
            merged[key] = value
    return merged


def draft_findings(table: Table, declared: Iterable[str] = ()) -> list[Draft]:
    """What finished columns show: one value, none, one for each row, codes, copies, labels.

    What was declared is not doubted.
    """
    known = set(declared)
    drafts: list[Draft] = []
    seen: dict[bytes, str] = {}
    for column in table.columns:
        if column.kind == "image" or column.name == table.target:
            continue
        values = table.values[column.name]
        found = _one_value(column, values)
        if found is None and column.name not in known:
            found = _identifier(column, values) or _codes(column, values)
        if found is not None:
            drafts.append(found)
        if found is None or found.code == "integer_codes":
            drafts += _similar(column)
        if found is None or found.code not in {"empty", "constant"}:
            drafts += _copy(column, values, seen)
            drafts += _extreme(column, values)
    # Labels are asked for by name at prediction: theirs count too.
    return drafts + [
        draft
        for column in table.columns
        if column.name == table.target
        for draft in _similar(column)
    ]


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
        constant, text = len(column.categories) == 1, (*column.categories, "")[0]
    else:
        first = values[0] if column.missing == 0 else values[np.argmax(~np.isnan(values))]
        constant = bool(values[-1] == first or column.missing) and bool(
            ((values == first) | np.isnan(values)).all()
        )
        text = number_label(float(first))
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
    consecutive = high - low == rows - 1 and rows >= FEWEST_ROWS
    if not (consecutive or (named and rows > 2)) or not _all_distinct_whole(values, low, high):
        return None
    fact = "consecutive whole numbers" if consecutive else "whole numbers, all distinct"
    return _names_rows(
        column.name,
        f"Column {column.name!r} holds {fact}, {number_label(low)} to {number_label(high)}, as an "
        "index of the rows does: it may tell their order, and nothing of new rows.",
        {"minimum": low, "maximum": high, "rows": rows},
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
    shown = [number_label(number) for number in distinct.tolist()]
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
    written = number_label(float(values[row])) if largest < 1e15 else f"{values[row]:g}"
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


def _similar(column: Column) -> list[Draft]:
    """Labels that are one when case and blanks do not count."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in column.categories:
        groups["".join(label.casefold().split())].append(label)
    alike = [labels for labels in groups.values() if len(labels) > 1]
    if not alike:
        return []
    shown = [bounded(labels, 4) for labels in alike[:5]]
    return [
        Draft(
            "similar_labels",
            f"Column {column.name!r} holds texts that differ in case or blanks only: "
            f"{'; '.join(', '.join(map(repr, labels)) for labels in shown)}"
            f"{'; …' if len(alike) > 5 else ''}. Each is a category of its own.",
            "Write the texts alike, if they mean the same, and upload the data again.",
            column=column.name,
            evidence={"groups": shown if len(str(shown)) < _EVIDENCE else shown[:1]}
            | {"count": len(alike)},
        )
    ]


def _copy(column: Column, values: NDArray[Any], seen: dict[bytes, str]) -> list[Draft]:
    """A column whose cells are those of another; by their hash, so that no pairs are compared."""
    content = blake2b(np.ascontiguousarray(values).data, digest_size=16)
    content.update(repr((column.kind, column.categories)).encode(errors="replace"))
    original = seen.setdefault(content.digest(), column.name)
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


def number_label(value: float) -> str:
    """A number's shortest decimal form: 3 and not 3.0."""
    return str(int(value)) if value.is_integer() else repr(value)
