"""Few texts: the parts of numbers and dates by Python, faster than Arrow where there are few.

Each does what its counterpart in `notation.py` or `dates.py` does with many.
"""

import re
from unicodedata import decimal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from worker.data.patterns import match_few

MINUS = "[\u2212\u2012\u2013\ufe63\uff0d]"
SPACE = "[\u00a0\u2007\u2008\u2009\u200a\u202f]"
APOSTROPHE = "[\u2019\u02bc\u00b4]"
_MARKS = "\uff0c\uff0e\u066b\u066c\uff0b\uff08\uff09"
"""Of full width and Arabic: comma, point, decimal mark, mark of thousands, plus, parentheses."""
_NO_DIGIT = re.compile("[^0-9]")


class _AsAscii(dict[int, int | str]):
    """Signs of numbers → the plain ones; digits of any script are looked up when they are met."""

    def __missing__(self, code: int) -> int | str:
        digit = decimal(chr(code), -1)
        self[code] = code if digit < 0 else ord("0") + digit
        return self[code]


_AS_ASCII = _AsAscii(
    {
        ord(mark): plain
        for marks, plain in ((MINUS, "-"), (SPACE, " "), (APOSTROPHE, "'"))
        for mark in marks[1:-1]
    }
    | dict(zip(map(ord, _MARKS), ",..,+()", strict=True))
)
STRANGE = rf"[^0-9\PN]|[{_MARKS}]"
"""Holds what `as_ascii` alone knows: no ASCII digit, or another mark."""


def as_ascii(text: str) -> str:
    """The text with plain digits, marks, signs and blanks in the place of others that mean them."""
    return text if text.isascii() else text.translate(_AS_ASCII)


def unwrapped(text: str) -> str:
    """A number without what marks it as a text in spreadsheets and SQL: ="5", '5 and '5'."""
    match = _WRAPPED.fullmatch(text) if text[:1] in ("=", "'") else None
    return text if match is None else match[1] or match[2]


WRAPPED = r"^(?:=\"([^\"]*)\"|'([^']*)'?)$"
_WRAPPED = re.compile(WRAPPED)


def tail_sign(body: str, tail: str) -> float | None:
    """What stands right behind a number's digits: the sign that it means, none if it means nothing.

    5,- and 5.-- and 5/- say that there are no cents; 5.20- is -5.2, as older programs write it; 5-
    may be a grade.
    """
    if tail != "-" or body.endswith("."):
        return 1.0
    return -1.0 if "." in body or "," in body else None


def few_parts(
    texts: list[str], pattern: str
) -> tuple[NDArray[np.int64], pa.Array, NDArray[np.float64], pa.Array]:
    """Of texts that may be numbers: places, bodies, signs and units; see `notation.Written`."""
    places, bodies, signs, units = [], [], [], []
    for place, text in enumerate(texts):
        part = match_few(unwrapped(as_ascii(text)), pattern)
        if part is None:
            continue
        behind = tail_sign(part["body"], part["tail"])
        if behind is None or (behind < 0 and (part["open"] or part["sign"] or part["inner"])):
            continue
        opened, signed, inner = (bool(part[name]) for name in ("open", "sign", "inner"))
        good = opened == bool(part["close"]) and not (opened and (signed or inner))
        if not good or (signed and inner) or (part["before"] and part["after"]):
            continue
        places.append(place)
        bodies.append(part["body"])
        negative = opened or behind < 0 or "-" in (part["sign"], part["inner"])
        signs.append(-1.0 if negative else 1.0)
        units.append((part["before"] + part["after"]).upper().replace("％", "%"))
    return (
        np.array(places, dtype=np.int64),
        pa.array(bodies, pa.string()),
        np.array(signs, dtype=np.float64),
        pa.array(units, pa.string()),
    )


def few_numbers(bodies: list[str], decimal: str, thousands: str | None) -> NDArray[np.float64]:
    """Numbers of bodies that are written with these marks."""
    if thousands is not None:
        bodies = [body.replace(thousands, "") for body in bodies]
    if decimal == ",":
        bodies = [body.replace(",", ".") for body in bodies]
    return np.array([float(body) for body in bodies], dtype=np.float64)


class FewParts:
    """The named parts of a few texts that match a pattern of dates; see `dates.py`."""

    def __init__(self, found: list[dict[str, str]]) -> None:
        self._found = found
        self.names = list(found[0])

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The part as a number, 0 where it is not there."""
        return np.array([_number(part[name]) for part in self._found])

    def months(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """The month by its name, counted from 1."""
        return np.array([names.index(part["name"][:3].lower()) + 1 for part in self._found])

    def years(self) -> NDArray[np.float64]:
        """Years, of two digits or four."""
        return np.array([_year(part["year"]) for part in self._found])

    def time(self) -> NDArray[np.float64]:
        """The time of day as a fraction of it, NaN where there is no such time."""
        if not any(part.get("hour") for part in self._found):
            return np.zeros(len(self._found))
        return np.array([_time(part) for part in self._found])


def _number(text: str) -> float:
    return float(text.replace(",", ".")) if text else 0.0


def _year(text: str) -> float:
    year = float(text)
    if len(text) == 2:
        year += 2000.0 if year < 69.0 else 1900.0
    return year


def _time(part: dict[str, str]) -> float:
    hour, minute, second = (_number(part[name]) for name in ("hour", "minute", "second"))
    half = part["half"].lower()
    if half:
        valid = 1 <= hour <= 12
        hour = hour % 12 + (12 if half == "p" else 0)
    else:
        valid = hour <= 24
    if not valid or minute >= 60 or second >= 61:
        return float("nan")
    zone = part["zone"]
    digits = float(_NO_DIGIT.sub("", zone).ljust(4, "0")[:4])
    offset = (digits // 100) * 60 + digits % 100
    minutes = hour * 60 + minute + second / 60 - (-offset if zone.startswith("-") else offset)
    return minutes / 1440
