"""Which fields a place in a request's body has: what a misspelled name is compared with."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel


def field_names(root: type[BaseModel], path: Sequence[str | int], body: Any) -> list[str]:
    """Names of the fields at a path of a body, sorted; none where it is no such place."""
    models, here = _at(root, path, body)
    return sorted(
        {name for model in models if _is_kind(model, here) for name in model.model_fields}
    )


def kinds(root: type[BaseModel], path: Sequence[str | int], body: Any) -> list[str]:
    """What `kind` may say at a path of a body, in their order; none where there is no choice."""
    models, _ = _at(root, path, body)
    fields = [model.model_fields["kind"] for model in models if "kind" in model.model_fields]
    return [str(kind) for field in fields for kind in get_args(field.annotation)]


def _at(
    root: type[BaseModel], path: Sequence[str | int], body: Any
) -> tuple[list[type[BaseModel]], Any]:
    """The models that a place may have, and the value there; none where it is no such place."""
    models: list[type[BaseModel]] = [root]
    here = body
    for step in path:
        models = [model for model in models if _is_kind(model, here)]
        if isinstance(step, str):
            models = [
                inner
                for model in models
                if step in model.model_fields
                for inner in _models(model.model_fields[step].annotation)
            ]
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            return [], None
    return models, here


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _is_kind(model: type[BaseModel], value: Any) -> bool:
    kind = model.model_fields.get("kind")
    if kind is None or not isinstance(value, dict) or get_origin(kind.annotation) is not Literal:
        return True
    default = None if kind.is_required() else kind.default
    return value.get("kind", default) in get_args(kind.annotation)
