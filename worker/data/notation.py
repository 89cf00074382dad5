"""Notation: how the numbers of a column are written, and what they say.

Decisions:

* Plain numbers (`-12`, `.5`, `1e-3`) need no notation. Others are numbers where all cells of a
  column agree: on a decimal mark, on a mark between groups of three digits, and on one unit: per
  cent, or a currency. 12 % is 12.
* Minus is any of its characters, or parentheses, as accountants write it.
* `1,234` alone does not say whether its mark is a decimal or a thousands mark; what settles it is
  another cell of the column, then another column of the file, then the sender. `1,234,567`, `0,234`
  and `1,5` settle it.
* `5,-` and `5/-` are 5, `5.20-` is -5.2; `5-` may be a grade and is no number. `="5"`, `'5` and
  `'5'` are 5: that is how spreadsheets and SQL mark texts. Digits of all scripts count.
* Groups of two digits, as in 12,34,567, are read with the comma alone (India).
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Annotated, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from worker.data.few import (
    APOSTROPHE,
    MINUS,
    SPACE,
    STRANGE,
    WRAPPED,
    as_ascii,
    few_numbers,
    few_parts,
)
from worker.data.patterns import FEW, among, extract, matches, taken
from worker.schema import Settings

DecimalMark = Literal[".", ","]
ThousandsMark = Literal[",", ".", " ", "'", "_"]

_ISO = (
    "AED ARS AUD BDT BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY "
    "KES KRW LKR MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TRY TWD UAH "
    "USD UYU VND XAF XOF ZAR"
)
_UNIT = (
    r"(?:(?:US|A|AU|C|CA|HK|NZ|S|R|MX)?[$¢£¤¥֏؋৲৳฿៛₠-₿﷼＄￠￡￥￦]|(?i:"
    + "|".join(_ISO.split())
    + r")"
    r"|(?i:kr|Rs|Fr)\.?|zł|Kč|Ft|руб\.?|lei|лв\.?|%|‰|％|円|元|圓|원)"
)
_BODY = r"(?:[0-9](?:[0-9.,'_ ]*[0-9.])?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_CELL = (
    r"^(?P<open>\(?)(?P<sign>[+-]?) ?(?P<before>" + _UNIT + r"?) ?(?P<inner>[+-]?) ?"
    r"(?P<body>" + _BODY + r")(?P<tail>(?:[.,][-—]{1,2}|-|/-)?)"
    r" ?(?P<after>" + _UNIT + r"?)(?P<close>\)?)$"
)
_NUMBERISH = r"^[^0-9]{0,8}[0-9][^A-DF-Za-df-z]*[^0-9]{0,8}$"
_POINT = b"."[0]
_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{0,40})?")
_MAY_BE_PLAIN = re.compile(r"\s*[+-]?(?:[0-9.]+(?:[eE][+-]?[0-9]+)?|(?i:inf(?:inity)?|nan))\s*$")


class Notation(Settings):
    """How the numbers of one column are written, where that is not plainly."""

    decimal: DecimalMark = "."
    """The decimal mark."""
    thousands: ThousandsMark | None = None
    """The mark between groups of three digits, if any."""
    unit: Annotated[str, Field(max_length=20)] = ""
    """What stands before or behind each number: `%`, or a currency such as `€` or `USD`; numbers
    are in this unit, so that 12 % is 12."""

    def __str__(self) -> str:
        """In words: `a decimal comma, thousands separated by ' ' and the unit €`."""
        words = {".": "a decimal point", ",": "a decimal comma"}
        parts = [words[self.decimal]]
        if self.thousands is not None:
            parts.append(f"thousands separated by {self.thousands!r}")
        if self.unit:
            parts.append(f"the unit {self.unit}")
        return " and ".join([", ".join(parts[:-1])] * (len(parts) > 1) + parts[-1:])

    def parse(self, texts: pa.Array) -> NDArray[np.float64]:
        """Numbers from trimmed texts, NaN where one is no number in this notation."""
        return Written(texts).parse(self)


_NOTATIONS: tuple[Notation, ...] = tuple(
    Notation(decimal=decimal, thousands=thousands)
    for thousands in (None, *get_args(ThousandsMark))
    for decimal in (".", ",")
    if decimal != thousands
)
"""All, without units; those without thousands first."""


def plain(texts: pa.Array) -> NDArray[np.float64] | None:
    """The texts as float64, or none if one of them is not a plain number; inf counts as one."""
    if len(texts) and not _MAY_BE_PLAIN.match(texts[0].as_py()):
        return None  # An error of Arrow's costs more than the test.
    try:
        parsed = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        return None
    values = np.asarray(parsed.to_numpy(zero_copy_only=False))
    return None if np.isnan(values).any() else values


def has_point(texts: pa.Array) -> bool:
    """Whether any of the texts holds a point."""
    data = texts.buffers()[2]
    return data is not None and bool((np.frombuffer(data, dtype=np.uint8) == _POINT).any())


def points_are_ambiguous(texts: pa.Array) -> bool:
    """Of plain numbers, one with a point: whether each point may separate thousands."""
    pattern = r"^[+-]?(?:[0-9]+|[1-9][0-9]{0,2}\.[0-9]{3})$"
    for start, size in ((0, 64), (64, len(texts))):
        piece = texts.slice(start, size)
        if not matches(piece, pattern).all():
            return False
    return True


def have_leading_zeros(texts: pa.Array) -> NDArray[np.bool_]:
    """Of plain numbers: which begin with a needless zero, as 007 and 00 do, and 0 and 0.5 do not.

    By bytes: a pattern would cost as much as reading the numbers.
    """
    held = np.zeros(len(texts), dtype=bool)
    _, offsets, data = texts.buffers()
    if len(texts) == 0 or data is None or not data.size:
        return held
    bytes_ = np.frombuffer(data, dtype=np.uint8)
    ends = np.frombuffer(offsets, dtype=np.int32)[texts.offset :][: len(texts) + 1]
    starts = ends[:-1]
    first = bytes_.take(starts, mode="clip")
    signed = (first == ord("+")) | (first == ord("-"))
    places = np.flatnonzero(signed | (first == ord("0")))
    at = starts[places] + signed[places]
    zero, after = bytes_.take(at, mode="clip") == ord("0"), bytes_.take(at + 1, mode="clip")
    digit = (after >= ord("0")) & (after <= ord("9"))
    held[places] = zero & digit & (ends[1:][places] - at > 1)
    return held


def rounded(texts: pa.Array, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of plain numbers: which are whole ones that a float64 cannot hold, beyond 2**53."""
    large = np.abs(values) >= 2.0**53
    if not large.any():
        return large
    for place in np.flatnonzero(large).tolist():
        text = texts[place].as_py().lstrip("+")
        # At most 39 digits: larger numbers are refused before.
        large[place] = text.lstrip("-").isdigit() and int(text) != int(values[place])
    return large


