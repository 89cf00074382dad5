"""What a search varies, how it chooses, and when it has seen enough. Types only."""

import json
from collections.abc import Hashable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    field_validator,
    model_validator,
)

from worker.schema import Settings
from worker.spec.shown import counted
from worker.text import shortened

MOST_TRIALS = 100_000

Number = Annotated[int, Field(ge=-(2**53), le=2**53)] | float
Path = Annotated[str, Field(min_length=1, max_length=200)]
Groups = Annotated[
    tuple[
        Annotated[
            tuple[Path, ...], Field(fail_fast=True, strict=False, min_length=2, max_length=50)
        ],
        ...,
    ],
    Field(fail_fast=True, strict=False, max_length=50),
]
SearchMethod = Literal["grid", "random", "tpe", "halving", "path"]


class Range(Settings):
    """A range of numbers, both ends included."""

    low: Number
    """The smallest value."""
    high: Number
    """The largest value."""
    log: bool = False
    """Even in the logarithm of the value rather than in the value."""
    integer: bool = False
    """Whole numbers only."""

    @model_validator(mode="after")
    def has_an_inside(self) -> Self:
        """Refuse an empty range, a logarithm of 0, and whole numbers between fractions."""
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}; exchange them")
        if self.low == self.high:
            raise ValueError(f"low and high are both {self.low}; set the field itself to it")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs low above 0, and it is {self.low}; 1e-6 is usual")
        if self.integer and not (float(self.low).is_integer() and float(self.high).is_integer()):
            raise ValueError(f"integer needs whole ends, and they are {self.low} and {self.high}")
        return self


class Values(Settings):
    """Some values, each as likely as the others. A null turns a technique off."""

    model_config = ConfigDict(json_schema_extra=counted("values"))

    values: Annotated[
        tuple[JsonValue, ...], Field(fail_fast=True, strict=False, min_length=1, max_length=10_000)
    ]
    """The values, of any kind that the field takes."""

    @field_validator("values")
    @classmethod
    def differ(cls, values: tuple[JsonValue, ...]) -> tuple[JsonValue, ...]:
        """Refuse a value that is named twice: it would be tried twice, and weigh double."""
        seen: set[tuple[type, Hashable]] = set()
        for value in values:
            key = (type(value), _hashable(value))
            if key in seen:
                shown = shortened(json.dumps(value, ensure_ascii=False))
                raise ValueError(f"names {shown} twice; name each value once")
            seen.add(key)
        return values


