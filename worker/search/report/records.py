"""What a report of a search is made from: the searched fields, and what each configuration gave."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from worker.results.ranking import Rank, rank
from worker.statistics import mean, standard_error

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
        return "number" if all(map(is_number, self.values)) else "choice"

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
class Record:
    """What one configuration gave: the objective of each repeat and fold that succeeded."""

    configuration: int
    overrides: Mapping[str, Any]
    """The value of each searched field, by path; one that is off is missing or none."""
    values: tuple[float, ...]
    missing: int = 0
    """Its repeats and folds that failed or are not done."""
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


def ranked(records: Sequence[Record], *, maximize: bool) -> list[Record]:
    """Those with a value, best first, as a winner is chosen.

    Those that halving let go come last, and before them those whose members are not all there.
    """

    def rank_of(record: Record) -> Rank:
        scores = [-value if maximize else value for value in record.values]
        return rank(record.configuration, scores, missing=record.missing, halved=record.halved)

    return sorted((record for record in records if record.values), key=rank_of)


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool)
