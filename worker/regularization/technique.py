"""A technique: one regularizer, its settings and its mathematics, in one class and one file.

And what it may know of network and data, to say whether it fits them.
"""

import re
from abc import ABC
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ClassVar, Protocol, Self, Union, get_args, get_origin

from pydantic import Field
from pydantic.config import JsonDict

from worker.schema import Settings
from worker.shapes import inherit_shapes


class NetworkFacts(Protocol):
    """What a technique may know of a network; ``worker.spec.Structure`` gives it."""

    @property
    def kind(self) -> str:
        """Its name in the specification: ``mlp``, ``cnn``, …"""

    @property
    def depth(self) -> int:
        """Layers before the output; the output is layer number ``depth``. 0: it is linear."""

    @property
    def dropout_sites(self) -> int:
        """How often an activation may be followed by dropout."""

    @property
    def conv_layers(self) -> int:
        """Convolutions; the first of the dropout sites follow them."""

    @property
    def residual_blocks(self) -> int:
        """Blocks with a shortcut around them."""


@dataclass(frozen=True)
class DataFacts:
    """What a technique may know of the data of a trial."""

    shape: tuple[int, ...]
    """Of one encoded row: ``(F,)``, ``(C, L)`` for a series, ``(C, H, W)`` for an image."""
    classes: tuple[str, ...]
    """Names of the target's classes; none in a regression."""
    columns: tuple[str, ...] = ()
    """Names of the columns that are features; none where they are not known."""
    numbers: int | None = None
    """Inputs that are numbers and no categories; none where that is not told."""


@dataclass(frozen=True)
class Misfit:
    """Why a technique does not fit a network or its data."""

    message: str
    """The reason and the remedy, in one sentence."""
    field: str | None = None
    """The setting that it is about, as a dotted path below the technique; none for all of it."""
    refused: bool = True
    """Whether it cannot run. Otherwise it runs without use, and is only not offered."""

    def param(self, technique: str) -> str:
        """The full path of the field that it is about."""
        path = f"regularization.{technique}"
        return path if self.field is None else f"{path}.{self.field}"


@dataclass(frozen=True)
class Memory:
    """What a technique needs beside the training itself, in numbers of each trial."""

    kept: int = 0
    """Copies of the weights that are kept from step to step."""
    step: int = 0
    """Copies of the weights within a step."""
    activations: int = 0
    """Numbers for each activation of a batch within a step."""

    def at_least(self, other: "Memory | None") -> "Memory":
        """Enough for this and for the other."""
        if other is None:
            return self
        return Memory(
            max(self.kept, other.kept),
            max(self.step, other.step),
            max(self.activations, other.activations),
        )

    @classmethod
    def total(cls, needs: Iterable["Memory"]) -> "Memory":
        """Enough for all of them at once."""
        numbers = [(need.kept, need.step, need.activations) for need in needs]
        return cls(*(sum(column) for column in zip(*numbers, strict=True)))


class Technique(Settings, ABC):
    """One regularizer.

    A subclass is either a family (abstract, with the verbs that its moment of training needs) or
    a member of one (final). Its docstring gives formula, shapes and source; its fields carry
    bounds, unit, description, default and a default search range. Whatever other rooms need to
    know of it, it says itself: where it fits, what it needs, whether it holds the network back.
    """

    family: ClassVar[str]
    """The moment at which it acts; the same for all members of a family."""
    slowdown: ClassVar[float] = 1.0
    """How many times as long a step takes for all trials of a fleet where one has it, if noticeably
    more than once; measured by ``benchmarks/techniques.py``."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Check the shapes that the family declares for its verbs, in tests."""
        super().__pydantic_init_subclass__(**kwargs)
        inherit_shapes(cls)

    @classmethod
    def key(cls) -> str:
        """Its name in ``Regularization``: the class's, in small letters."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def usual(cls) -> Self:
        """Settings to begin with: the defaults, and a usual value of what has none."""
        return cls.model_validate({})

    @classmethod
    def main_field(cls) -> str | None:
        """The field that a number alone sets, as in `"dropout": 0.5`: the first that is required,
        else the first that takes a number; none where no field does.
        """
        fields = cls.model_fields.items()
        required = [name for name, field in fields if field.is_required()]
        numbers = [name for name, field in fields if _takes_a_number(field.annotation)]
        return next(iter(required or numbers), None)

    @classmethod
    def has_defaults(cls) -> bool:
        """Whether nothing is required, so that `true` means all defaults."""
        return not any(field.is_required() for field in cls.model_fields.values())

    @classmethod
    def example(cls) -> JsonDict:
        """Short settings: a usual value of its main field, or of its first that has one."""
        usual = cls.usual().model_dump()
        main = cls.main_field()
        shown = [main] if main else [name for name, value in usual.items() if value is not None]
        return {name: usual[name] for name in shown[:1]}

    @classmethod
    def in_full(cls, settings: Any) -> Any:
        """Settings in the long form: a number alone sets the main field, `true` means all defaults,
        `false` off. Whatever else is given is given back.
        """
        if isinstance(settings, bool):
            return ({} if settings else None) if cls.has_defaults() else settings
        if isinstance(settings, int | float) and (main := cls.main_field()) is not None:
            return {main: settings}
        return settings

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Why it does not fit a network or its data; none where it does.

        Validation refuses by it, `auto` offers by it, advice warns by it.
        """
        return None

    def needs_autograd(self, network: NetworkFacts) -> bool:
        """Whether a network with it cannot be differentiated by hand."""
        return False

    def memory(self) -> Memory:
        """What it needs beside the training itself."""
        return Memory()

    def restrains(self) -> bool:
        """Whether it holds a network back noticeably, as against fitting the training rows."""
        return False

    def structure(self) -> object | None:
        """What trials with it must agree in to train as one tensor program; none if in nothing."""
        return None


SEARCHED = "x-search"
"""The key of a field's schema under which its default search range stands."""


def layers_beyond(layers: Sequence[int] | None, network: NetworkFacts) -> Misfit | None:
    """The misfit of settings that name layers which a network does not have."""
    if not layers or max(layers) <= network.depth:
        return None
    return Misfit(
        f"There is no layer {max(layers)}; layers are numbered from 0 to {network.depth}.",
        field="layers",
    )


def _takes_a_number(annotation: Any) -> bool:
    if annotation in (int, float):
        return True
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return any(_takes_a_number(option) for option in get_args(annotation))
    return False


def search_range(low: float, high: float, *, log: bool = False) -> JsonDict:
    """A field's default search range, as it appears in the schema."""
    return {SEARCHED: {"low": low, "high": high, "log": log}}


Strength = Annotated[
    float, Field(ge=0.0, le=1e6, json_schema_extra=search_range(1e-6, 1e-2, log=True))
]
"""λ: how much the penalty weighs, in units of the data loss."""

DropProbability = Annotated[float, Field(ge=0.0, lt=1.0, json_schema_extra=search_range(0.0, 0.8))]
"""p: the probability of dropping a unit. 1 is refused: nothing would be left."""

Layers = Annotated[
    tuple[Annotated[int, Field(ge=0, le=1023)], ...],
    Field(fail_fast=True, strict=False, min_length=1, max_length=1024),
]
"""Numbers of dense or convolutional layers, from 0 at the input."""
