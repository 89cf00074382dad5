"""Numbers and texts in one column of texts: which of its cells are numbers, and how many.

Decisions:

* A number is written as the reader found the column's numbers to be, or else plainly: digits, a
  decimal point, an exponent. One in another notation (1.234,50 or 12 % or (3)) counts as a text,
  but is known to look like a number.
* Cells that begin with needless zeros (007) are codes, unless other cells of the column show that
  they are not: a fraction, or many lengths.
* Numbers are the rule where four rows of five hold one; or more than half of the rows, if the
  numbers are such as are measured: more than 20 different ones, or one with a fraction; or in any
  share of the rows, if these have four times as many different numbers as there are texts, three at
  most.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.table import LARGEST, Column

MOST_NUMERIC_CLASSES = 20
"""Numbers with more different values than this are a measurement, unless told otherwise."""
NEARLY_ALL = 0.8
"""The share of the rows with a number from which on the others are slips."""
FEW_TEXTS, MANY_TIMES = 3, 4
"""Texts beside measurements that are slips or marks, however many rows they are: no more, and each
beside four times as many numbers."""
_FEW_ROWS = 3
"""Fewer rows than this for each text are too few to learn it as a class."""
SHOWN = 5
_NUMBER = r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"
_PADDED = r"^[-+]?0[0-9]"
_UNSETTLED = r"^[^0-9]*[1-9][0-9]{0,2},[0-9]{3}[^0-9]*$"
"""Its comma is a decimal mark or one of thousands."""
_CURRENCY = r"(?:[$€£¥₹₽₩₺₫฿]|USD|EUR|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|CAD|AUD|BRL|kr|zł)"
_AMOUNT = r"^(?:[^\pL]{0,8}|" + _CURRENCY + r"[^\pL]{0,4})\p{Nd}"
_NOTATION = (
    r"^\(?\s?[-+−–]?\s?" + _CURRENCY + r"?\s?[-+−–]?"
    r"(?:[0-9]{1,3}(?:[.,'’_ \x{00a0}\x{2009}\x{202f}][0-9]{3})+(?:[.,][0-9]*)?|[0-9]*[.,]?[0-9]+)"
    r"\s?(?:%|‰|" + _CURRENCY + r")?\s?-?\)?$"
)
"""A number as people write it: grouped, signed, in parentheses, with a percent or currency sign."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """What the texts of a categorical column are; arrays are [categories]."""

    categories: tuple[str, ...]
    codes: NDArray[Any]
    """[rows], below 0 where missing."""
    values: NDArray[np.float64]
    """The number that a category is; NaN for a text."""
    plain: NDArray[np.bool_]
    """Whether it is a number that no one would write as a code."""
    counts: NDArray[np.int64]
    """Rows of each category."""

    @classmethod
    def of(cls, column: Column, codes: NDArray[Any]) -> "Mixture":
        """Look at the cells of a categorical column."""
        counts = np.bincount(codes[codes >= 0], minlength=len(column.categories))
        values = column_numbers(column)
        plain = ~np.isnan(values)
        texts = pa.array(column.categories, pa.string())
        padded = _matches(texts, _PADDED) & plain
        if padded.any() and _are_codes(texts.filter(pa.array(counts > 0))):
            plain = np.zeros_like(padded)
        else:
            plain = plain & ~padded
        return cls(column.categories, codes, values, plain, counts)

    @property
    def rows(self) -> int:
        """Rows with a cell."""
        return int(self.counts.sum())

    @property
    def number_rows(self) -> int:
        """Rows with a plain number."""
        return int(self.counts[self.plain].sum())

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The different numbers that occur, ascending, codes included."""
        return np.unique(self.values[(self.counts > 0) & ~np.isnan(self.values)])

    @property
    def is_all_numbers(self) -> bool:
        """Whether every cell is a number, or a code of digits."""
        return not np.isnan(self.values[self.counts > 0]).any()

    @property
    def is_measured(self) -> bool:
        """Whether its numbers are such as a regression predicts."""
        return is_measurement(np.unique(self.values[(self.counts > 0) & self.plain]))

    @property
    def is_nearly_numeric(self) -> bool:
        """Whether its numbers are the rule, and its texts the exception."""
        share = self.number_rows / max(self.rows, 1)
        texts = int(((self.counts > 0) & ~self.plain).sum())
        return share < 1 and numbers_are_the_rule(
            share, len(self.numbers), texts, measured=self.is_measured
        )

    @cached_property
    def looks_numeric(self) -> bool:
        """Whether its cells look like numbers, but many are in a notation that is not plain."""
        texts = pa.array(self.categories, pa.string())
        short = pc.less_equal(pc.utf8_length(texts), 40).to_numpy(zero_copy_only=False)
        written = short & _matches(texts, _NOTATION) & np.isnan(self.values)
        alike = self.counts[written | self.plain].sum()
        return bool(written.any()) and alike >= NEARLY_ALL * self.rows

    @property
    def holds_digits_in_rare_texts(self) -> bool:
        """Whether it has many texts, few rows of each, and nearly all begin with digits, or with a
        mark or a currency before them: 3 kg, <5, 12:30, CHF 1'200.—.

        They are rather measured, in a form that is not read, than names of classes.
        """
        used = np.flatnonzero(self.counts)
        if len(used) <= MOST_NUMERIC_CLASSES or self.rows >= _FEW_ROWS * len(used):
            return False
        texts = pa.array([self.categories[place] for place in used.tolist()], pa.string())
        return bool(_matches(texts, _AMOUNT).mean() >= NEARLY_ALL)

    @property
    def text_rows(self) -> int:
        """Rows whose cell is no plain number."""
        return self.rows - self.number_rows

    @property
    def first_text(self) -> tuple[int, str]:
        """The first row, counted from 0, whose cell is no plain number, and that cell; the first
        cell of all if each is one.
        """
        return self._first(~self.plain if self.text_rows else np.ones_like(self.plain))

    @property
    def first_unsettled(self) -> tuple[int, str] | None:
        """The first row and cell with a comma, where no cell says whether commas are decimal marks
        or separate thousands; none where that is settled.
        """
        texts = pa.array(self.categories, pa.string())
        commas = _matches(texts, ",") & ~np.isnan(self.values) & (self.counts > 0)
        if not commas.any() or not _matches(texts.filter(pa.array(commas)), _UNSETTLED).all():
            return None
        return self._first(commas)

    def _first(self, chosen: NDArray[np.bool_]) -> tuple[int, str]:
        """The first row with a cell of the chosen categories, and that cell."""
        # The last entry is what the code -1 of a missing cell indexes.
        row = int(np.argmax(np.append(chosen, False)[self.codes]))
        return row, self.categories[int(self.codes[row])]

    @property
    def texts(self) -> list[str]:
        """The first few different cells that are no plain numbers, the commonest first."""
        odd = np.flatnonzero(~self.plain & (self.counts > 0))
        ranked = odd[np.argsort(-self.counts[odd], kind="stable")]
        return [self.categories[number] for number in ranked[: SHOWN + 1].tolist()]


