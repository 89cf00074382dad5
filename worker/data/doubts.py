"""Doubts: columns that were read as what their cells say, and may well mean something else.

Numbers that are dates (20240531, seconds since 1970), codes (`zip`, `phone`) or stand for a missing
cell (-999); texts that hold numbers or dates in a form that is not read (1. Mai 2024, 3/7, 12-13).
None is changed: each is told.
"""

import re
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worker.data.drafts import Draft
from worker.data.notation import is_number
from worker.data.table import Column
from worker.text import shortened

_FEWEST_ROWS, _LOOKED_AT = 10, 1_000
_MOSTLY, _TEXTS = 0.8, 50
_CODE_NAME = re.compile(
    r"(?i)^(?:.*[_ .-])?(?:zip|zip_?codes?|plz|post_?(?:al_?)?codes?|cap|phone|tel|telephone|fax|"
    r"mobile|iban|ssn|isbn|ean|gtin|sku|fips|naics|icd|customer_?no|account(?:_?no)?)$"
)
_TIME_NAME = re.compile(
    r"(?i)time|date|epoch|unix|stamp|created|updated|^ts$|_ts$|_at$|^day$|_day$|since"
)
_MARKS = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
_DAY_PARTS, _TIME_PARTS = ("year", "month", "day"), ("hour", "minute")
_COMPACT: tuple[tuple[float, float, float, tuple[str, ...]], ...] = (
    (19_000_101, 21_001_231, 1.0, _DAY_PARTS),
    (190_001_010_000, 210_012_312_359, 1e4, (*_DAY_PARTS, *_TIME_PARTS)),
    (19_000_101_000_000, 21_001_231_235_959, 1e6, (*_DAY_PARTS, *_TIME_PARTS, "second")),
    (190_001, 210_012, 1.0, ("year", "month")),
)
"""Dates without marks: the first and the last, by what they are divided to be days, their parts."""
_SERIALS = (29_221.0, 73_050.0)
"""1980 to 2099, as spreadsheets count days."""
_SECONDS = (631_152_000.0, 4_102_444_800.0)
"""1990 to 2100."""
_DATE_LIKE = re.compile(
    r"[0-9]{4}-?[Ww][0-9]{1,2}(?:-?[1-7])?|[0-9]{4}[- /]?[QqTt][1-4]|[QqTt][1-4][- /]?[0-9]{2,4}"
    r"|[^\W\d_]{3,10}\.?[- /']{1,2}[0-9]{4}|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"[a-z]*\.?[- /']{1,2}[0-9]{2}|[0-9]{1,2}\.? ?(?:de )?[^\W\d_]{3,10}\.?,? ?(?:de )?[0-9]{4}"
    r"(?: .*)?|[0-9]{4}年[0-9]{1,2}月(?:[0-9]{1,2}日)?|[0-9]{1,2}[/.][0-9]{4}"
    r"|(?:-?[0-9]+ days?,? )?[0-9]{1,4}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
    r"|P(?=[0-9T])(?:[0-9.]+[YMWD])*(?:T(?:[0-9.]+[HMS])+)?"
    r"|(?i:[0-9.]+ ?(?:d|h|m|s|days?|hours?|hrs?|min(?:ute)?s?|sec(?:ond)?s?)[, ]*){2,4}"
)
_LETTERS_BEHIND = re.compile(r"['\"′″°][NSEWO]\Z")


def doubtful_numbers(column: Column, values: NDArray[Any]) -> Draft | None:
    """A numeric column that may hold dates, codes or marks for missing cells."""
    if column.kind != "numeric" or len(values) < _FEWEST_ROWS:
        return None
    head = values[:_LOOKED_AT]
    head = head[~np.isnan(head)]
    if head.size == 0:
        return None
    if not (head % 1.0).any():
        found = _dates(column, head) or _codes(column, head)
        if found is not None:
            return found
    return _mark(column, values)


def _dates(column: Column, head: NDArray[np.float64]) -> Draft | None:
    low, high = float(head.min()), float(head.max())
    cell = str(int(head[0]))
    named = _TIME_NAME.search(column.name) is not None
    for least, most, unit, parts in _COMPACT:
        if least <= low and high <= most and _are_days(head // unit, with_day=len(parts) > 2):
            return _number_dates(
                column,
                cell,
                f"are all dates ({', '.join(parts)}), and were read as numbers, in which a month's "
                "end is far from the next day",
                "warning",
            )
    for word, size in (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6)):
        if named and _SECONDS[0] * size <= low and high <= _SECONDS[1] * size:
            return _number_dates(
                column,
                cell,
                f"look like times, as {word} since 1970, and were read as numbers",
                "info",
                unit=word,
            )
    if named and _SERIALS[0] <= low and high <= _SERIALS[1] and len(np.unique(head)) > 2:
        return Draft(
            "dates_as_numbers",
            f"The whole numbers of column {column.name!r}, such as {cell}, look like the days that "
            "spreadsheets count since 1900, and were read as numbers.",
            "If weekday or season matter, format the cells as dates (2024-05-31) in the "
            'spreadsheet, and declare the column as "date".',
            "info",
            column.name,
            evidence={"cell": cell, "unit": "days since 1900"},
        )
    return None


def _number_dates(
    column: Column, cell: str, fact: str, severity: Literal["info", "warning"], **known: str
) -> Draft:
    return Draft(
        "dates_as_numbers",
        f"The whole numbers of column {column.name!r}, such as {cell}, {fact}.",
        'If they are dates, declare the column as "date".',
        severity,
        column.name,
        evidence={"cell": cell, **known},
        change={"columns": {column.name: "date"}},
    )


def _are_days(head: NDArray[np.float64], *, with_day: bool) -> bool:
    """Whether numbers are dates, or months, written without marks."""
    if len(np.unique(head)) < 3:
        return False
    numbers = head.astype(np.int64)
    if not with_day:
        months = numbers % 100
        return bool(((months >= 1) & (months <= 12)).all()) and len(np.unique(months)) > 2
    month, day = numbers // 100 % 100, numbers % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def _codes(column: Column, head: NDArray[np.float64]) -> Draft | None:
    if not _CODE_NAME.match(column.name) or len(np.unique(head)) < 3:
        return None
    cell = str(int(head[0]))
    return Draft(
        "codes_as_numbers",
        f"Column {column.name!r} holds whole numbers, such as {cell}, and by its name they are "
        "codes; it was read as numbers, whose order and distances count.",
        'If they are codes, declare the column as "categorical", or ignore it.',
        column=column.name,
        evidence={"cell": cell},
        change={"columns": {column.name: "categorical"}},
    )


def _mark(column: Column, values: NDArray[np.float64]) -> Draft | None:
    """-999 and the like: several times the extreme, and apart from all others."""
    for mark in (float(np.nanmin(values)), float(np.nanmax(values))):
        if mark not in _MARKS:
            continue
        held = values == mark
        others = values[~held & ~np.isnan(values)]
        count = int(held.sum())
        if count < 2 or len(others) < _FEWEST_ROWS or len(np.unique(others[:_LOOKED_AT])) < 3:
            continue
        low, high = float(others.min()), float(others.max())
        gap = low - mark if mark < low else mark - high
        # -1 below counts from 0 is a mark; -1 below others that are negative is none.
        if gap <= (high - low if abs(mark) > 9 else 0) or (-10 < mark < 0 and low < 0):
            continue
        if -10 < mark < 0 and count * 50 < len(values):
            continue
        return _marked(column, mark, count, int(np.argmax(held)), f"{low:g} to {high:g}")
    return None


def _marked(column: Column, mark: float, count: int, row: int, others: str) -> Draft:
    text = str(int(mark))
    return Draft(
        "missing_number",
        lambda place: (
            f"Column {column.name!r} holds {text} in {count:,} rows{place}, apart from all its "
            f"other numbers, {others}: a mark for missing cells, perhaps. It was read as a number."
        ),
        "If it stands for a missing cell, name it in `missing`.",
        column=column.name,
        row=row,
        evidence={"cell": text, "rows": count},
        change={"missing": [text]},
    )


def doubtful_texts(column: Column) -> Draft | None:
    """A categorical column whose texts are mostly dates, or digits and marks, in no form that is
    read.
    """
    texts = column.categories[:_TEXTS]
    if column.kind != "categorical" or len(texts) < 3:
        return None
    if sum(_DATE_LIKE.fullmatch(text) is not None for text in texts) >= _MOSTLY * len(texts):
        cell = shortened(texts[0])
        return Draft(
            "dates",
            f"The texts of column {column.name!r}, such as {cell!r}, look like dates or times, in "
            "a form that is not read. Each became a category of its own, and a new one is an "
            "unknown category.",
            'Write dates as 2024-05-31 and declare the column as "date"; write times and durations '
            "as numbers.",
            column=column.name,
            evidence={"cell": cell},
        )
    odd = [text for text in texts if _is_of_digits(text) and not is_number(text)]
    if len(odd) < _MOSTLY * len(texts):
        return None
    cell = shortened(odd[0])
    return Draft(
        "digits_in_texts",
        f"The texts of column {column.name!r}, such as {cell!r}, consist of digits and marks, but "
        "are no numbers as they stand: each is a category of its own.",
        "If they mean amounts, write plain numbers in as many columns as it takes (a range: two); "
        'if they are names, declare the column as "categorical", or ignore it.',
        "info",
        column.name,
        evidence={"cell": cell},
        change={"columns": {column.name: "categorical"}},
    )


def _is_of_digits(text: str) -> bool:
    bare = _LETTERS_BEHIND.sub("", text)
    return any(letter.isdigit() for letter in bare) and not any(map(str.isalpha, bare))
