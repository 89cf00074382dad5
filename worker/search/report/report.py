"""What a search found: its winner, the simplest that is as good, what mattered, what is next."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, Literal

from worker.results import (
    Baseline,
    Candidate,
    FieldReport,
    Hint,
    LearningCurve,
    OneStandardError,
    Refit,
    SearchReport,
)
from worker.search.report.axes import Axis, ConfigurationResult, is_number
from worker.search.report.importance import Importance, variance_shares
from worker.search.report.surface import objective_profile, objective_surface
from worker.search.report.worth import bought_nothing, is_believable, unbelievable_importances
from worker.spec import SearchMethod
from worker.statistics import interval

NEAR = 0.05
"""Share of a range that counts as its edge."""
MORE_IS_SIMPLER = frozenset(
    {
        "activations",
        "alpha",
        "deviation",
        "epsilon",
        "input",
        "input_p",
        "p",
        "share",
        "smoothing",
        "strength",
        "weights",
    }
)
"""Fields of techniques that hold a network back the more, the larger they are."""
LESS_IS_SIMPLER = frozenset({"norm", "patience"})
"""Fields of techniques that hold a network back the more, the smaller they are."""
NEUTRAL = frozenset({"batch_norm", "layer_norm"})
"""Techniques whose ε and the like say nothing of how much they hold back."""


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
    varied = [axis for axis in axes if len({str(r.overrides.get(axis.path)) for r in order}) > 1]
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
        one_standard_error=simplest(varied, order, maximize=maximize),
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


def candidate(result: ConfigurationResult) -> Candidate:
    """A configuration with mean, standard error and interval of its objective."""
    return Candidate(
        configuration=result.configuration,
        overrides=result.overrides,
        mean=result.mean,
        standard_error=result.error,
        interval=interval(result.values),
        n=len(result.values),
    )


def simplest(
    axes: Sequence[Axis], order: Sequence[ConfigurationResult], *, maximize: bool
) -> OneStandardError:
    """The one-standard-error rule: of all that are as good as the winner, the simplest.

    As good is a mean no further from the winner's than the standard error of the winner's mean;
    `simplicity` says what is simple, and of equally simple ones the better is taken. Only
    configurations that trained to the end and have as many values as the winner take part.

    Args:
        axes: the searched fields.
        order: what the configurations gave, best first.
        maximize: whether more of the objective is better.

    Source: Breiman et al. 1984, Classification and Regression Trees, §3.4.3.
    """
    if not order:
        note = "No configuration has finished."
        return OneStandardError(choice=None, limit=None, within=0, note=note)
    best = order[0]
    if best.error is None:
        note = "A standard error needs repeats or folds: ask for repeats of 3 or more, or folds."
        return OneStandardError(choice=None, limit=None, within=1, note=note)
    limit = best.mean - best.error if maximize else best.mean + best.error
    good = [
        result
        for result in order
        if len(result.values) >= len(best.values)
        and not result.halved
        and (result.mean >= limit if maximize else result.mean <= limit)
    ]
    if not any(map(_counts, axes)):
        note = "No searched field makes a network smaller or holds it back more or less."
        return OneStandardError(choice=None, limit=limit, within=len(good), note=note)
    chosen = min(good, key=lambda result: simplicity(axes, result.overrides))  # ties: the better
    return OneStandardError(
        choice=candidate(chosen),
        limit=limit,
        within=len(good),
        note="The winner itself is the simplest of them." if chosen is best else None,
    )


def simplicity(axes: Sequence[Axis], overrides: Mapping[str, Any]) -> tuple[float, float, float]:
    """A sorting key: the simplest configuration has the smallest.

    1. The size of the network, as far as it is searched: the product of the weights between hidden
       layers (`hidden`) and of the numbers of the network's other searched fields.
    2. Less the amount of regularization: over the searched strengths, probabilities and the like,
       the mean position on their scales from 0, the weakest, to 1, the strongest; 0 where the
       technique is off.
    3. Less the number of searched techniques that are on.
    """
    size = prod(
        _size(overrides[axis.path])
        for axis in axes
        if axis.path.startswith("network.") and axis.path in overrides
    )
    held = [amount for axis in axes if (amount := _amount(axis, overrides)) is not None]
    on = sum(bool(axis.position(overrides.get(axis.path))) for axis in axes if _is_switch(axis))
    return (size, -sum(held) / len(held) if held else 0.0, -float(on))


def _counts(axis: Axis) -> bool:
    """Whether a field takes part in this order."""
    return axis.path.startswith("network.") or _is_switch(axis) or _direction(axis) != 0


def _is_switch(axis: Axis) -> bool:
    return axis.kind == "switch" and axis.path.startswith("regularization.")


def _direction(axis: Axis) -> int:
    section, *rest = axis.path.split(".")
    if section != "regularization" or axis.kind != "number" or rest[0] in NEUTRAL:
        return 0
    return (rest[-1] in MORE_IS_SIMPLER) - (rest[-1] in LESS_IS_SIMPLER)


def _amount(axis: Axis, overrides: Mapping[str, Any]) -> float | None:
    direction = _direction(axis)
    if direction == 0:
        return None
    position = axis.position(overrides.get(axis.path))
    if position is None:
        return 0.0
    return position if direction > 0 else 1 - position


def _size(value: Any) -> float:
    if is_number(value):
        return float(value)
    if isinstance(value, Sequence) and not isinstance(value, str) and all(map(is_number, value)):
        widths = [1.0, *map(float, value), 1.0]
        return sum(a * b for a, b in pairwise(widths))
    return 1.0


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
