"""Where the best configuration lies on an edge of the space, and what to search next."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from worker.search.report.records import Axis

NEAR = 0.05
"""Share of a range that counts as its edge."""


@dataclass(frozen=True)
class Hint:
    """A field whose best value lies on an edge, and the range to try instead."""

    path: str
    edge: Literal["low", "high"]
    value: float
    """The best configuration's."""
    low: float | None
    """The next range; none where values were listed, and where the field goes no further."""
    high: float | None
    message: str


def hints(axes: Sequence[Axis], best: Mapping[str, Any]) -> list[Hint]:
    """One for each searched number within 5 % of an end of its range, or at an end of a list."""
    return [hint for axis in axes for hint in _of(axis, best)]


def _of(axis: Axis, best: Mapping[str, Any]) -> Iterator[Hint]:
    position = axis.position(best.get(axis.path)) if axis.kind == "number" else None
    if position is None:
        return
    value = float(best[axis.path])
    edge: Literal["low", "high"] = "high" if position > 0.5 else "low"
    if axis.low is None:
        if len(axis.levels) > 2 and position in (0.0, 1.0):
            side = "above" if edge == "high" else "below"
            yield _hint(
                axis, edge, value, f"the {edge}est of the values tried: add values {side} it"
            )
        return
    if NEAR < position < 1 - NEAR or axis.low == axis.high:
        return
    low, high = _further(axis, edge)
    if (low, high) == (axis.low, axis.high):
        how = "where the field ends"
        if edge == "low" and axis.minimum == 0:
            how += ": compare with the technique left out"
        yield _hint(axis, edge, value, how)
        return
    yield _hint(
        axis,
        edge,
        value,
        f"at the {edge} end of {axis.low:g} to {axis.high:g}: search {low:g} to {high:g} next",
        (low, high),
    )


def _further(axis: Axis, edge: str) -> tuple[float, float]:
    """The range moved on towards an edge: two decades on a logarithmic scale, else its width."""
    low, high = axis.low or 0.0, axis.high or 0.0
    if axis.log:
        middle = low * math.sqrt(high / low)
        if edge == "high":
            found = (middle, min(high * 100, axis.maximum))
        else:
            found = (max(low / 100, axis.minimum or low / 100), middle)
    else:
        middle, width = (low + high) / 2, high - low
        if edge == "high":
            found = (middle, min(high + width, axis.maximum))
        else:
            found = (max(low - width, axis.minimum), middle)
    gained = found[1] > high if edge == "high" else found[0] < low
    return found if gained else (low, high)


def _hint(
    axis: Axis,
    edge: Literal["low", "high"],
    value: float,
    where: str,
    ends: tuple[float | None, float | None] = (None, None),
) -> Hint:
    message = f"The best value of {axis.path}, {value:.4g}, lies {where}."
    return Hint(axis.path, edge, value, *ends, message=message)
