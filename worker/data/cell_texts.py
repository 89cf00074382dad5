"""Texts of a prediction's cells as numbers and dates, read as the column's own cells were.

Texts are parsed a column at a time, since a request may have very many.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from worker.data.table import Column

_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400.0


def parse_numbers(texts: Sequence[str], column: Column) -> NDArray[np.float64]:
    """The numbers that texts are in the column's notation; NaN where one is no finite number."""
    del column
    trimmed = [text.strip() for text in texts]
    numbers = np.array([float(t) if _PLAIN.fullmatch(t) else np.nan for t in trimmed])
    return np.where(np.isfinite(numbers), numbers, np.nan)


def parse_dates(texts: Sequence[str], column: Column) -> NDArray[np.float64]:
    """Days since 1970-01-01, with the time of day as their fraction; NaN where one is no date."""
    del column
    return np.array([_days(text.strip()) for text in texts], dtype=np.float64)


def _days(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return np.nan
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds() / _DAY