def _hashable(value: JsonValue) -> Hashable:
    """Equal for equal values, so that they can be told apart without comparing each with all."""
    if isinstance(value, dict):
        return frozenset((key, _hashable(inner)) for key, inner in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


class Switch(Settings):
    """A technique that is on or off. What else the space says of it applies where it is on."""

    optional: Literal[True]
    """Always true."""


def _kind(value: Any) -> str:
    if isinstance(value, Range | Values | Switch):
        return type(value).__name__.lower()
    if isinstance(value, dict) and "values" in value:
        return "values"
    return "switch" if isinstance(value, dict) and "optional" in value else "range"


Dimension = Annotated[
    Annotated[Range, Tag("range")]
    | Annotated[Values, Tag("values")]
    | Annotated[Switch, Tag("switch")],
    Discriminator(_kind),
]
Space = Annotated[dict[str, Dimension], Field(max_length=200)]
Named = Literal["default", "auto"]


class EnsembleSpec(Settings):
    """Networks that a job has trained anyway, and that answer together: of classes the mean of
    their probabilities, of a regression the mean of their values.

    They are chosen on the rows that may choose: of a cross-validation those of all folds, each
    answered by the network that was not trained on it, else the validation rows; never test rows.
    Before that each configuration's logits are divided by the temperature that makes its
    probabilities as sure as right on these rows. The ensemble is one file, served, certified and
    exported like a single network; the report tells its members.
    """

    method: Literal["auto", "all", "top", "greedy", "folds"] = "auto"
    """`all`: every configuration that was trained to its end. `top`: the best `size`. `greedy`: one
    after another, whichever makes the mean best, each as often as that goes on (Caruana et al.
    2004, in bags). `folds`: the winner alone, all its folds and repeats. `auto`: the best of these,
    of the winner by itself and of the network without techniques, of which all refits answer; of
    what is within one standard error of the best, the simplest, in this order: without techniques,
    the winner, its folds, `all`, `top`, `greedy`."""
    size: Annotated[int, Field(ge=1, le=1000)] = 25
    """`top`, `greedy` and `auto`: how many configurations at most, one that is chosen twice counted
    twice. Each has a network for each of its folds and repeats."""


def _space(value: Any) -> str:
    return "paths" if isinstance(value, dict) else "named"


class SearchSpec(Settings):
    """A search: many configurations, trained a fleet at a time.

    The space maps the paths of fields to what they may be. Paths begin with `network`,
    `regularization` or `training`; a number addresses an item of a list, as in `network.hidden.0`.
    Where a path is `null`, nothing else that the space says below it applies.
    """

    method: SearchMethod = "random"
    """`grid`: every combination. `random`: independent draws. `tpe`: draws near what did well
    (Bergstra et al. 2011), a fleet at a time. `halving`: random, but after `min_epochs`,
    `min_epochs`·`eta`, … epochs only the best 1/`eta` train on (Jamieson & Talwalkar 2016; across
    fleets Li et al. 2020). `path`: one field from its strongest value to its weakest."""
    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)] | None = None
    """How many configurations; 64 unless given, for `grid` all and for `path` the points. Each is
    trained once for each repeat and fold."""
    objective: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$", examples=["validation_loss"])] | (
        None
    ) = None
    """The metric to be best in: validation_loss unless given. Any final metric of the trials may be
    named, such as validation_auc or validation_f1, but those of test rows; `halving` needs one that
    is measured after every epoch. A search without validation rows is refused: only rows that are
    held back for it may choose. Errors and losses are minimized, scores such as accuracies, AUC, F1
    and R² are maximized: docs/metrics.md lists all."""
    space: Annotated[
        Annotated[Space, Tag("paths")] | Annotated[Named, Tag("named")], Discriminator(_space)
    ] = "default"
    """What is varied: path → `{"low", "high", "log", "integer"}`, `{"values": [...]}` or, for a
    technique, `{"optional": true}`. `default`: the fields of the named techniques, each in its own
    default range. `auto`: all techniques that fit the data and the network, on and off."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seeds the draws."""
    budget_seconds: Annotated[float, Field(gt=0.0, le=31_536_000.0)] | None = None
    """Seconds of training after which nothing more begins; what has begun is finished. Fleets are
    as large as, at the pace so far, the rest of the budget pays for."""
    points: Annotated[int, Field(ge=2, le=10_000)] | None = None
    """Values of each range: of a `path`, 100 unless given; of a `grid`, 10."""
    over: Path | None = None
    """The field that a `path` follows, such as `regularization.l1.strength`."""
    eta: Annotated[int, Field(ge=2, le=16)] = 3
    """`halving`: one in this many goes on."""
    min_epochs: Annotated[int, Field(ge=1, le=100_000)] = 1
    """`halving`: epochs before the first decision."""
    exclusive: Groups = ()
    """Groups of techniques, by the paths of their switches in the space, of which a configuration
    has at most one on; none is as likely as each of them."""
    refit: bool | None = None
    """At the end, train the winner once more, on training and validation rows together, and
    register that; true with `split.folds` unless given, else false; false beside an `ensemble`
    that is served in any case, of a method other than `auto`. Its test metrics are those of
    the job's best; all others there are the means over the winner's repeats and folds."""
    refit_repeats: Annotated[int, Field(ge=1, le=100)] | None = None
    """How often a refit is trained, with seeds seed, seed + 1, …: what is told of it is the mean,
    with the deviation over the seeds. The first is served; with `ensemble`, where a configuration
    by itself is served, all of them together. Unless given as often as adds at most a tenth to the
    time and the trials of the search, up to 5 times, and at least as often as `repeats`."""
    ensemble: EnsembleSpec | None = None
    """Serve networks of several configurations together, rather than the winner alone. Off unless
    given, but of a space `auto`, where it is `{"method": "auto"}`; null turns it off."""
    choose: Literal["best", "one_standard_error"] = "best"
    """Which configuration wins: the `best` mean, or of all whose mean is within
    `one_standard_error` of the best the simplest, as in the job's report; that needs folds or
    repeats."""
    references: bool = False
    """Judge the winner beside the same network with all switches of the space off, which is
    configuration 0, and beside gradient boosting with balanced class weights; with `refit`, on the
    same rows."""

    @model_validator(mode="after")
    def agrees_with_its_method(self) -> Self:
        """Refuse a path over nothing, and what only another method would read."""
        if (self.over is not None) != (self.method == "path"):
            raise ValueError(
                'a path needs over, such as "regularization.l1.strength"'
                if self.method == "path"
                else f"over belongs to the method path; leave it out for {self.method}"
            )
        if self.method == "path" and isinstance(self.space, dict) and set(self.space) - {self.over}:
            raise ValueError("a path follows one field: its space names no other than over")
        if isinstance(self.space, dict) and not self.space and self.method != "path":
            raise ValueError('space is empty: name a field to vary, or say "default"')
        return self

    @model_validator(mode="after")
    def excludes_switches(self) -> Self:
        """Refuse a group of what is not on or off."""
        if isinstance(self.space, dict):
            for path in (path for group in self.exclusive for path in group):
                if not isinstance(self.space.get(path), Switch):
                    raise ValueError(
                        f"exclusive names {path}, which the space does not switch; add it there as "
                        '{"optional": true}'
                    )
        return self

    @property
    def adaptive(self) -> bool:
        """Whether what comes next depends on what came out before."""
        return self.method == "tpe"
