"""From a space to the axes of its report, and from a configuration to places on them."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.regularization.card import FieldCard
from worker.regularization.catalogue import catalogue
from worker.search.report.records import Axis
from worker.spec import Dimension, Range, Switch

INSIDE = 0.99
"""Of an exclusive bound: what a search may still use."""


def axes(space: Mapping[str, Dimension]) -> list[Axis]:
    """One for each path, in the order of the space."""
    return [axis(path, dimension) for path, dimension in space.items()]


def axis(path: str, dimension: Dimension) -> Axis:
    """What one path varies over, with the bounds that its field has anyway."""
    if isinstance(dimension, Switch):
        return Axis(path)
    minimum, maximum = _bounds(path)
    if isinstance(dimension, Range):
        return Axis(
            path,
            low=float(dimension.low),
            high=float(dimension.high),
            log=dimension.log,
            minimum=max(minimum, 1.0) if dimension.integer and minimum == 0 else minimum,
            maximum=maximum,
        )
    values = dimension.values
    if len(values) == 2 and None in values and any(isinstance(v, dict) for v in values):
        return Axis(path)
    return Axis(path, values=values, minimum=minimum, maximum=maximum)


def overrides(found: Sequence[Axis], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration has on each axis, by what it changes in its job, path by path.

    Switches are true or false; a field whose technique is off is left out.
    """
    taken: dict[str, Any] = {}
    for each in found:
        if each.kind == "switch":
            taken[each.path] = changes.get(each.path) is not None
        elif each.path in changes:
            value = changes[each.path]
            taken[each.path] = next((level for level in each.values if _is(level, value)), value)
    return taken


def _is(level: Any, value: Any) -> bool:
    """Whether a value is this level; true is not 1."""
    return bool(level == value) and isinstance(level, bool) == isinstance(value, bool)


def _bounds(path: str) -> tuple[float, float]:
    """The smallest and largest value that a field allows; of other sections, 0 and no end."""
    section, *rest = path.split(".")
    if section != "regularization" or len(rest) != 2:
        return 0.0, float("inf")
    fields: tuple[FieldCard, ...] = catalogue()[rest[0]].fields
    card = next((field for field in fields if field.name == rest[1]), None)
    if card is None:
        return 0.0, float("inf")
    low, high = card.minimum, card.maximum
    if card.exclusive_maximum is not None:
        high = card.exclusive_maximum * INSIDE
    return 0.0 if low is None else low, float("inf") if high is None else high
