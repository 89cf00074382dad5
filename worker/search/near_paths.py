"""The paths of the fields that a search may vary, for the one that may have been meant."""

import difflib
from collections.abc import Iterator
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from worker.spec import Trial

SECTIONS = ("network", "regularization", "training")
NEAR = 0.85
"""How alike the paths must be."""
LONGEST = 100


def near_path(path: str) -> str | None:
    """The path that is most like this one; none where none is much like it.

    >>> near_path("regularization.l1.strenght")
    'regularization.l1.strength'
    """
    if len(path) > LONGEST:
        return None
    known = {one.lower(): one for one in _paths()}
    found = difflib.get_close_matches(path.lower(), known, n=1, cutoff=NEAR)
    return next((known[one] for one in found if known[one] != path), None)


@cache
def _paths() -> tuple[str, ...]:
    fields = {name: Trial.model_fields[name].annotation for name in SECTIONS}
    found = (path for name, kind in fields.items() for path in _below(name, kind))
    return tuple(dict.fromkeys(found))


def _below(path: str, annotation: Any) -> Iterator[str]:
    yield path
    for model in _models(annotation):
        for name, field in model.model_fields.items():
            if name != "kind":
                yield from _below(f"{path}.{name}", field.annotation)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (tuple, list, dict, NoneType):
        for part in get_args(annotation):
            yield from _models(part)
