"""What a report of a search is made from: its axes, and what each configuration gave on them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from worker.regularization import FieldCard, catalogue
from worker.results import Group
from worker.schema import Json
from worker.spec import Dimension, Range, Switch
from worker.statistics import mean, standard_error

INSIDE = 0.99
"""Of an exclusive bound: what a search may still use."""

Kind = Literal["number", "choice", "switch"]


@dataclass(frozen=True)
class Axis:
    """One searched field: a range, a list of values, or a technique that is on or off.

    ``path`` is that of the specification. A field of a technique that is off has no value in that
    configuration.
    """

    path: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    values: tuple[Any, ...] = ()
    """The values to choose from, in order; empty for a range and for a switch."""
    minimum: float = -math.inf
    """The smallest value that the field allows at all."""
    maximum: float = math.inf

    @property
    def kind(self) -> Kind:
        """`number` for a range and for values that are all numbers; else `choice` or `switch`."""
        if self.low is not None:
            return "number"
        if not self.values:
            return "switch"
        return "number" if all(map(is_numeric_value, self.values)) else "choice"

    @property
    def levels(self) -> tuple[Any, ...]:
        """The values, numbers ascending; empty for a range."""
        return tuple(sorted(self.values)) if self.kind == "number" else self.values

    def position(self, value: Any) -> float | None:
        """Where a value lies, from 0 to 1, evenly on the field's scale; none where it is off."""
        if self.kind == "switch":
            return float(bool(value) or isinstance(value, Mapping))
        if value is None and None not in self.values:
            return None
        if self.low is None or self.high is None:
            last = max(len(self.levels) - 1, 1)
            return self.levels.index(value) / last if value in self.levels else None
        ends, place = (self.low, self.high), float(value)
        if self.log:
            ends, place = (math.log(self.low), math.log(self.high)), math.log(place)
        width = ends[1] - ends[0]
        return (place - ends[0]) / width if width > 0 else 0.5


@dataclass(frozen=True)
class ConfigurationResult:
    """One configuration of a search: the objective of each repeat and fold that succeeded."""

    configuration: int
    overrides: Json
    """What it has on each axis, as ``on_axes`` gives it."""
    values: tuple[float, ...]
    halved: bool = False
    """Whether halving let it go: its values are those of that epoch."""

    @property
    def mean(self) -> float:
        """Of the objective; there must be a value."""
        return mean(self.values)

    @property
    def error(self) -> float | None:
        """The standard error of that mean; none for a single value."""
        return standard_error(self.values)


def in_order(axes: Sequence[Axis], groups: Iterable[Group]) -> list[ConfigurationResult]:
    """The configurations that have a value, on these axes, best first."""
    ranked = sorted((group for group in groups if group.rank.wins), key=lambda group: group.rank)
    return [
        ConfigurationResult(
            configuration=group.number,
            overrides=on_axes(axes, group.overrides),
            values=tuple(group.values),
            halved=group.halved,
        )
        for group in ranked
    ]


def varied_axes(axes: Sequence[Axis], order: Sequence[ConfigurationResult]) -> list[Axis]:
    """Those of the axes on which the configurations differ."""
    return [axis for axis in axes if len({str(r.overrides.get(axis.path)) for r in order}) > 1]


def axes_of(space: Mapping[str, Dimension]) -> list[Axis]:
    """One for each path, in the order of the space, with the bounds that its field has anyway."""
    return [_axis(path, dimension) for path, dimension in space.items()]


def _axis(path: str, dimension: Dimension) -> Axis:
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


def on_axes(axes: Sequence[Axis], overrides: Mapping[str, Any]) -> Json:
    """What a configuration has on each axis, by what it changes in its job, path by path.

    Switches are true or false; a field whose technique is off is left out.
    """
    values: Json = {}
    for axis in axes:
        if axis.kind == "switch":
            values[axis.path] = overrides.get(axis.path) is not None
        elif axis.path in overrides:
            value = overrides[axis.path]
            values[axis.path] = next((v for v in axis.values if _is_same(v, value)), value)
    return values


def _is_same(level: Any, value: Any) -> bool:
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


def is_numeric_value(value: Any) -> bool:
    """Whether a value is a number, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool)
