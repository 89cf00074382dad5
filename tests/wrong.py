"""Settings that must be refused, generated from the JSON schema that the service publishes.

For each field of a technique: beyond either bound by the smallest step, not among the choices, of
another JSON type, too few or too many items, inf and nan; and a field that is not there, or is
missing. Nothing here knows a technique.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, nan, nextafter
from typing import Any

from jsonschema import Draft202012Validator

from worker.regularization import Regularization

Schema = dict[str, Any]
SCHEMA: Schema = Regularization.model_json_schema()
OF_EACH_TYPE: tuple[Any, ...] = (None, True, 1, 0.5, "0.5", "text", [], {})


@dataclass(frozen=True)
class Wrong:
    """A value that its schema does not allow."""

    what: str
    """What is wrong, for the name of a failure."""
    value: Any
    path: tuple[str | int, ...] = ()
    """Where in the value it is wrong."""

    def within(self, step: str | int, value: Any) -> "Wrong":
        """The same inside a larger value."""
        return Wrong(self.what, value, (step, *self.path))

    @property
    def param(self) -> str:
        """The path as an answer names it."""
        return ".".join(map(str, self.path))


def resolved(schema: Schema) -> Schema:
    """The schema that a reference means."""
    reference = schema.get("$ref")
    return SCHEMA["$defs"][reference.rsplit("/")[-1]] if reference else schema


def allows(schema: Schema, value: Any) -> bool:
    """Whether a schema, which may refer to others, allows a value."""
    valid: bool = Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]}).is_valid(value)
    return valid


def right(schema: Schema) -> Any:
    """A value that a schema allows."""
    schema = resolved(schema)
    for known in ("default", "const"):
        if known in schema:
            return schema[known]
    kind = schema.get("type")
    if "anyOf" in schema:
        return right(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    if kind in {"number", "integer"}:
        low, high = limits(schema)
        return low if kind == "integer" or low == high else (low + high) / 2
    if kind == "array":
        return [right(schema["items"])] * schema.get("minItems", 0)
    if isinstance(schema.get("additionalProperties"), dict):
        return {"name": right(schema["additionalProperties"])}
    return {name: right(schema["properties"][name]) for name in schema.get("required", ())}


def limits(schema: Schema) -> tuple[Any, Any]:
    """The least and the largest number that a schema allows."""
    whole = schema["type"] == "integer"
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = (
            schema["exclusiveMinimum"] + 1 if whole else nextafter(schema["exclusiveMinimum"], inf)
        )
    if "exclusiveMaximum" in schema:
        high = (
            schema["exclusiveMaximum"] - 1 if whole else nextafter(schema["exclusiveMaximum"], -inf)
        )
    return low, high


def wrong(schema: Schema) -> Iterator[Wrong]:
    """Every way in which a value may break a schema, once each."""
    seen: set[str] = set()
    for each in (*_of_another_type(schema), *_wrong(resolved(schema))):
        key = json.dumps(each.value) + each.param
        if key not in seen:
            seen.add(key)
            yield each


def _of_another_type(schema: Schema) -> Iterator[Wrong]:
    options = [resolved(option) for option in schema.get("anyOf", [schema])]
    takes = {option.get("type") for option in options}
    for value in OF_EACH_TYPE:
        is_its_own_case = (value == [] and "array" in takes) or (value == {} and "object" in takes)
        if not is_its_own_case and not allows(schema, value):
            yield Wrong("type", value)


def _wrong(part: Schema) -> Iterator[Wrong]:
    """What is of the right type. The options of a choice between schemas have types of their own,

    so that what breaks one breaks all.
    """
    for option in part.get("anyOf", ()):
        yield from _wrong(resolved(option))
    kind = part.get("type")
    if kind in {"number", "integer"}:
        yield from _wrong_numbers(part)
    if kind == "array":
        yield from _wrong_arrays(part)
    if kind == "object":
        yield from _wrong_objects(part)
    for choice in part.get("enum", [part["const"]] if "const" in part else []):
        yield Wrong("choice", f"{choice} ")


def _wrong_numbers(part: Schema) -> Iterator[Wrong]:
    low, high = limits(part)
    if part["type"] == "integer":
        yield Wrong("minimum", low - 1)
        yield Wrong("maximum", high + 1)
        yield Wrong("whole", low + 0.5)
    else:
        yield Wrong("minimum", nextafter(low, -inf))
        yield Wrong("maximum", nextafter(high, inf))
    for number in (inf, -inf, nan):
        yield Wrong("whole" if part["type"] == "integer" else "finite", number)


def _wrong_arrays(part: Schema) -> Iterator[Wrong]:
    item = right(part["items"])
    if "minItems" in part:
        yield Wrong("minItems", [item] * (part["minItems"] - 1))
    if "maxItems" in part:
        yield Wrong("maxItems", [item] * (part["maxItems"] + 1))
    for inner in wrong(part["items"]):
        yield inner.within(1, [item, inner.value])


def _wrong_objects(part: Schema) -> Iterator[Wrong]:
    values = part.get("additionalProperties")
    if isinstance(values, dict):
        for count, bound in ((-1, "minProperties"), (1, "maxProperties")):
            names = range(part[bound] + count)
            yield Wrong(bound, {str(name): right(values) for name in names})
        for inner in wrong(values):
            yield inner.within("name", {"name": inner.value})
        return
    base = right(part)
    yield Wrong("extra", {**base, "no_such_field": 1}, ("no_such_field",))
    for name in part.get("required", ()):
        yield Wrong("required", {k: v for k, v in base.items() if k != name}, (name,))
    for name, schema in part["properties"].items():
        for inner in wrong(schema):
            yield inner.within(name, {**base, name: inner.value})
