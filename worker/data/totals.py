"""Totals: a last row that sums up the others, as spreadsheets and reports end with."""

import re

import numpy as np

from worker.data.drafts import Draft
from worker.data.table import Column, Table
from worker.text import shortened

_FEWEST_ROWS = 10
_EXACT = 1e-9
_WORDS = re.compile(
    r"(?i)(?:grand |sub)?totals?:?|sum(?:ma?e?)?:?|gesamt(?:summe)?:?|insgesamt:?|total(?:e|es)?:?"
    r"|overall:?|averages?:?|mean:?|итого:?|всего:?|合计|合計|总计|計"
)


def totals_row(table: Table) -> list[Draft]:
    """The finding that the last row holds totals: by a word that no other row has, or by numbers
    that are the sums of all above.
    """
    if table.rows < _FEWEST_ROWS:
        return []
    word = next((text for column in table.columns if (text := _word(table, column))), None)
    sums = [column.name for column in table.columns if _is_sum(table, column)]
    if word is None and not sums:
        return []
    fact = f"it holds {shortened(word)!r}" if word is not None else ""
    if sums:
        names = ", ".join(repr(shortened(name, 30)) for name in sums[:3])
        fact = " and ".join(filter(None, [fact, f"its numbers are the sums of {names}"]))
    return [
        Draft(
            "totals_row",
            lambda place: (
                f"The last row{place} looks like totals of the others, and was read as a row: "
                f"{fact}."
            ),
            "Remove that line, and upload the data again.",
            row=table.rows - 1,
            evidence={"columns": [shortened(name) for name in sums[:10]]}
            | ({} if word is None else {"cell": shortened(word)}),
        )
    ]


def _word(table: Table, column: Column) -> str | None:
    """The word for totals in the last row of a categorical column, if no other row has it."""
    if column.kind != "categorical":
        return None
    codes = table.values[column.name]
    last = int(codes[-1])
    if last < 0 or not _WORDS.fullmatch(column.categories[last]):
        return None
    return column.categories[last] if not (codes[:-1] == last).any() else None


def _is_sum(table: Table, column: Column) -> bool:
    """Whether the last number of a numeric column is the sum of all others."""
    if column.kind != "numeric":
        return False
    values = table.values[column.name]
    last, others = float(values[-1]), values[:-1]
    if not np.isfinite(last) or last == 0.0:
        return False
    if (others != 0.0).sum() < _FEWEST_ROWS - 1 or abs(last) <= np.nanmax(np.abs(others)):
        return False
    total = float(np.nansum(others))
    return abs(total - last) <= _EXACT * max(abs(last), float(np.nansum(np.abs(others))))
