"""What pydantic found wrong with a request, as dotted field paths and remedies."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from service.hints import elsewhere, form
from worker.schema import Json
from worker.text import INVALID_NAME, control_character

MOST_ERRORS = 100
"""Errors of pydantic that are looked at: they are compared with each other, and a union reports
several a field."""
MOST_GUESSES = 5
"""Unknown fields for which a name that is near is looked for."""
LONGEST_GUESSED = 64
LONGEST_SHOWN = 60
REQUIRED = "is required: add it"
NUMBER = "must be a number"
NO_FILE = 'must be a file: give the part a file name, as curl -F "file=@data.csv" does'
EXPECTED = {
    "float_type": NUMBER,
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_parsing": NUMBER,
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a string",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
"""Errors that say only that the JSON type is another."""
OBJECTS = ("dict_type", "model_type", "model_attributes_type")

BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}

BOUND_COUNTS = {
    "too_short": ("at least", "min_length", "item"),
    "too_long": ("at most", "max_length", "item"),
    "string_too_short": ("at least", "min_length", "character"),
    "string_too_long": ("at most", "max_length", "character"),
}


@dataclass(frozen=True)
class Finding:
    """One field that is wrong."""

    param: str | None
    """Dotted path, such as `regularization.l1.strength`; none when it is about the whole body."""
    message: str
    """What is wrong and what would be right."""
    code: str = "invalid_request"
    """The kind of problem, for programs."""


def first_errors(error: ValidationError) -> tuple[list[Json], int]:
    """The first errors of a body, as pydantic lists them, and how many more there are.

    ``errors()`` makes an object of each, 20 times as slow as the text of all of them, of which only
    the beginning is read here.
    """
    text = error.json(include_url=False, include_input=False)
    errors: list[Json] = []
    position = 1  # behind the bracket
    decoder = json.JSONDecoder()
    while len(errors) < min(error.error_count(), MOST_ERRORS):
        entry, position = decoder.raw_decode(text, position)
        position += 1  # behind the comma
        errors.append({**entry, "loc": ("body", *entry["loc"])})
    return errors, error.error_count() - len(errors)


def findings(
    errors: Sequence[Any], body: Any, model: type[BaseModel] | None = None
) -> list[Finding]:
    """One finding a field, in the order of the errors; never empty.

    The body's model tells which fields there are, for the names that are near. No more than
    `MOST_ERRORS` errors are looked at.
    """
    located = [_located(error, body) for error in errors[:MOST_ERRORS]]
    helpful = [(path, error) for path, error in located if not _is_noise(path, error, located)]
    merged: dict[tuple[str | int, ...], list[str]] = {}
    codes: dict[tuple[str | int, ...], str] = {}
    guesses = MOST_GUESSES
    for path, error in helpful or located:
        messages = merged.setdefault(path, [])
        if error["type"] == "extra_forbidden":
            message = _unknown(path, body, model, guess=guesses > 0)
            guesses -= 1
        else:
            message = _message(path, error, body, model)
        if message not in messages:
            messages.append(message)
        if _is_unusable_name(error):
            codes[path] = INVALID_NAME
    return [
        Finding(
            ".".join(map(str, path)) or None,
            _joined(messages),
            codes.get(path, Finding.code),
        )
        for path, messages in merged.items()
    ]


def _located(error: Any, body: Any) -> tuple[tuple[str | int, ...], Any]:
    """The error's place without the names of union members, which the request never spelled, and

    the error with what stands there.
    """
    origin, *rest = error["loc"]
    if origin != "body":
        return tuple(rest), error
    path: list[str | int] = []
    value = body
    for position, step in enumerate(rest):
        last = position == len(rest) - 1
        if last and error["type"] == "missing":
            value = None
        elif _has(value, step):
            value = value[step]
        else:
            continue
        path.append(step)
    if error["type"].startswith("union_tag"):
        path.append(error["ctx"]["discriminator"].strip("'"))
    return tuple(path), {"input": value, **error}


def _has(value: Any, step: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(step, int) and 0 <= step < len(value)
    return isinstance(value, Mapping) and step in value


def _is_noise(path: tuple[Any, ...], error: Any, located: list[tuple[Any, Any]]) -> bool:
    """Whether it only says that the value is not another member of a union.

    A union reports the complaints of all its members. Where one member took the value's type and
    complained about its content, the others' complaints about the type do not help.
    """
    if error["type"] in ("too_short", "literal_error", "enum"):
        # Items that are wrong are not counted, and what has items is no choice among words; they
        # are told of themselves.
        return any(other[: len(path)] == path != other for other, _ in located)
    if error["type"] not in EXPECTED:
        return False
    return any(
        other is not error
        and other_path[: len(path)] == path
        and (len(other_path) > len(path) or other["type"] not in EXPECTED)
        for other_path, other in located
    )


def _is_unusable_name(error: Any) -> bool:
    value = error.get("input")
    return error["type"] == INVALID_NAME or (
        error["type"] == "string_pattern_mismatch"
        and isinstance(value, str)
        and control_character(value) is not None
    )


def _joined(messages: list[str]) -> str:
    musts = [message.removeprefix("must be ") for message in messages]
    if len(messages) > 1 and all(message.startswith("must be ") for message in messages):
        heads = [must.split(",", 1)[0] for must in musts]
        tail = musts[-1].partition(",")[2]
        return f"must be {' or '.join(heads)}" + (f",{tail}" if tail else "")
    return "; ".join(messages)


def _message(
    path: tuple[str | int, ...], error: Any, body: Any, model: type[BaseModel] | None
) -> str:
    kind, context, value = error["type"], error.get("ctx", {}), error.get("input")
    if kind == "missing":
        return REQUIRED
    if kind == "finite_number":
        return "must be a finite number; inf and nan are not numbers here"
    if kind in BOUNDS:
        key, word = BOUNDS[kind]
        return f"must be {word} {_number(context[key])}, not {_shown(value)}"
    if kind in OBJECTS and model is not None and path:
        models, _ = _at(model, path, body)
        return f"{EXPECTED[kind]}{form(models)}, not {_shown(value)}"
    if kind in EXPECTED:
        return f"{EXPECTED[kind]}, not {_shown(value)}" + _quotes(kind, value)
    if kind in ("literal_error", "enum"):
        return f"must be one of {context['expected']}, not {_shown(value)}"
    if kind == "union_tag_invalid":
        return f"must be one of {context['expected_tags']}, not {_shown(context['tag'])}"
    if kind == "union_tag_not_found":
        known = _kinds(model, path[:-1], body) if model else []
        return f"is required: say which kind this is, {_either(known)}" if known else REQUIRED
    if kind in BOUND_COUNTS:
        word, count, what = BOUND_COUNTS[kind]
        bound, actual = context[count], context.get("actual_length")
        if isinstance(value, str):
            what, actual = "character", len(value)
        said = f"must have {word} {bound} {what}{'' if bound == 1 else 's'}"
        return said if actual is None else f"{said}, not {actual}"
    if kind == "string_pattern_mismatch":
        return f"must match the pattern {context['pattern']}, not {_shown(value)}"
    if kind in ("value_error", "assertion_error"):
        message = str(context.get("error", error["msg"]))
        return NO_FILE if message.startswith("Expected UploadFile") else message
    message = str(error["msg"])
    return message[:1].lower() + message[1:]


def _either(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _unknown(
    path: tuple[str | int, ...], body: Any, model: type[BaseModel] | None, *, guess: bool
) -> str:
    known = _field_names(model, path[:-1], body) if model and guess else []
    name = str(path[-1])
    if close := _close(name, known):
        return f"is not a field here; did you mean {close}?"
    if model and guess and len(name) <= LONGEST_GUESSED and (places := _places(model, path, body)):
        return f"is not a field here; did you mean {_either(places)}?"
    if known:
        return f"is not a field here; the fields are {', '.join(known)}"
    return "is not a field here: remove it"


def _close(name: str, known: Sequence[str]) -> str | None:
    """The known name that is nearest, whatever the case of its letters; none where none is near."""
    if len(name) > LONGEST_GUESSED:
        return None
    lower = {one.lower(): one for one in known}
    return next((lower[one] for one in difflib.get_close_matches(name.lower(), lower, n=1)), None)


def _places(root: type[BaseModel], path: tuple[str | int, ...], body: Any) -> list[str]:
    """Where the field at the end of a path stands instead: below its place, else anywhere."""
    models, value = _at(root, path[:-1], body)
    name = str(path[-1])
    below = elsewhere([model for model in models if _is_kind(model, value)], name)
    if below:
        return [".".join(map(str, (*path[:-1], place))) for place in below]
    others = [name] if name in root.model_fields else elsewhere([root], name)
    # A field of one kind of an object stands at the same path as what another kind refuses.
    return [place for place in others if place != ".".join(map(str, path))]


def _quotes(kind: str, value: Any) -> str:
    numeric = kind in ("float_type", "int_type") and isinstance(value, str)
    return ": write it without quotes" if numeric else ""


def _number(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _shown(value: Any) -> str:
    text = ""
    try:
        for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
            text += part
            if len(text) > LONGEST_SHOWN:
                return f"{text[: LONGEST_SHOWN - 3]}…"
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}…"


def _field_names(root: type[BaseModel], path: Sequence[str | int], body: Any) -> list[str]:
    """Names of the fields at a path of a body, sorted; none where it is no such place."""
    models, value = _at(root, path, body)
    return sorted(
        {name for model in models if _is_kind(model, value) for name in model.model_fields}
    )


def _kinds(root: type[BaseModel], path: Sequence[str | int], body: Any) -> list[str]:
    """What `kind` may say at a path of a body, in their order; none where there is no choice."""
    models, _ = _at(root, path, body)
    fields = [model.model_fields["kind"] for model in models if "kind" in model.model_fields]
    return [str(kind) for field in fields for kind in get_args(field.annotation)]


def _at(
    root: type[BaseModel], path: Sequence[str | int], body: Any
) -> tuple[list[type[BaseModel]], Any]:
    """The models that a place may have, and the value there; none where it is no such place."""
    models: list[type[BaseModel]] = [root]
    value = body
    for step in path:
        models = [model for model in models if _is_kind(model, value)]
        if isinstance(step, str):
            models = [
                inner
                for model in models
                if step in model.model_fields
                for inner in _models(model.model_fields[step].annotation)
            ]
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return [], None
    return models, value


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