def numbers_are_the_rule(share: float, numbers: int, texts: int, *, measured: bool) -> bool:
    """Whether numbers are the rule in a column, and its texts the exception.

    Args:
        share: of the rows with a cell, those with a number.
        numbers: how many different ones there are.
        texts: how many different other texts.
        measured: whether the numbers are such as are measured, and no names.
    """
    if share >= NEARLY_ALL or (share > 0.5 and measured):
        return True
    # "unknown" in most rows, beside a dozen of different measurements.
    return measured and texts <= FEW_TEXTS and MANY_TIMES * texts <= numbers


def is_measurement(distinct: NDArray[np.float64]) -> bool:
    """Whether different numbers are rather measured than names: many, or not all whole."""
    return distinct.size > MOST_NUMERIC_CLASSES or bool((distinct != np.floor(distinct)).any())


def column_numbers(column: Column) -> NDArray[np.float64]:
    """Each category of a column as a number, read as its cells are written; NaN for a text."""
    # What the reader found of how they are written: with a decimal comma 1.234 is not 1.234.
    if column.notation is None:
        return numbers_of(column.categories)
    values = np.array(
        column.notation.parse(pa.array(column.categories, pa.string())), dtype=np.float64
    )
    values[~(np.abs(values) <= LARGEST)] = np.nan
    return values


def numbers_of(texts: tuple[str, ...]) -> NDArray[np.float64]:
    """Each text as a number, NaN where it is none that a table could hold."""
    array = pa.array(texts, pa.string())
    found = _matches(array, _NUMBER)
    values = np.full(len(texts), np.nan)
    parsed = pc.cast(array.filter(pa.array(found)), pa.float64())
    values[found] = parsed.to_numpy(zero_copy_only=False)
    values[np.abs(values) > LARGEST] = np.nan
    return values


def _matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pc.match_substring_regex(texts, pattern=pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _are_codes(texts: pa.Array) -> bool:
    """Whether all are digits alone, and either few, or all as long, or all padded."""
    if not _matches(texts, r"^[0-9]+$").all():
        return False
    if len(texts) <= MOST_NUMERIC_CLASSES:
        return True
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    return bool((lengths == lengths[0]).all()) or bool(_matches(texts, _PADDED).all())
