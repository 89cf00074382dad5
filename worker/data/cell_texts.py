"""Texts of a prediction's cells as numbers and dates, read as the column's own cells were.

Texts are parsed a column at a time, since a request may have very many.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.dates import DateOrder, find_dates
from worker.data.notation import Notation
from worker.data.table import Column
from worker.data.tidy import tidy

_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def parse_numbers(texts: Sequence[str], column: Column) -> NDArray[np.float64]:
    """The numbers that texts are: in the column's notation, in that without its unit, or plainly.

    NaN where one is no finite number.
    """
    if column.notation is None:
        # Nearly all texts are plain numbers, and told as such at a hundredth of the cost.
        trimmed = [text.strip() for text in texts]
        numbers = np.array([float(t) if _PLAIN.fullmatch(t) else np.nan for t in trimmed])
        notations = [Notation()]
    else:
        numbers = np.full(len(texts), np.nan)
        bare = column.notation.model_copy(update={"unit": ""})
        notations = list(dict.fromkeys([column.notation, bare, Notation()]))
    array = _trimmed(texts)
    for notation in notations:
        left = np.isnan(numbers)
        if not left.any():
            break
        parsed = notation.parse(array.filter(pa.array(left)))
        if notation.decimal == "." and column.notation is not None:
            parsed[_may_be_thousands(array.filter(pa.array(left)), column.notation)] = np.nan
        numbers[left] = parsed
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _may_be_thousands(texts: pa.Array, notation: Notation) -> NDArray[np.bool_]:
    """Which of the texts have points that may separate thousands, to who writes a decimal comma:
    19.900 is refused and not guessed.
    """
    if notation.decimal == ".":
        return np.zeros(len(texts), dtype=bool)
    held = pc.match_substring_regex(texts, r"^[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+$")
    return np.asarray(held.to_numpy(zero_copy_only=False))


def parse_dates(texts: Sequence[str], column: Column) -> NDArray[np.float64]:
    """Days since 1970-01-01, with the time of day as their fraction; NaN where one is no date.

    What a text says depends on no other text: of 05/06/2024 the column's own order tells the day
    from the month, and where that has none, the text is refused and not guessed.
    """
    encoded = pc.dictionary_encode(_trimmed(texts))
    array = encoded.dictionary
    if column.date_order in ("day_first", "month_first"):
        days = _days(array, column.date_order)
    else:
        days, other = _days(array, "day_first"), _days(array, "month_first")
        # With points the day comes first, whatever the order of others.
        pointed = pc.match_substring_regex(array, r"^[0-9]{1,2}[.]").to_numpy(zero_copy_only=False)
        either = np.isnan(days) | np.isnan(other) | (days == other) | pointed
        days = np.where(either, np.where(np.isnan(days), other, days), np.nan)
    return np.asarray(days[encoded.indices.to_numpy()])


def _days(texts: pa.Array, order: DateOrder) -> NDArray[np.float64]:
    dates = find_dates(texts, order=order, compact=True)
    if dates is None or dates.times:
        return np.full(len(texts), np.nan)
    return dates.days


def _trimmed(texts: Sequence[str]) -> pa.Array:
    # Half a character, which JSON can write, is no text to Arrow.
    whole = [tidy(text).encode(errors="replace").decode() for text in texts]
    return pa.array(whole, pa.string())
