"""Dates: texts that are dates, and the days that they are.

A date is a float: days since 1970-01-01, the time of day as its fraction, in UTC where the text
names a zone, as written where it does not.

Decisions:

* The year first (2024-05-31, 2024/5/31, ISO 8601 with time and zone), the day first (31.5.2024,
  31/05/2024), the month first (05/31/2024), or the month by its English name (31 May 2024).
* Of 05/06/2024, only another cell of the column can tell the day from the month: one of them above
  12. Where none does, the order is not guessed. With points the day comes first.
* Digits alone (20240531, 202405, 1700000000 seconds since 1970) are dates only where they are
  declared to be.
* Years of two digits lie between 1969 and 2068, as POSIX has it.
* A time alone is no date: it is recognized, so that it can be named.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.few import FewParts
from worker.data.patterns import FEW, extract, match_few, matches

DateOrder = Literal["year_first", "day_first", "month_first"]
"""What the first number of a date is; for one that names its month, whether the day precedes it."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? +)?"
_TIME = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:[.,][0-9]{1,9})?))?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?"
)
_ZONE = r" ?(?P<zone>z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_BEHIND = rf"(?:(?:t|,? +|:){_TIME}{_ZONE})?$"
_DAY, _YEAR = r"(?P<day>[0-9]{1,2})", r"(?P<year>[0-9]{4}|[0-9]{2})"


@dataclass(frozen=True)
class _Pattern:
    """How dates may be written."""

    order: DateOrder | None
    """The order of its numbers; none where the texts must tell it."""
    text: str
    mark: str = ""
    """What all such dates hold."""


def _numeric(mark: str) -> _Pattern:
    """Day and month in an order that is still to be told, then the year."""
    first, second = r"(?P<first>[0-9]{1,2})", r"(?P<other>[0-9]{1,2})"
    return _Pattern(None, rf"(?i)^{first}{mark}{second}{mark}{_YEAR}{_BEHIND}", mark[-1])


def _year_first(mark: str) -> _Pattern:
    month = r"(?P<month>[0-9]{1,2})"
    text = rf"(?i)^(?P<year>[0-9]{{4}}){mark}{month}{mark}{_DAY}{_BEHIND}"
    return _Pattern("year_first", text, mark[-1])


_WITH_POINTS = _numeric(r"\.")
_COMPACT_DAY = r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
_COMPACT_TIME = r"(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})?(?P<half>)"
_COMPACT = (
    _Pattern("year_first", rf"^{_COMPACT_DAY}(?:{_COMPACT_TIME}(?P<zone>))?$"),
    _Pattern("year_first", r"^(?P<year>19[0-9]{2}|20[0-9]{2})(?P<month>0[1-9]|1[0-2])$"),
    _Pattern("year_first", r"^(?P<ticks>[0-9]{10}(?:[0-9]{3}|[0-9]{6})?)(?:\.[0-9]{0,9})?$"),
)
"""20240531, 20240531143000, 202405, and seconds, milliseconds or microseconds since 1970: numbers,
unless they are declared to be dates."""
_TIME_ALONE = _Pattern(None, rf"(?i)^{_TIME}{_ZONE}$", ":")
_PATTERNS = (
    *map(_year_first, ("-", "/", r"\.")),
    _Pattern("year_first", r"^(?P<year>[0-9]{4})-(?P<month>[0-9]{2})$", "-"),
    _Pattern(
        "day_first", rf"(?i)^{_WEEKDAY}{_DAY}(?:st|nd|rd|th)?[ /-]*{_MONTH},?[ /-]*{_YEAR}{_BEHIND}"
    ),
    _Pattern(
        "month_first",
        rf"(?i)^{_WEEKDAY}{_MONTH}[ -]+{_DAY}(?:st|nd|rd|th)?,?[ -]+{_YEAR}{_BEHIND}",
    ),
    _Pattern(
        "month_first",
        rf"(?i)^{_WEEKDAY}{_MONTH} +{_DAY} +{_TIME}{_ZONE} +(?P<year>[0-9]{{4}})$",
        ":",
    ),
    _Pattern("year_first", rf"(?i)^{_COMPACT_DAY}t{_COMPACT_TIME}{_ZONE}$", "T"),
    _numeric("/"),
    _numeric("-"),
    _WITH_POINTS,
    *_COMPACT,
    _TIME_ALONE,
)
_NAMES = "(?:" + "|".join(_MONTHS) + ")"
_MAY_BE = rf"(?i)[0-9][-/.:t][0-9]|[0-9].*{_NAMES}|{_NAMES}.*[0-9]"
"""What all dates have; cheap to look for."""


