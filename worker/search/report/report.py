"""What a search found: its winner, the simplest that is as good, what mattered, what is next."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from worker.results import (
    Baseline,
    FieldReport,
    Hint,
    LearningCurve,
    Refit,
    SearchReport,
)
from worker.search.report.axes import Axis, ConfigurationResult, varied_axes
from worker.search.report.choice import candidate, one_standard_error
from worker.search.report.importance import Importance, variance_shares
from worker.search.report.surface import objective_profile, objective_surface
from worker.search.report.worth import bought_nothing, is_believable, unbelievable_importances
from worker.spec import SearchMethod

NEAR = 0.05
"""Share of a range that counts as its edge."""


def summarize(
    axes: Sequence[Axis],
    order: Sequence[ConfigurationResult],
    *,
    maximize: bool,
    objective: str = "validation_loss",
    method: SearchMethod = "random",
    curves: Sequence[LearningCurve] = (),
    refits: Sequence[Refit] = (),
    baseline: Baseline | None = None,
    regularization: Mapping[str, Any] | None = None,
) -> SearchReport:
    """What is to be said of a search, finished or not; sections with too little data are empty.

    Args:
        axes: the searched fields. Those that have the same value everywhere can say nothing.
        order: what its configurations gave, on these axes: those with a value, best first.
        maximize: whether more of the objective is better.
        objective: the metric that decides.
        method: how it chooses.
        curves: of the best and the median.
        refits: the winner trained once more, and the reference beside it.
        baseline: gradient boosting on the same rows.
        regularization: the techniques that all configurations have.
    """
    varied = varied_axes(axes, order)
    computed = variance_shares(varied, order)
    importance = computed if computed is not None and is_believable(computed) else None
    pair = _most_important_pair(varied, order, importance)
    fields = [
        FieldReport(
            path=axis.path,
            kind=axis.kind,
            importance=importance.shares.get(axis.path) if importance else None,
            profile=objective_profile(axis, order, maximize=maximize),
        )
        for axis in varied
    ]
    return SearchReport(
        finished=len(order),
        winner=candidate(order[0]) if order else None,
        one_standard_error=one_standard_error(axes, order, maximize=maximize),
        fields=sorted(fields, key=lambda field: -(field.importance or 0.0)),
        interactions=importance and importance.interactions,
        fit=computed and computed.fit,
        surface=objective_surface(*pair, order, maximize=maximize) if pair else None,
        curves=list(curves),
        hints=boundary_hints(varied, order[0].overrides) if order else [],
        advice=[
            *unbelievable_importances(computed, varied, len(order), method),
            *bought_nothing(
                axes,
                order,
                refits,
                objective=objective,
                maximize=maximize,
                regularization=dict(regularization or {}),
            ),
        ],
        refits=list(refits),
        baseline=baseline,
    )


def median(order: Sequence[ConfigurationResult]) -> ConfigurationResult:
    """The configuration in the middle of the ranking; there must be one."""
    return order[(len(order) - 1) // 2]


def _most_important_pair(
    axes: Sequence[Axis], order: Sequence[ConfigurationResult], importance: Importance | None
) -> tuple[Axis, Axis] | None:
    """The two numbers that matter most, in the order in which they were given."""
    varied = [
        axis
        for axis in axes
        if axis.kind == "number"
        and len({p for r in order if (p := axis.position(r.overrides.get(axis.path))) is not None})
        > 1
    ]
    shares = importance.shares if importance else {}
    first = sorted(varied, key=lambda axis: -shares.get(axis.path, math.nan) if shares else 0)[:2]
    if len(first) < 2:
        return None
    x, y = sorted(first, key=axes.index)
    return x, y


def boundary_hints(axes: Sequence[Axis], best: Mapping[str, Any]) -> list[Hint]:
    """One for each searched number within 5 % of an end of its range, or at an end of a list."""
    return [hint for axis in axes for hint in _hints_of(axis, best)]


def _hints_of(axis: Axis, best: Mapping[str, Any]) -> Iterator[Hint]:
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
            moved = (middle, min(high * 100, axis.maximum))
        else:
            moved = (max(low / 100, axis.minimum or low / 100), middle)
    else:
        middle, width = (low + high) / 2, high - low
        if edge == "high":
            moved = (middle, min(high + width, axis.maximum))
        else:
            moved = (max(low - width, axis.minimum), middle)
    gained = moved[1] > high if edge == "high" else moved[0] < low
    return moved if gained else (low, high)


def _hint(
    axis: Axis,
    edge: Literal["low", "high"],
    value: float,
    where: str,
    ends: tuple[float | None, float | None] = (None, None),
) -> Hint:
    message = f"The best value of {axis.path}, {value:.4g}, lies {where}."
    low, high = ends
    return Hint(path=axis.path, edge=edge, value=value, low=low, high=high, message=message)
