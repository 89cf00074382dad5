"""Dates as numbers, against Python's own calendar."""

import math
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.data.calendar import PARTS, TIME_PARTS, date_parts, part_names

EPOCH = datetime(1970, 1, 1)


def days(moment: datetime) -> float:
    return (moment - EPOCH) / timedelta(days=1)


def expected(moment: datetime) -> list[float]:
    day = moment.date()
    length = (date(day.year, 12, 31) - date(day.year, 1, 1)).days + 1
    turn = 2 * math.pi * (day - date(day.year, 1, 1)).days / length
    hour = 2 * math.pi * (days(moment) % 1)
    return [
        day.year,
        day.month,
        day.weekday(),
        math.sin(turn),
        math.cos(turn),
        days(moment),
        math.sin(hour),
        math.cos(hour),
    ]


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23)))
def test_agrees_with_the_standard_library(moment: datetime) -> None:
    moment = moment.replace(second=0, microsecond=0)
    (parts,) = date_parts(np.array([days(moment)]), time_of_day=True)
    np.testing.assert_allclose(parts, expected(moment), rtol=1e-9, atol=1e-6)
    (without,) = date_parts(np.array([days(moment)]), time_of_day=False)
    np.testing.assert_array_equal(without, parts[: len(PARTS)])


@pytest.mark.parametrize(
    ("text", "year", "month", "weekday", "number", "length"),
    [
        ("2024-02-29", 2024, 2, 3, 59, 366),
        ("2024-12-31", 2024, 12, 1, 365, 366),
        ("1900-03-01", 1900, 3, 3, 59, 365),
        ("2000-03-01", 2000, 3, 2, 60, 366),
        ("1969-12-31", 1969, 12, 2, 364, 365),
        ("1970-01-01", 1970, 1, 3, 0, 365),
    ],
)
def test_leap_days_and_dates_before_1970(
    text: str, year: int, month: int, weekday: int, number: int, length: int
) -> None:
    (parts,) = date_parts(np.array([days(datetime.fromisoformat(text))]), time_of_day=False)
    assert parts[:3].tolist() == [year, month, weekday]
    turn = math.atan2(parts[3], parts[4]) % (2 * math.pi)
    assert turn * length / (2 * math.pi) == pytest.approx(number, abs=1e-6)


def test_a_time_before_1970_belongs_to_its_own_day() -> None:
    (parts,) = date_parts(np.array([days(datetime(1969, 12, 31, 18))]), time_of_day=True)
    assert parts[:3].tolist() == [1969, 12, 2]
    np.testing.assert_allclose(parts[6:], [-1, 0], atol=1e-12)


def test_missing_dates_and_names() -> None:
    parts = date_parts(np.array([np.nan, 0.0]), time_of_day=False)
    assert np.isnan(parts[0]).all()
    assert not np.isnan(parts[1]).any()
    assert part_names(time_of_day=False) == PARTS
    assert part_names(time_of_day=True) == PARTS + TIME_PARTS
    assert date_parts(np.zeros(0), time_of_day=True).shape == (0, 8)


def test_what_is_beyond_the_calendar_stays_finite() -> None:
    assert np.isfinite(date_parts(np.array([3e38, -3e38]), time_of_day=True)).all()
