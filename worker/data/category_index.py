"""The index of a column's categories: from a cell to its category's code, and to the nearest one.

Decisions:

* A text is a category as it is written, or as it is tidied (`tidy.py`), or with its accents joined
  to their letters or apart, which is the same text to Unicode. `001` and `1` are two.
* A number is the category written like it, or else the only one that is the same number, computed
  exactly: 10.5 is "10.50", and 9007199254740993 is not "9007199254740992". Where several are, as
  "01" and "001" are 1, none is chosen.
* A boolean is one of its three usual spellings.
* The nearest category is the one that differs in case, blanks, hyphens and underscores only, else
  one that is alike, of many categories one of those that stand near in the alphabet. `Guesses`
  bounds what a request may cost, since to compare two texts costs the product of their lengths.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from unicodedata import normalize

from worker.data.table import MISSING_CODE, Column, is_missing
from worker.data.tidy import tidy

UNKNOWN = -2
"""In place of a code: the cell is none of the categories."""
AMBIGUOUS = -3
"""In place of a code: the cell is a number that several categories are."""

_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
)
"""Texts that are compared with numbers; their sizes are bounded, and so is the comparison's."""


class CategoryIndex:
    """The codes of one column's categories."""

    def __init__(self, column: Column) -> None:
        self._categories = column.categories
        self.codes = {category: code for code, category in enumerate(column.categories)}

    def find(self, cell: str | float | bool | None) -> int:
        """The cell's code, `MISSING_CODE`, `UNKNOWN` or `AMBIGUOUS`."""
        if cell is None:
            return MISSING_CODE
        code = next((self.codes[text] for text in _spellings(cell) if text in self.codes), None)
        if code is not None:
            return code
        if isinstance(cell, str):
            return MISSING_CODE if is_missing(cell) else UNKNOWN
        if isinstance(cell, bool):
            return UNKNOWN
        return self._numbers.get(Decimal(repr(cell)), UNKNOWN)

    @cached_property
    def _numbers(self) -> dict[Decimal, int]:
        """The categories that are numbers, by number."""
        numbers: dict[Decimal, int] = {}
        for code, category in enumerate(self._categories):
            if _NUMBER.fullmatch(category):
                number = Decimal(category)
                numbers[number] = AMBIGUOUS if number in numbers else code
        return numbers


def _spellings(cell: str | float | bool) -> Iterator[str]:
    """The texts that a cell stands for, the likeliest first."""
    match cell:
        case str():
            yield cell
            tidier = tidy(cell)
            yield tidier
            if not tidier.isascii():
                yield from (normalize(form, tidier) for form in ("NFC", "NFD"))
        case bool():
            yield from (str(cell).lower(), str(cell), str(cell).upper())
        case int():
            yield str(cell)
        case float():
            yield from (repr(cell), repr(cell).removesuffix(".0"))


def _folded(text: str) -> str:
    """The text without what people write differently."""
    return text.casefold().replace(" ", "").replace("-", "").replace("_", "")


class Guesses:
    """What may be looked for in one request: cells whose nearest category would help a reader."""

    MOST = 20
    """Cells that are looked for."""
    CANDIDATES = 400
    """Categories that one is compared with."""
    LONGEST = 64
    """Characters of a text that is looked for, and of a category that may be meant."""
    SCANNED = 200_000
    """Categories that are looked at for one that differs in case and the like, in all."""
    EFFORT = 1_000_000
    """Pairs of characters that are compared, of all texts together."""

    def __init__(self) -> None:
        self._left = self.MOST
        self._scanned = self.SCANNED
        self._effort = self.EFFORT

    def nearest(self, categories: Sequence[str], text: str) -> str | None:
        """Of sorted categories, the one that a text may have meant; none if none is near, or too
        much was asked.
        """
        if self._left == 0 or len(text) > self.LONGEST:
            return None
        self._left -= 1
        self._scanned -= len(categories)
        if self._scanned >= 0:
            wanted = _folded(text)
            same = (category for category in categories if _folded(category) == wanted)
            found = next(same, None)
            if found is not None:
                return found
        folded = {category.casefold(): category for category in self._around(categories, text)}
        self._effort -= len(text) * sum(map(len, folded))
        if self._effort < 0:
            return None
        near = get_close_matches(text.casefold(), folded, n=1, cutoff=0.6)
        return folded[near[0]] if near else None

    def _around(self, categories: Sequence[str], text: str) -> list[str]:
        """Categories among which the nearest is looked for."""
        if len(categories) > self.CANDIDATES:
            reach = self.CANDIDATES // 8
            places = [
                bisect_left(categories, spelling)
                for spelling in (text, text.lower(), text.upper(), text.capitalize())
            ]
            categories = [
                categories[number]
                for place in dict.fromkeys(places)
                for number in range(max(0, place - reach), min(len(categories), place + reach))
            ]
        return [category for category in categories if len(category) <= self.LONGEST]