@dataclass(frozen=True)
class Written:
    """Trimmed texts, looked at as numbers with signs, units and marks."""

    texts: pa.Array

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Which of the texts may be numbers: a body of digits and marks, a sign, a unit."""
        return self._parts[0]

    @property
    def bodies(self) -> pa.Array:
        """Their digits and marks."""
        return self._parts[1]

    @property
    def units(self) -> pa.Array:
        """Their units, empty where there is none."""
        return self._parts[3]

    @cached_property
    def _parts(self) -> tuple[NDArray[np.int64], pa.Array, NDArray[np.float64], pa.Array]:
        """Places, bodies, signs (1 or -1) and units."""
        if len(self.texts) <= FEW:
            return few_parts(self.texts.to_pylist(), _CELL)
        texts = self.texts
        if not pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
            for pattern, plain_mark in ((MINUS, "-"), (SPACE, " "), (APOSTROPHE, "'")):
                texts = pc.replace_substring_regex(texts, pattern, plain_mark)
            if matches(texts, STRANGE).any():
                texts = pa.array(map(as_ascii, texts.to_pylist()), pa.string())
        if matches(texts, "^[=']").any():
            texts = pc.replace_substring_regex(texts, WRAPPED, r"\1\2")
        found = extract(texts, _CELL)
        if found.null_count == len(found):
            nothing = pa.array([], pa.string())
            return np.zeros(0, dtype=np.int64), nothing, np.zeros(0), nothing
        part = {field.name: found.field(i) for i, field in enumerate(found.type)}

        def says(name: str, *marks: str) -> NDArray[np.bool_]:
            held = pc.is_in(part[name], value_set=pa.array(marks, pa.string()))
            return np.asarray(held.to_numpy(zero_copy_only=False))

        opened, closed = says("open", "("), says("close", ")")
        signed, inner = says("sign", "+", "-"), says("inner", "+", "-")
        before, after = ~says("before", ""), ~says("after", "")
        good = found.is_valid().to_numpy(zero_copy_only=False)
        good = good & (opened == closed) & ~(opened & (signed | inner)) & ~(signed & inner)
        good = good & ~(before & after)
        behind = says("tail", "-") & ~_held(part["body"], r"[.]$")
        good &= ~behind | (_held(part["body"], "[.,]") & ~(opened | signed | inner))
        places = np.flatnonzero(good)
        kept = pa.array(places)
        negative = (opened | behind | says("sign", "-") | says("inner", "-"))[places]
        units = pc.binary_join_element_wise(part["before"].take(kept), part["after"].take(kept), "")
        units = pc.replace_substring(pc.utf8_upper(units), "％", "%")
        return places, part["body"].take(kept), np.where(negative, -1.0, 1.0), units

    @cached_property
    def unit(self) -> str:
        """The unit of most of those that may be numbers; empty where most have none."""
        if len(self.units) <= FEW:
            found = Counter(self.units.to_pylist())
            return max(found, key=lambda unit: found[unit], default="")
        counts = pc.value_counts(self.units)
        if len(counts) == 0:
            return ""
        most = int(np.argmax(counts.field("counts").to_numpy()))
        return str(counts.field("values")[most].as_py())

    def mask(self, notation: Notation, *, any_unit: bool = False) -> NDArray[np.bool_]:
        """Which of the texts are numbers in this notation: [texts]."""
        held = np.zeros(len(self.texts), dtype=bool)
        fits = matches(self.bodies, _body_pattern(notation.decimal, notation.thousands))
        if not any_unit:
            fits &= among(self.units, {notation.unit})
        held[self.places] = fits
        return held

    def parse(self, notation: Notation) -> NDArray[np.float64]:
        """The numbers, NaN where a text is none in this notation: [texts]."""
        mask = self.mask(notation)
        inside = mask[self.places]
        bodies = taken(self.bodies, np.flatnonzero(inside))
        if len(bodies) <= FEW:
            numbers = few_numbers(bodies.to_pylist(), notation.decimal, notation.thousands)
            values = np.full(len(self.texts), np.nan)
            values[mask] = self._parts[2][inside] * numbers
            return values
        if notation.thousands is not None:
            bodies = pc.replace_substring(bodies, notation.thousands, "")
        if notation.decimal == ",":
            bodies = pc.replace_substring(bodies, ",", ".")
        values = np.full(len(self.texts), np.nan)
        numbers = pc.cast(bodies, pa.float64()).to_numpy(zero_copy_only=False)
        values[mask] = self._parts[2][inside] * numbers
        return values

    def leading_zeros(self) -> NDArray[np.bool_]:
        """Which of the texts are numbers that begin with a needless zero: [texts]."""
        held = np.zeros(len(self.texts), dtype=bool)
        held[self.places] = matches(self.bodies, "^0[0-9]")
        return held

    @cached_property
    def marks(self) -> list[str]:
        """Which of the marks `.,' _` the bodies hold."""
        if len(self.bodies) <= FEW:
            joined = "".join(self.bodies.to_pylist())
            return [mark for mark in get_args(ThousandsMark) if mark in joined]
        return [
            mark
            for mark in get_args(ThousandsMark)
            if pc.any(pc.match_substring(self.bodies, mark), min_count=0).as_py()
        ]

    def candidates(
        self, decimal: DecimalMark | None, thousands: ThousandsMark | None
    ) -> Iterable[Notation]:
        """The notations that can make a difference here, under marks that are known."""
        present = {None, *self.marks}
        for notation in _NOTATIONS:
            if (
                notation.thousands in present
                and decimal in (None, notation.decimal)
                and (thousands is None or notation.thousands in (None, thousands))
                and notation.decimal != thousands
            ):
                yield _with_unit(notation.decimal, notation.thousands, self.unit)


@lru_cache(maxsize=256)
def _with_unit(decimal: DecimalMark, thousands: ThousandsMark | None, unit: str) -> Notation:
    return Notation(decimal=decimal, thousands=thousands, unit=unit)


@cache
def _body_pattern(decimal: DecimalMark, thousands: ThousandsMark | None) -> str:
    mark = re.escape(decimal)
    whole = "[0-9]+"
    if thousands is not None:
        group = re.escape(thousands)
        whole += f"|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+"
    if thousands == ",":
        whole += "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"
    fraction = f"(?:{mark}[0-9]*)?" if decimal == "." else f"(?:{mark}[0-9]+)?"
    return f"^(?:(?:{whole}){fraction}|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class Survey:
    """In which notations a column's texts are numbers, all of them or most."""

    fits: tuple[Notation, ...]
    """Those in which all of them are."""
    best: Notation | None
    """That in which most rows are; none where no cell is a number."""
    best_mask: NDArray[np.bool_]
    """The texts that are numbers in it."""
    any_mask: NDArray[np.bool_]
    """The texts that are numbers in any notation."""
    says_decimal: bool
    """Whether any text holds a comma or a point at all; 12 is 12 with either."""

    @property
    def settles(self) -> DecimalMark | None:
        """The decimal mark that the texts leave no doubt about, if they say anything of it."""
        marks = {notation.decimal for notation in self.fits}
        return next(iter(marks)) if self.says_decimal and len(marks) == 1 else None

    def choose(self, decimal: DecimalMark | None) -> Notation | None:
        """The one notation to read by, given the file's decimal mark; none if it is not clear.

        What the texts themselves settle goes before the file's mark.
        """
        if not self.fits or not self.says_decimal or self.settles is not None:
            return next(iter(self.fits), None)
        return next((fit for fit in self.fits if fit.decimal == decimal), None)


