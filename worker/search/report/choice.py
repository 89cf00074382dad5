"""Which configuration of a search wins: the best mean, or by one standard error the simplest.

Said once, for the report and for what a job registers.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any

from worker.results import Candidate, Group, OneStandardError
from worker.search.report.axes import (
    Axis,
    ConfigurationResult,
    axes_of,
    in_order,
    is_numeric_value,
    varied_axes,
)
from worker.search.space import EMBEDDING, SIGMA
from worker.spec import SearchSpec
from worker.statistics import interval

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


def winner_of(search: SearchSpec, groups: Sequence[Group], *, maximize: bool) -> int | None:
    """The number of the configuration that a search chooses; none where none can win.

    Args:
        search: with its space written out.
        groups: what its configurations came to.
        maximize: whether more of the objective is better.
    """
    axes = axes_of(search.space) if isinstance(search.space, dict) else []
    order = in_order(axes, groups)
    if not order:
        return None
    if search.choose == "one_standard_error":
        choice = one_standard_error(axes, order, maximize=maximize).choice
        if choice is not None:
            return choice.configuration
    return order[0].configuration


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


def one_standard_error(
    axes: Sequence[Axis], order: Sequence[ConfigurationResult], *, maximize: bool
) -> OneStandardError:
    """The one-standard-error rule: of all that are as good as the winner, the simplest.

    As good is a mean no further from the winner's than the standard error of the winner's mean;
    `simplicity` says what is simple, and of equally simple ones the better is taken. Only
    configurations that trained to the end and have as many values as the winner take part.

    Args:
        axes: the searched fields; those that have the same value everywhere do not count.
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
    varied = varied_axes(axes, order)
    if not can_be_simpler(varied):
        note = "No searched field makes a network smaller or holds it back more or less."
        return OneStandardError(choice=None, limit=limit, within=len(good), note=note)
    chosen = min(good, key=lambda result: simplicity(varied, result.overrides))  # ties: the better
    return OneStandardError(
        choice=candidate(chosen),
        limit=limit,
        within=len(good),
        note="The winner itself is the simplest of them." if chosen is best else None,
    )


def simplicity(axes: Sequence[Axis], overrides: Mapping[str, Any]) -> tuple[float, float, float]:
    """A sorting key: the simplest configuration has the smallest.

    1. The size of the network, as far as it is searched: the product of the weights between hidden
       layers (`hidden`) and of the numbers of the network's other searched fields, but for the
       scale of frequencies; an embedding counts double.
    2. Less the amount of regularization: over the searched strengths, probabilities and the like,
       the mean position on their scales from 0, the weakest, to 1, the strongest; 0 where the
       technique is off.
    3. Less the number of searched techniques that are on.
    """
    size = prod(
        _size(overrides[axis.path], embedding=axis.path == EMBEDDING)
        for axis in axes
        if axis.path.startswith("network.") and axis.path in overrides and axis.path != SIGMA
    )
    held = [amount for axis in axes if (amount := _amount(axis, overrides)) is not None]
    on = sum(bool(axis.position(overrides.get(axis.path))) for axis in axes if _is_switch(axis))
    return (size, -sum(held) / len(held) if held else 0.0, -float(on))


def can_be_simpler(axes: Sequence[Axis]) -> bool:
    """Whether one of these fields takes part in this order."""
    return any(
        (axis.path.startswith("network.") and axis.path != SIGMA)
        or _is_switch(axis)
        or _direction(axis) != 0
        for axis in axes
    )


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


def _size(value: Any, *, embedding: bool = False) -> float:
    if embedding:
        return 2.0 if value else 1.0
    if is_numeric_value(value):
        return float(value)
    if (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(map(is_numeric_value, value))
    ):
        widths = [1.0, *map(float, value), 1.0]
        return sum(a * b for a, b in pairwise(widths))
    return 1.0