@dataclass(frozen=True)
class Dates:
    """What texts are as dates."""

    order: DateOrder | None
    """The order of their numbers; none where it is not clear, or where they are times alone."""
    days: NDArray[np.float64]
    """Days since 1970-01-01, NaN where a text is no date: [texts]. All NaN where the order is not
    clear."""
    mask: NDArray[np.bool_]
    """Which texts are dates, or times: [texts]."""
    times: bool = False
    """Whether they are times of day, without a date."""

    @property
    def ambiguous(self) -> bool:
        """Whether day and month cannot be told apart."""
        return self.order is None and not self.times


def find_dates(
    texts: pa.Array, *, order: DateOrder | None = None, compact: bool = False
) -> Dates | None:
    """What trimmed texts are as dates, in the pattern that most of them have; none if none is one.

    Args:
        texts: distinct texts, none of them missing.
        order: the order of day and month, where it is known.
        compact: whether digits alone may be a date: 20240531, 202405, or seconds since 1970.
    """
    head = texts.slice(0, FEW)
    if not compact and not matches(head, _MAY_BE).any():
        return None
    listed = head.to_pylist()
    known = (p for p in _PATTERNS if compact or p not in _COMPACT)
    if len(texts) <= FEW:
        known = (p for p in known if any(p.mark in text for text in listed))
    patterns = tuple(known)
    # Most columns have one pattern, and show it early.
    likely = [p for p in patterns if any(match_few(t, p.text) is not None for t in listed)]
    if not likely:
        return None
    found = [dates for p in likely if (dates := _by(texts, p, order)) is not None]
    if not found:
        return None
    best = max(found, key=lambda dates: (not dates.times, int(dates.mask.sum())))
    if best.ambiguous or best.times:
        return best
    # 2024-05-31 beside 31 May 2024: each is clear by itself.
    days, mask = best.days.copy(), best.mask.copy()
    for pattern in patterns if not mask.all() else ():
        left = np.flatnonzero(~mask)
        more = _by(texts.take(pa.array(left)), pattern, order) if left.size else None
        if more is not None and not more.ambiguous and not more.times:
            days[left], mask[left] = more.days, more.mask
    return Dates(best.order, days, mask)


def _by(texts: pa.Array, pattern: "_Pattern", order: DateOrder | None) -> Dates | None:
    """What texts are by one pattern."""
    if pattern.order is None and pattern is not _TIME_ALONE:
        return _numbers(texts, pattern, order)
    days = _days(texts, pattern.text)
    if days is None:
        return None
    return Dates(pattern.order, days, ~np.isnan(days), times=pattern is _TIME_ALONE)


def _numbers(texts: pa.Array, pattern: "_Pattern", order: DateOrder | None) -> Dates | None:
    """Texts of two numbers and a year, whose order the largest of them tells."""
    matched, parts = _parts(texts, pattern.text)
    if parts is None:
        return None
    first, second = parts.numbers("first"), parts.numbers("other")
    if order not in ("day_first", "month_first"):
        if pattern is _WITH_POINTS:
            order = "day_first"
        elif (first > 12).any() != (second > 12).any():
            order = "day_first" if (first > 12).any() else "month_first"
        elif (first > 12).any():
            # Neither order fits all: the one that fits more leaves the others over.
            order = "day_first" if (second <= 12).sum() >= (first <= 12).sum() else "month_first"
        else:
            order = None
    days = np.full(len(texts), np.nan)
    if order is None:
        return Dates(None, days, matched)
    day, month = (first, second) if order == "day_first" else (second, first)
    days[matched] = _joined(parts, parts.years(), month, day)
    return Dates(order, days, ~np.isnan(days))


def _days(texts: pa.Array, pattern: str) -> NDArray[np.float64] | None:
    """Days by a pattern that names its parts, NaN where a text is no such date; none if all are."""
    matched, parts = _parts(texts, pattern)
    if parts is None:
        return None
    days = np.full(len(texts), np.nan)
    if "ticks" in parts.names:
        days[matched] = _since_1970(parts.numbers("ticks"))
    elif "year" not in parts.names:
        days[matched] = parts.time()
    else:
        month = parts.months(_MONTHS) if "name" in parts.names else parts.numbers("month")
        day = parts.numbers("day") if "day" in parts.names else np.ones(len(month))
        days[matched] = _joined(parts, parts.years(), month, day)
    return None if np.isnan(days).all() else days


