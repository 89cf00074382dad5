"""A space is tried before it is accepted: each value of each field, and all corners."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from worker.errors import SpecError
from worker.search.space import (
    Dimensions,
    Overrides,
    SectionsJson,
    active,
    choices,
    configure,
    value_at,
)
from worker.spec import Dimension, Range, Trial

MOST_CORNERS = 256
"""Corners of a space that are tried; of more, as many drawn at random."""
MOST_VALUES = 500
"""Values that are tried, of all fields together; of more, an even choice from each."""
FEWEST_VALUES = 10
"""Values of a field that are tried, however many fields there are."""

Check = Callable[[Trial], None]


def check_space(space: Dimensions, document: SectionsJson, check: Check) -> None:
    """Refuse a space with a configuration in it that cannot be trained.

    Raises:
        SpecError: naming the path, as ``search.space.<path>``, and the remedy.
    """
    for path in space:
        _refuse_roots(path)
    tried: set[str] = set()
    for overrides in (*_single_values(space, document), *_corners(space, document)):
        overrides = active(space, overrides)
        key = json.dumps(overrides, sort_keys=True)
        if key not in tried:
            tried.add(key)
            _check_one(space, overrides, document, check)


def _refuse_roots(path: str) -> None:
    if path == "training.loss" or path.startswith("training.loss."):
        raise SpecError(
            f"{path} cannot be searched: configurations are ranked by their loss, so all of them "
            "must have the same; post a job for each.",
            param=f"search.space.{path}",
        )
    if path.partition(".")[0] not in ("network", "regularization", "training"):
        raise SpecError(
            f"{path} cannot be searched; paths begin with network, regularization or training.",
            param=f"search.space.{path}",
        )


def _check_one(
    space: Dimensions, overrides: Overrides, document: SectionsJson, check: Check
) -> None:
    configuration = configure(document, 0, overrides, space)
    try:
        check(configuration)
    except SpecError as error:
        param = f"search.space.{_blamed(error.param or '', overrides)}"
        values = ", ".join(f"{p} = {json.dumps(v)}" for p, v in overrides.items())
        raise SpecError(
            f"The space holds {values}: {error.message}",
            param=param,
            code=error.code,
            **error.extra,
        ) from error


def _blamed(param: str, overrides: Overrides) -> str:
    """The path that an error is about: the one that shares most steps with it."""

    def shared(path: str) -> int:
        pairs = zip(path.split("."), param.split("."), strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), len(path.split(".")))

    return max(overrides, key=shared, default=param)


def _single_values(space: Dimensions, document: SectionsJson) -> Iterator[Overrides]:
    """Each value of each field alone, what lies above it being on."""
    most = max(MOST_VALUES // len(space), FEWEST_VALUES)
    for path, dimension in space.items():
        above = {
            parent: options[-1]
            for parent, other in space.items()
            if path.startswith(f"{parent}.") and not isinstance(other, Range)
            for options in [[o for o in choices(parent, other, document) if o is not None]]
            if options
        }
        below = {
            child: _extremes(child, other, document)[0]
            for child, other in space.items()
            if child.startswith(f"{path}.")
        }
        for value in _samples(path, dimension, document, most=most):
            yield {**above, path: value, **(below if value is not None else {})}


def _samples(
    path: str, dimension: Dimension, document: SectionsJson, *, most: int
) -> Sequence[Any]:
    if isinstance(dimension, Range):
        # Both ends may be whole where what lies between them is not.
        return (*_extremes(path, dimension, document), value_at(dimension, 0.3819))
    options = choices(path, dimension, document)
    if len(options) <= most:
        return options
    # What differs in kind from the others, and the ends of the numbers, is tried in any case.
    numbers = [o for o in options if isinstance(o, int | float) and not isinstance(o, bool)]
    kinds = {type(option): option for option in options}
    ends = (min(numbers), max(numbers)) if numbers else ()
    return [*options[:: -(-len(options) // most)], *kinds.values(), *ends]


def _extremes(path: str, dimension: Dimension, document: SectionsJson) -> Sequence[Any]:
    if not isinstance(dimension, Range):
        return choices(path, dimension, document)
    ends = (dimension.low, dimension.high)
    return tuple(map(int, ends)) if dimension.integer else tuple(map(float, ends))


def _corners(space: Dimensions, document: SectionsJson) -> Iterator[Overrides]:
    axes = [_extremes(path, dimension, document) for path, dimension in space.items()]
    if prod(map(len, axes)) <= MOST_CORNERS:
        for values in product(*axes):
            yield dict(zip(space, values, strict=True))
        return
    generator = np.random.default_rng(0)
    for _ in range(MOST_CORNERS):
        numbers = [int(generator.integers(len(axis))) for axis in axes]
        yield {path: axis[n] for path, axis, n in zip(space, axes, numbers, strict=True)}
