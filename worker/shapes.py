"""Shapes of tensors, checked while tests run and free of cost otherwise.

A verb says what it takes and gives, dimension by dimension, in the letters of its docstring::

    @shaped(w="K P", step="K 1", returns="K P")
    def proximal(w, terms, step): ...

A letter stands for one size throughout a call, a number for itself, ``…`` for any further
dimensions; ``K|1`` is K or 1. Arguments that are no tensors are passed over. Where ``ENABLED`` is
false when a verb is defined, the decorator gives the verb as it is.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

ENABLED = False
"""Set by ``tests/conftest.py``, before any verb is defined."""
REST = "…"
_MARK = "__shapes__"


class ShapeError(TypeError):
    """A verb was given, or gives, a tensor of another shape than it says."""


@dataclass(frozen=True)
class Shapes:
    """What a verb says of its tensors."""

    arguments: dict[str, str]
    """Name of the argument → its dimensions."""
    returns: str | None
    """Dimensions of the answer; none where it is no tensor."""


def shaped(*, returns: str | None = None, **arguments: str) -> Callable[[F], F]:
    """Declare the shapes of a verb: of arguments by name, and of what it returns.

    Overrides of a method inherit the declaration where their class calls ``inherit_shapes``.
    """

    def declare(verb: F) -> F:
        return checked(verb, Shapes(arguments, returns)) if ENABLED else verb

    return declare


def checked(verb: F, shapes: Shapes) -> F:
    """The verb, whose every call is held against its shapes."""
    signature = inspect.signature(verb)
    unknown = shapes.arguments.keys() - signature.parameters.keys()
    if unknown:
        raise TypeError(f"{verb.__qualname__} has no argument {', '.join(sorted(unknown))}")

    @functools.wraps(verb)
    def call(*args: Any, **kwargs: Any) -> Any:
        sizes: dict[str, int] = {}
        bound = signature.bind(*args, **kwargs)
        for name, dimensions in shapes.arguments.items():
            if name in bound.arguments:
                _compare(verb, name, dimensions, bound.arguments[name], sizes)
        answer = verb(*args, **kwargs)
        if shapes.returns is not None:
            _compare(verb, "what it returns", shapes.returns, answer, sizes)
        return answer

    setattr(call, _MARK, shapes)
    return call  # type: ignore[return-value]


def inherit_shapes(cls: type) -> None:
    """Hold a class's methods against the shapes that its bases declare for them."""
    if not ENABLED:
        return
    for name, attribute in list(vars(cls).items()):
        verb = getattr(attribute, "__func__", attribute)
        if not inspect.isfunction(verb) or hasattr(verb, _MARK):
            continue
        for base in cls.__mro__[1:]:
            inherited = vars(base).get(name)
            shapes = getattr(getattr(inherited, "__func__", inherited), _MARK, None)
            if shapes is not None:
                kind = type(attribute) if attribute is not verb else None
                wrapped = checked(verb, shapes)
                setattr(cls, name, wrapped if kind is None else kind(wrapped))
                break


def _compare(
    verb: Callable[..., Any], name: str, dimensions: str, value: Any, sizes: dict[str, int]
) -> None:
    shape = getattr(value, "shape", None)
    if shape is None:
        return
    *expected, last = dimensions.split() or [""]
    open_ended = last == REST
    if not open_ended and last:
        expected.append(last)
    fits = len(shape) >= len(expected) if open_ended else len(shape) == len(expected)
    if not fits or not all(
        _is(size, dimension, sizes) for size, dimension in zip(shape, expected, strict=False)
    ):
        known = ", ".join(f"{letter} = {size}" for letter, size in sizes.items())
        raise ShapeError(
            f"{verb.__qualname__}: {name} is to be [{dimensions}] and is {list(shape)}"
            + (f", where {known}" if known else "")
        )


def _is(size: int, dimension: str, sizes: dict[str, int]) -> bool:
    """Whether a size is one of a dimension's alternatives; a new letter takes it."""
    for alternative in dimension.split("|"):
        if alternative.isdigit():
            if size == int(alternative):
                return True
        elif sizes.setdefault(alternative, size) == size:
            return True
    return False
