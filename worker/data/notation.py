"""How numbers and dates are written in a column's cells."""

from datetime import UTC, datetime
from math import isfinite

from worker.data.table import Column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400.0


def parse_number(text: str, column: Column) -> float | None:
    """The number that a text is in the column's notation; none if it is no finite number."""
    del column
    try:
        number = float(text) if "_" not in text else None
    except ValueError:
        return None
    return number if number is not None and isfinite(number) else None


def parse_date(text: str) -> float | None:
    """Days since 1970-01-01, the time of day as their fraction; none if the text is no date."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds() / _DAY
