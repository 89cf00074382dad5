"""Which of two configurations is the simpler: the smaller network, then the more regularized."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any

from worker.search.report.records import Axis, is_number

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


def counts(axis: Axis) -> bool:
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
