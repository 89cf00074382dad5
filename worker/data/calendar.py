"""The calendar: a date column's inputs, which are numbers.

A date is days since 1970-01-01 in the Gregorian calendar, with the time of day as their fraction.
"""

import numpy as np
from numpy.typing import NDArray

PARTS = ("year", "month", "weekday", "day_of_year_sin", "day_of_year_cos", "days")
"""The inputs of a date: month from 1, weekday from 0 for Monday, the place in the year on a circle,
and days since the first training row."""
TIME_PARTS = ("time_of_day_sin", "time_of_day_cos")
"""Those of a time of day besides: its place on a circle of 24 hours."""
DAYS = PARTS.index("days")
FIRST_DAY, LAST_DAY = -719_162.0, 2_932_896.0
"""The days of the years 1 to 9999: what is beyond is no date that a file may hold."""


def part_names(*, time_of_day: bool) -> tuple[str, ...]:
    """The names of the inputs that a date becomes, in order."""
    return PARTS + TIME_PARTS if time_of_day else PARTS


def date_parts(dates: NDArray[np.float64], *, time_of_day: bool) -> NDArray[np.float64]:
    """The inputs of dates, [N] → [N, parts], as `date_columns` has them."""
    return np.stack(date_columns(dates, time_of_day=time_of_day), axis=1)


def date_columns(dates: NDArray[np.float64], *, time_of_day: bool) -> list[NDArray[np.float64]]:
    """The inputs of dates [N], each [N]; all NaN where a date is missing.

    Of day d of a year of n days, counted from 0, sine and cosine of 2πd/n; `days` are those since
    1970-01-01.
    """
    missing = np.isnan(dates)
    days = np.clip(np.where(missing, 0.0, dates), FIRST_DAY, LAST_DAY)
    whole = np.floor(days)
    columns = [*_day_columns(whole), days]
    if time_of_day:
        hour = 2 * np.pi * (days - whole)
        columns += [np.sin(hour), np.cos(hour)]
    if missing.any():
        for column in columns:
            column[missing] = np.nan
    return columns


def _day_columns(whole: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The parts that a day alone decides, worked out once a day where days come again."""
    numbers = whole.astype(np.int64)
    first = int(numbers.min(initial=int(LAST_DAY)))
    count = int(numbers.max(initial=first)) - first + 1
    if count < len(whole):
        numbers -= first
        return [column[numbers] for column in _day_columns(first + np.arange(float(count)))]
    day = numbers.astype("datetime64[D]")
    year, month = day.astype("datetime64[Y]"), day.astype("datetime64[M]")
    length = (year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")
    turn = 2 * np.pi * ((day - year.astype("datetime64[D]")) / length)
    return [
        (year.astype(np.int64) + 1970).astype(np.float64),
        (month.astype(np.int64) % 12 + 1).astype(np.float64),
        (whole + 3) % 7,  # 1970-01-01 was a Thursday
        np.sin(turn),
        np.cos(turn),
    ]