def _since_1970(ticks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Days from seconds of ten digits, milliseconds of 13, microseconds of 16."""
    unit = np.where(ticks < 1e10, 1.0, np.where(ticks < 1e13, 1e3, 1e6))
    return np.asarray(ticks / unit / 86_400)


def _parts(texts: pa.Array, pattern: str) -> "tuple[NDArray[np.bool_], _Parts | FewParts | None]":
    """Which texts match, and their parts; none where no text does."""
    if len(texts) <= FEW:
        each = [match_few(text, pattern) for text in texts.to_pylist()]
        matching = [part for part in each if part is not None]
        matched = np.array([part is not None for part in each], dtype=bool)
        return matched, FewParts(matching) if matching else None
    found = extract(texts, pattern)
    matched = found.is_valid().to_numpy(zero_copy_only=False)
    return matched, _Parts(found.filter(pa.array(matched))) if matched.any() else None


class _Parts:
    """The named parts of texts that match a pattern."""

    def __init__(self, found: pa.StructArray) -> None:
        self._found = found
        self.names = [field.name for field in found.type]

    def text(self, name: str) -> pa.Array:
        return pc.struct_field(self._found, name)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The part as a number, 0 where it is not there."""
        text = pc.replace_substring(self.text(name), ",", ".")
        text = pc.if_else(pc.equal(text, ""), "0", text)
        return np.asarray(pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False))

    def months(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        short = pc.utf8_lower(pc.utf8_slice_codeunits(self.text("name"), 0, 3))
        return np.asarray(pc.index_in(short, value_set=pa.array(names)).to_numpy() + 1)

    def years(self) -> NDArray[np.float64]:
        years = self.numbers("year")
        short = pc.equal(pc.utf8_length(self.text("year")), 2).to_numpy(zero_copy_only=False)
        return np.where(short, np.where(years < 69, years + 2000, years + 1900), years)

    def time(self) -> NDArray[np.float64]:
        """The time of day as a fraction of it, NaN where there is no such time."""
        if "hour" not in self.names or not pc.any(pc.not_equal(self.text("hour"), "")).as_py():
            return np.zeros(len(self._found))
        hour, minute, second = map(self.numbers, ("hour", "minute", "second"))
        half = pc.utf8_lower(self.text("half"))
        in_half, evening = (
            pc.is_in(half, value_set=pa.array(marks)).to_numpy(zero_copy_only=False)
            for marks in (["a", "p"], ["p"])
        )
        valid = np.where(in_half, (hour >= 1) & (hour <= 12), hour <= 24)
        valid &= (minute < 60) & (second < 61)
        hour = np.where(in_half, hour % 12 + 12 * evening, hour)
        zone = pc.utf8_lower(self.text("zone"))
        digits = pc.replace_substring_regex(zone, "[^0-9]", "")
        digits = pc.utf8_slice_codeunits(pc.utf8_rpad(digits, 4, "0"), 0, 4)
        offset = pc.cast(digits, pa.float64()).to_numpy(zero_copy_only=False)
        offset = (offset // 100) * 60 + offset % 100
        west = pc.starts_with(zone, "-").to_numpy(zero_copy_only=False)
        minutes = hour * 60 + minute + second / 60 - np.where(west, -offset, offset)
        return np.where(valid, minutes / 1440, np.nan)


def _joined(
    parts: _Parts | FewParts,
    years: NDArray[np.float64],
    months: NDArray[Any],
    days: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Days since 1970-01-01; NaN where the calendar has no such day."""
    valid = (months >= 1) & (months <= 12) & (days >= 1) & (years >= 1)
    count = (np.where(valid, years - 1970, 0) * 12 + np.where(valid, months - 1, 0)).astype(
        np.int64
    )
    starts = count.astype("datetime64[M]")
    begin, end = starts.astype("datetime64[D]"), (starts + 1).astype("datetime64[D]")
    valid &= days <= (end - begin).astype(np.int64)
    whole = begin.astype(np.int64) + days - 1
    return np.where(valid, whole + parts.time(), np.nan)
