"""Drafts: findings whose places are not known yet, and how they become the findings of a table.

Whoever looks at cells drafts what is worth knowing. `bounded_findings` gives drafts their
lines, joins those of one kind where they are many, and bounds how many there are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from worker.results import Advice
from worker.schema import Json
from worker.text import shortened

MOST = 100
"""Findings of one table."""
GROUPED_ABOVE = 10
"""More columns than this with one kind of finding share one."""
LONGEST_EVIDENCE = 600
"""Characters of all columns' names, or labels, in evidence."""
_TELLS_WHAT = {"dates", "nearly_numeric", "numbers_with_units"}
_OUTRANKED = {"identifier", "integer_codes"}
_CHANGED = 1_000
"""Columns that the change of one finding names at most."""
_NAMES_SHOWN = 3

_MANY = {
    "constant": "have one value only",
    "dates": "hold dates or times, each of which became a category of its own",
    "codes_as_numbers": "hold whole numbers that are codes by their names",
    "dates_as_numbers": "hold whole numbers that look like dates or times",
    "digits_in_texts": "hold texts of digits and marks that are no numbers as they stand",
    "empty": "have no value in any row",
    "identifier": "look like identifiers",
    "integer_codes": "hold few distinct whole numbers, read as amounts",
    "equal_columns": "are copies of other columns",
    "extreme_value": "hold a number a million times as large as nearly all others",
    "equals_target": "are copies of the target",
    "large_integers": "hold whole numbers beyond 2**53, kept as texts",
    "leading_zeros": "hold numbers with leading zeros, kept as texts",
    "missing_number": "hold a number that may stand for missing cells",
    "missing_markers": "hold texts that stand for missing cells",
    "nearly_numeric": "hold numbers, but not in every cell, and became categorical",
    "number_format": "hold numbers that are not written plainly, and were read as numbers",
    "numbers_with_units": "hold numbers with a unit, and became categorical",
    "garbled_text": "hold texts that were garbled before the upload",
    "similar_labels": "hold texts that differ in case, blanks or marks only",
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


def bounded_findings(drafts: Iterable[Draft], lines: Lines | None = None) -> tuple[Advice, ...]:
    """The findings of a table, warnings first: bounded in number and in size."""
    by_code: dict[tuple[str, str], list[Draft]] = defaultdict(list)
    for draft in _without_rivals(list(drafts)):
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
        fix = "Mend those that are listed, and upload the data again."
        findings.append(more_findings(len(left_over), fix))
    return tuple(findings)


def more_findings(count: int, fix: str) -> Advice:
    """The last finding of a list that holds the first ones alone."""
    return Advice(
        severity="info",
        code="more_findings",
        field="dataset",
        message=f"There are {count:,} more findings about the data, which are not listed here.",
        evidence={"more": count},
        fix=fix,
    )


def _without_rivals(drafts: Sequence[Draft]) -> list[Draft]:
    """Of two findings that would set one column to two things, that which knows what it holds."""
    known = {draft.column for draft in drafts if draft.code in _TELLS_WHAT}
    return [
        draft
        for draft in drafts
        if not (draft.code in _OUTRANKED and draft.column is not None and draft.column in known)
    ]


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
        if len(shown) == most or sum(map(len, shown)) > LONGEST_EVIDENCE:
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
