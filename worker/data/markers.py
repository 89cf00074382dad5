"""Markers: texts that stand for missing cells, as they were read or kept, and how to say otherwise.

Naming some replaces the usual ones, so whatever proposes to name one names the others too that the
file uses.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worker.data.drafts import Draft
from worker.data.patterns import among
from worker.data.table import MISSING
from worker.data.text_column import WEAK, TextColumn
from worker.schema import Json
from worker.text import shortened

MOST_MARKERS = 100
"""Texts that a job can name in `missing`."""
_PROPOSES_MARKERS = {"nearly_numeric", "missing_number"}


@dataclass(frozen=True)
class Markers:
    """The texts of one column that usually stand for a missing cell."""

    column: str
    counts: Mapping[str, int]
    """Text → rows."""
    row: int
    """The first of them."""
    categorical: bool
    """Whether the others are texts, among which these might be another."""
    kept: bool
    """Whether they were kept as texts."""


def markers(column: TextColumn, categorical: bool, *, typed: bool) -> list[Markers]:
    """Which texts of a column usually stand for a missing cell: those that were read so, and those
    that were kept as texts among others; of a file with types, the latter alone.
    """
    found = []
    if column.missing.any() and not typed:
        found.append((column.missing & ~among(column.texts, {""}), False))
    if categorical:
        usual = WEAK | (MISSING - {""} if typed else frozenset())
        mask = among(column.texts, usual, lower=True) & ~column.missing
        found.append((mask, True))
    return [
        Markers(
            column.name,
            _counted(column, mask),
            column.first_row(mask),
            categorical,
            kept,
        )
        for mask, kept in found
        if mask.any()
    ]


def _counted(column: TextColumn, mask: NDArray[np.bool_]) -> Counter[str]:
    """The texts of a mask, and in how many rows they are."""
    rows, counts = column.rows(), Counter[str]()
    for place in np.flatnonzero(mask).tolist():
        counts[column.texts[place].as_py()] += int(rows[place])
    return counts


def marker_findings(columns: Collection[Markers]) -> Iterator[Draft]:
    """Which texts were read as missing, and how to keep them, or the other way round."""
    used = used_markers(columns)
    for markers in columns:
        counts = sorted(markers.counts.items(), key=lambda pair: -pair[1])
        shown = ", ".join(f"{shortened(text)!r} ({rows:,})" for text, rows in counts[:5])
        others = [text for text in used if text not in markers.counts]
        keep = {"missing": others[:MOST_MARKERS]}
        change: Json | None
        if markers.kept:
            what = "were kept as texts, as the other cells of the column are"
            fix = "If they stand for missing cells, name them in `missing`."
            change = {"missing": [*others, *markers.counts][:MOST_MARKERS]}
        elif markers.categorical:
            what, change = "were read as missing cells, not as a category", keep
            fix = (
                "To keep them as a category or a class, name in `missing` those texts alone that "
                "stand for missing cells; none, if there are none."
            )
        else:
            what, change = "were read as missing cells", None
            fix = "If they mean something else, name in `missing` those that are missing."
        yield Draft(
            "missing_markers",
            f"In column {markers.column!r}, cells with the texts {shown} {what}.",
            fix,
            "info",
            markers.column,
            markers.row,
            evidence={"markers": {shortened(text): rows for text, rows in counts[:10]}},
            change=change,
        )


def used_markers(columns: Collection[Markers]) -> list[str]:
    """The texts that were read as missing in any column, each once."""
    return list(
        dict.fromkeys(text for markers in columns if not markers.kept for text in markers.counts)
    )


def with_markers(drafts: Iterable[Draft], used: Sequence[str]) -> list[Draft]:
    """The findings, those that propose markers with those that the file uses besides: naming some
    replaces the usual ones.
    """
    return [
        replace(draft, change=_joined(draft.change["missing"], used))
        if draft.code in _PROPOSES_MARKERS and draft.change and "missing" in draft.change
        else draft
        for draft in drafts
    ]


def _joined(texts: Sequence[str], used: Sequence[str]) -> Json | None:
    joined = list(dict.fromkeys([*texts, *used]))
    return {"missing": joined} if len(joined) <= MOST_MARKERS else None
