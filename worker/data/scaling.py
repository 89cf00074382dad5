"""Scaling: how numbers are filled, centred and scaled, as the training rows have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from worker.data.calendar import DAYS, date_parts
from worker.data.table import Column, Table

SOFT_LIMIT = 3.0
"""What smooth clipping tends to."""


@dataclass(frozen=True, eq=False)
class Observed:
    """The P numbers of N training rows: of numeric columns, and the parts of dates."""

    filled: NDArray[np.float64]
    """[N, P], with no cell missing; days of a date from its origin."""
    fill: NDArray[np.float64]
    """[P]: what missing cells became."""
    origin: NDArray[np.float64]
    """[P]: of the days of a date the earliest one; 0 elsewhere."""

    @classmethod
    def of(cls, table: Table, columns: Sequence[Column], rows: NDArray[np.int64]) -> Self:
        """Those of some columns, with missing cells filled."""
        numbers: list[NDArray[np.float64]] = []
        dates: list[tuple[int, NDArray[np.float64], float]] = []
        for column in columns:
            values = table.values[column.name]
            if column.kind == "numeric":
                numbers.append(values[rows])
            elif column.kind == "date":
                parts, fill, origin = _dates(values[rows], time_of_day=column.time_of_day)
                dates.append((len(numbers), fill, origin))
                numbers.extend(parts.T)
        if not numbers:
            return cls(np.zeros((1, 0)), np.zeros(0), np.zeros(0))
        observed = np.stack(numbers, axis=1)
        fills, origins = _median(observed), np.zeros(len(numbers))
        for place, fill, origin in dates:
            fills[place : place + len(fill)] = fill
            origins[place + DAYS] = origin
        return cls(np.where(np.isnan(observed), fills, observed), fills, origins)


def _dates(
    dates: NDArray[np.float64], *, time_of_day: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The parts of the training rows' dates, [N, parts], none missing; those of the median date;
    and the earliest date, from which their `days` count.
    """
    present = np.sort(dates[~np.isnan(dates)])
    # The earlier of two in the middle: a mean of both would invent a time of day.
    median = present[(len(present) - 1) // 2] if present.size else 0.0
    origin = float(present[0]) if present.size else 0.0
    filled = np.append(np.where(np.isnan(dates), median, dates), median)
    parts = date_parts(filled, time_of_day=time_of_day)
    parts[:, DAYS] -= origin
    return parts[:-1], parts[-1], origin


def _median(observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of each column without its NaNs; 0 for a column of nothing else: [N, P] → [P]."""
    ranked = np.sort(observed, axis=0)  # NaN is sorted to the end
    count = (~np.isnan(ranked)).sum(axis=0)
    lower = np.take_along_axis(ranked, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    upper = np.take_along_axis(ranked, np.minimum(count // 2, len(ranked) - 1)[None], axis=0)[0]
    return np.where(count > 0, (lower + upper) / 2, 0.0)


def center_and_scale(
    filled: NDArray[np.float64], constant: NDArray[np.bool_], method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and scale of each column, [N, P] → [P], [P]; scale 1 for a constant column."""
    features = filled.shape[1]
    if method == "none":
        return np.zeros(features), np.ones(features)
    # The mean of equal numbers may differ from them in the last bit, and their sd from 0.
    deviation = np.where(constant, 0.0, filled.std(axis=0))
    if method == "standardize":
        center, scale = np.where(constant, filled[0], filled.mean(axis=0)), deviation
    elif method == "robust_smooth_clip":
        low, center, high = np.quantile(filled, (0.25, 0.5, 0.75), axis=0)
        half = (filled.max(axis=0) - filled.min(axis=0)) / 2
        scale = np.where(high > low, high - low, half)
    else:
        low, center, high = np.quantile(filled, (0.25, 0.5, 0.75), axis=0)
        scale = np.where(high > low, high - low, deviation)
    return center, np.where(scale > 0, scale, 1.0)


def smooth_clip(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """``z / √(1 + (z/3)²)``: about z near 0, and never beyond ±3. |z| is 1e150 at most.

    Source: Holzmüller, Grinsztajn & Steinwart 2024, arXiv:2407.04491, appendix
    """
    return scaled / np.sqrt(1.0 + np.square(scaled / SOFT_LIMIT))
