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
    # Once a verb, and not with ``signature.bind`` once a call: tests make millions of calls.
    place = {name: number for number, name in enumerate(signature.parameters)}
    declared = [(name, place[name], said) for name, said in shapes.arguments.items()]
    # Shapes of arguments that were found right → those of answers to them.
    fitting: dict[tuple[object, ...], set[object]] = {}

    def hold(given: tuple[tuple[int, ...] | None, ...]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for (name, _, dimensions), shape in zip(declared, given, strict=True):
            _compare(verb, name, dimensions, shape, sizes)
        return sizes

    @functools.wraps(verb)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = tuple(
            _shape(args[number] if number < len(args) else kwargs.get(name))
            for name, number, _ in declared
        )
        if given not in fitting:
            hold(given)
            fitting[given] = set()
        answer = verb(*args, **kwargs)
        answered = _shape(answer)
        if shapes.returns is not None and answered not in fitting[given]:
            _compare(verb, "what it returns", shapes.returns, answered, hold(given))
            fitting[given].add(answered)
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


def _shape(value: object) -> tuple[int, ...] | None:
    """The sizes of a tensor's dimensions; nothing of what is no tensor."""
    return getattr(value, "shape", None)


def _compare(
    verb: Callable[..., Any],
    name: str,
    dimensions: str,
    shape: tuple[int, ...] | None,
    sizes: dict[str, int],
) -> None:
    if shape is None:
        return
    expected, open_ended = _parsed(dimensions)
    fits = len(shape) >= len(expected) if open_ended else len(shape) == len(expected)
    if not fits or not all(
        _is(size, alternatives, sizes) for size, alternatives in zip(shape, expected, strict=False)
    ):
        known = ", ".join(f"{letter} = {size}" for letter, size in sizes.items())
        raise ShapeError(
            f"{verb.__qualname__}: {name} is to be [{dimensions}] and is {list(shape)}"
            + (f", where {known}" if known else "")
        )


@functools.cache
def _parsed(dimensions: str) -> tuple[tuple[tuple[int | str, ...], ...], bool]:
    """The alternatives of each dimension, and whether others may follow."""
    said = dimensions.split()
    open_ended = bool(said) and said[-1] == REST
    alternatives = (dimension.split("|") for dimension in (said[:-1] if open_ended else said))
    return tuple(
        tuple(int(one) if one.isdigit() else one for one in each) for each in alternatives
    ), open_ended


def _is(size: int, alternatives: tuple[int | str, ...], sizes: dict[str, int]) -> bool:
    """Whether a size is one of a dimension's alternatives; a new letter takes it."""
    for alternative in alternatives:
        known = sizes.setdefault(alternative, size) if isinstance(alternative, str) else alternative
        if known == size:
            return True
    return False