def survey(
    written: Written,
    rows: NDArray[np.int64],
    decimal: DecimalMark | None,
    thousands: ThousandsMark | None,
) -> Survey:
    """Try all notations; `rows` says how many rows hold each text."""
    best, best_mask, most = None, np.zeros(len(written.texts), dtype=bool), 0
    any_mask = best_mask.copy()
    fits: list[Notation] = []
    of_unit = best_mask.copy()
    of_unit[written.places] = among(written.units, {written.unit})
    known = list(written.candidates(decimal, thousands))
    for notation in written.candidates(None, None) if len(written.places) else ():
        mask = written.mask(notation, any_unit=True)
        any_mask |= mask
        if notation not in known:
            continue
        mask &= of_unit
        held = int(rows[mask].sum())
        if held > most:
            best, best_mask, most = notation, mask, held
        if mask.all():
            fits.append(notation)
    return Survey(tuple(fits), best, best_mask, any_mask, bool({".", ","} & set(written.marks)))


def _held(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    """Which of the texts, some of them null, match."""
    found = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def is_number(text: str) -> bool:
    """Whether a trimmed text is a number in any notation."""
    text = as_ascii(text)
    if _PLAIN_NUMBER.fullmatch(text):
        return True
    if not matches(pa.array([text], pa.string()), _NUMBERISH)[0]:
        return False
    written = Written(pa.array([text], pa.string()))
    known = (written.mask(notation, any_unit=True)[0] for notation in _NOTATIONS)
    return bool(len(written.places)) and any(known)


def may_hold_numbers(texts: pa.Array) -> bool:
    """Whether any of the first texts looks like a number, in whatever notation."""
    head = texts.slice(0, FEW)
    if not pc.all(pc.string_is_ascii(head), min_count=0).as_py():
        head = pa.array(map(as_ascii, head.to_pylist()), pa.string())
    return bool(matches(head, _NUMBERISH).any())
