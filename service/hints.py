"""What a request may have meant: how an object looks, and where a field stands."""

import difflib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from worker.regularization import Technique

MOST_PLACES = 4
"""A field that stands in more places than these is none in particular."""
NEAR = 0.8
"""How alike the names of fields in other places must be."""


def form(models: Sequence[type[BaseModel]]) -> str:
    """An example of an object, ` as {"p": 0.5}`; empty where none is short, or there is a choice
    of kinds.
    """
    if len(models) != 1:
        return ""
    (model,) = models
    if issubclass(model, Technique):
        example = json.dumps(model.example())
        alone = model.main_field() is not None
        return f", as {example}" + (", or the number alone" if alone else "")
    for name, field in model.model_fields.items():
        if field.default and isinstance(field.default, str | int | float):
            return f", as {json.dumps({name: field.default})}"
    return ""


def elsewhere(models: Sequence[type[BaseModel]], name: str) -> list[str]:
    """The dotted paths, below these models, of the field with this name, or with one that is much
    like it: those nearest to the models. None where there are many.
    """
    known: dict[str, list[str]] = {}
    for model in models:
        for field, paths in _places(model).items():
            known.setdefault(field, []).extend(paths)
    if name not in known:
        name = next(iter(difflib.get_close_matches(name, known, n=1, cutoff=NEAR)), "")
    paths = list(dict.fromkeys(known.get(name, ())))
    depth = min((path.count(".") for path in paths), default=0)
    paths = [path for path in paths if path.count(".") == depth]
    return paths if len(paths) <= MOST_PLACES else []


@cache
def _places(model: type[BaseModel]) -> dict[str, list[str]]:
    """Name → dotted paths of the fields below those of a model, outside of lists and maps."""
    places: dict[str, list[str]] = {}
    for outer, field in model.model_fields.items():
        for inner in dict.fromkeys(_inner(field.annotation)):
            for name in inner.model_fields:
                places.setdefault(name, []).append(f"{outer}.{name}")
            for name, paths in _places(inner).items():
                places.setdefault(name, []).extend(f"{outer}.{path}" for path in paths)
    return {name: list(dict.fromkeys(paths)) for name, paths in places.items()}


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (tuple, list, dict, NoneType):
        for part in get_args(annotation):
            yield from _inner(part)
