"""Findings about columns of text: what was read otherwise than plainly, or not read as it might be.

Each names the first cell that shows it, and the change that overrules what was done.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.dates import Dates
from worker.data.drafts import Draft, bounded
from worker.data.notation import Notation, Survey
from worker.data.patterns import FEW, extract, matches, taken
from worker.data.text_column import TextColumn, weak_markers
from worker.schema import Json
from worker.spec import Reading
from worker.text import shortened

FEW_TEXTS = 20
"""Odd texts that a finding offers to read as missing."""
LONGEST_MARKER = 200
_MOST_UNITS, _TEXTS_A_UNIT = 4, 8
_ENOUGH_ROWS = 5
"""In fewer rows the first or the last says nothing of its own."""
_LETTERS = "A-Za-zÀ-ÖØ-öø-ɏΑ-ωА-я"
_WITH_UNIT = (
    r"^[<>~≈≤≥]?=? ?[+-]?[$€£¥₹]?[0-9]+(?:[.,][0-9]+)* ?(?P<unit>["
    + _LETTERS
    + r"°µ/²³*]{1,8}\.?)$"
)


def leading_zeros(column: TextColumn, zeros: NDArray[np.bool_]) -> Draft:
    """Numbers with leading zeros, [texts], kept as texts."""
    row = column.first_row(zeros)
    cell = shortened(column.cell(row))
    return Draft(
        "leading_zeros",
        lambda place: (
            f"Column {column.name!r} holds numbers with leading zeros, such as {cell!r}{place}: "
            "codes, whose zeros a number would lose. It is categorical."
        ),
        'If it holds numbers, declare the column as "numeric".',
        column=column.name,
        row=row,
        evidence={"cell": cell},
        change={"columns": {column.name: "numeric"}},
    )


def large_integers(column: TextColumn, large: NDArray[np.bool_]) -> Draft:
    """Whole numbers that a float64 would round, [texts], kept as texts."""
    row = column.first_row(large)
    cell = shortened(column.cell(row))
    return Draft(
        "large_integers",
        lambda place: (
            f"Column {column.name!r} holds whole numbers beyond 2**53, such as {cell!r}{place}, "
            "which would be rounded and merged as numbers. It is categorical."
        ),
        'Ignore the column if it names rows; if rounding does no harm, declare it as "numeric".',
        column=column.name,
        row=row,
        evidence={"cell": cell},
        change={"columns": {column.name: "ignore"}},
    )


def large_numbers(name: str) -> Draft:
    """Whole numbers of a file with types that a float64 would round, kept as texts."""
    return Draft(
        "large_integers",
        f"Column {name!r} holds whole numbers beyond 2**53, which would be rounded and merged as "
        "numbers. It is categorical.",
        'Ignore the column if it names rows; if rounding does no harm, declare it as "numeric".',
        column=name,
        change={"columns": {name: "ignore"}},
    )


def fits_float64(whole: NDArray[Any]) -> bool:
    """Whether float64 holds all of these whole numbers."""
    values = whole.astype(np.float64)
    largest = float(np.iinfo(whole.dtype).max)
    return bool((values < largest).all() and (values.astype(whole.dtype) == whole).all())


def number_format(column: TextColumn, notation: Notation, odd: NDArray[np.bool_]) -> Draft:
    """Numbers that were read in a notation; `odd`, [texts], are those that show it."""
    row = column.first_row(odd)
    cell = shortened(column.cell(row))
    how = str(notation) if notation != Notation() else "signs that are not plain"
    return Draft(
        "number_format",
        lambda place: (
            f"Column {column.name!r} holds numbers with {how}, such as {cell!r}{place}; they were "
            "read as numbers."
        ),
        'If they are names, declare the column as "categorical".',
        "info",
        column.name,
        row,
        evidence={"cell": cell, **notation.model_dump(mode="json")},
        change={"columns": {column.name: "categorical"}},
    )


def undecided_point(column: TextColumn) -> Draft:
    """Plain numbers whose every point stands before three digits."""
    row = column.first_row(column.among_texts(_with(column, "[.]")))
    cell = shortened(column.cell(row))
    return Draft(
        "number_format",
        lambda place: (
            f"Every point in column {column.name!r} stands before three digits, as in "
            f"{cell!r}{place}; it was read as a decimal point."
        ),
        'If it separates thousands, say so: "thousands": ".".',
        "info",
        column.name,
        row,
        evidence={"cell": cell, "decimal": "."},
        change={"thousands": "."},
    )


def nearly_numeric(column: TextColumn, found: Survey, reading: Reading) -> Draft:
    """Numbers in most cells, or in all but in more than one way, that became categories.

    Its evidence has the first odd `cell`, the share of `numbers` among the cells that are there,
    how many distinct ones, and whether all of them are whole.
    """
    if found.fits and found.settles is None and found.says_decimal:
        return _unclear_mark(column)
    if found.fits:
        return _texts_of_numbers(column)
    name = column.name
    odd = ~found.best_mask
    row = column.first_row(column.among_texts(odd))
    cell, share = shortened(column.cell(row)), column.share(found.any_mask)
    others = column.texts.take(pa.array(column.present[odd])).unique()
    change: Json | None = None
    if found.any_mask[odd].any():
        what = f"The numbers of column {name!r} are not all written in one way: {cell!r}"
        ending = "does not fit"
        fix = "Write all numbers of the column in one way."
        if reading.decimal is not None:
            mark = reading.decimal
            fix = f"Write its numbers with the decimal mark {mark!r}, or change `decimal`."
    else:
        what = f"{share:.1%} of the cells of column {name!r} are numbers, but {cell!r}"
        ending = "is none"
        fix = "Correct the cells that are no numbers, or leave them empty."
        texts = [*others.to_pylist(), *sorted(_weak_texts(column))]
        if len(others) <= FEW_TEXTS and max(map(len, texts)) <= LONGEST_MARKER:
            change = {"missing": texts}
            fix = "Correct these cells, or name their texts in `missing`."
        fix += _at_an_end(column, odd)
    return Draft(
        "nearly_numeric",
        lambda place: f"{what}{place} {ending}. The column is categorical.",
        f'{fix} If its cells are names, declare the column as "categorical".',
        column=name,
        row=row,
        evidence={
            "cell": cell,
            "numbers": int(share * 10_000) / 10_000,
            "others": bounded(others.slice(0, 5).to_pylist(), 5),
            "distinct_others": len(others),
            # Few whole numbers beside a text may all be names of classes.
            "distinct_numbers": int(found.any_mask.sum()),
            "whole": bool(not _with(column, "[.,]")[found.any_mask].any()),
        },
        change=change,
    )


def _unclear_mark(column: TextColumn) -> Draft:
    row = column.first_row(column.among_texts(_with(column, "[.,]")))
    cell = shortened(column.cell(row))
    mark, word = (",", "comma") if "," in cell else (".", "point")
    return Draft(
        "nearly_numeric",
        lambda place: (
            f"Column {column.name!r} holds numbers such as {cell!r}{place}, whose {word} may be a "
            "decimal or a thousands mark. It is not guessed at: the column is categorical."
        ),
        f'Say which: "decimal": "{mark}", or "thousands": "{mark}".',
        column=column.name,
        row=row,
        evidence={"cell": cell, "numbers": 1.0, "alternative": {"thousands": mark}},
        change={"decimal": mark},
    )


def _texts_of_numbers(column: TextColumn) -> Draft:
    row = column.first_row(~column.missing)
    cell = shortened(column.cell(row))
    return Draft(
        "nearly_numeric",
        lambda place: (
            f"All texts of column {column.name!r} are numbers, such as {cell!r}{place}, but the "
            "file has them as texts: the column is categorical."
        ),
        'If they are numbers, declare the column as "numeric".',
        column=column.name,
        row=row,
        evidence={"cell": cell, "numbers": 1.0},
        change={"columns": {column.name: "numeric"}},
    )


def _with(column: TextColumn, pattern: str) -> NDArray[np.bool_]:
    """Which of the present texts match."""
    texts = taken(column.texts, column.present)
    return matches(texts, pattern)


def _weak_texts(column: TextColumn) -> set[str]:
    texts = column.texts.filter(pa.array(~column.missing))
    return set(texts.filter(pa.array(weak_markers(texts))).to_pylist())


def dates_as_categories(column: TextColumn, found: Dates) -> Draft:
    """Dates or times that became categories."""
    odd = ~found.mask
    row = column.first_row(column.among_texts(odd if odd.any() else found.mask))
    cell, name = shortened(column.cell(row)), column.name
    doubt = f"; {cell!r} is none" if odd.any() else f", such as {cell!r}"
    change: Json | None = None
    if found.times:
        fix = "Write times as numbers, such as hours since midnight."
    elif found.ambiguous:
        fix = (
            "Day and month cannot be told apart as they stand: write dates with the year first "
            '(2024-05-31), and declare the column as "date".'
        )
    elif odd.any():
        fix = 'Correct the other cells or leave them empty, and declare the column as "date".'
    else:
        fix = 'Declare the column as "date": it becomes numbers (year, month, weekday and others).'
        change = {"columns": {name: "date"}}
    return Draft(
        "dates",
        lambda place: (
            f"Column {name!r} holds {'times' if found.times else 'dates'}{doubt}{place}. Each "
            "became a category of its own, and a new one is an unknown category."
        ),
        fix,
        column=name,
        row=row,
        evidence={"cell": cell},
        change=change,
    )


def numbers_with_units(column: TextColumn) -> Draft | None:
    """Numbers with one unit behind them that is no currency, 12 kg, 5cm; or with one of a few."""
    texts = taken(column.texts, np.flatnonzero(~column.missing))
    if len(texts) < 3:
        return None
    for piece in (texts.slice(0, 1), texts.slice(0, FEW), texts):
        found = extract(piece, _WITH_UNIT)
        units = [] if found.null_count else pc.unique(found.field(0)).to_pylist()
        if not 1 <= len(units) <= _MOST_UNITS:
            return None
    if len(units) > 1 and len(texts) < _TEXTS_A_UNIT * len(units):
        return None
    unit = shortened(" or ".join(units))
    row = column.first_row(~column.missing)
    cell = shortened(column.cell(row))
    return Draft(
        "numbers_with_units",
        lambda place: (
            f"Column {column.name!r} holds numbers with {unit!r} behind each, such as "
            f"{cell!r}{place}: texts, and so the column is categorical."
        ),
        "Write the numbers alone, and the unit in the column's name.",
        column=column.name,
        row=row,
        evidence={"cell": cell, "unit": unit},
    )


def _at_an_end(column: TextColumn, odd: NDArray[np.bool_]) -> str:
    """A sentence, if the only odd cell stands in the first row or the last."""
    rows = np.flatnonzero(column.among_texts(odd)[column.codes])
    if len(rows) != 1 or len(column.codes) < _ENOUGH_ROWS:
        return ""
    if rows[0] == 0:
        return " If that line tells units or types, remove it."
    if rows[0] == len(column.codes) - 1:
        return " If that line is a total or a note, remove it."
    return ""
