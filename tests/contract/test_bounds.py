"""Settings beyond the published schema are refused, and those on its bounds are not."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.wrong import SCHEMA, Schema, limits, resolved, wrong
from worker.regularization import Regularization, techniques

NAMES = list(techniques())


def numbers(schema: Schema, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Schema]]:
    """Every number in a schema, items and values of dictionaries included, with its place."""
    schema = resolved(schema)
    found = [(path, schema)] if schema.get("type") in {"number", "integer"} else []
    inner = [(path, option) for option in schema.get("anyOf", ())]
    inner += [((*path, name), part) for name, part in schema.get("properties", {}).items()]
    if "items" in schema:
        inner.append(((*path, "[]"), schema["items"]))
    if isinstance(schema.get("additionalProperties"), dict):
        inner.append(((*path, "{}"), schema["additionalProperties"]))
    return found + [number for place, part in inner for number in numbers(part, place)]


def complaints(regularization: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """The places that pydantic complains of."""
    try:
        Regularization.model_validate(regularization)
    except ValidationError as error:
        return [one["loc"] for one in error.errors()]
    return []


def test_the_schema_speaks_of_every_technique() -> None:
    assert list(SCHEMA["properties"]) == NAMES
    for name, technique in techniques().items():
        properties = resolved(SCHEMA["properties"][name]["anyOf"][0])["properties"]
        assert list(properties) == list(technique.model_fields)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_bounded_on_both_sides(name: str) -> None:
    for place, schema in numbers(SCHEMA["properties"][name]):
        assert None not in limits(schema), place


@pytest.mark.parametrize("name", NAMES)
def test_what_the_schema_forbids_is_refused(name: str) -> None:
    for case in wrong(SCHEMA["properties"][name]):
        places = complaints({name: case.value})
        assert places, case
        assert all(place[: 1 + len(case.path[:1])] == (name, *case.path[:1]) for place in places), (
            case
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_bounds_themselves_are_allowed(name: str) -> None:
    """At each end of each field. What other fields then lack is another complaint."""
    for path, schema in numbers(SCHEMA["properties"][name]):
        if not path:  # a bare number, which stands for the main field
            for number in limits(schema):
                assert not complaints({name: number}), number
            continue
        field, *rest = path
        for number in limits(schema):
            value: Any = number
            for step in reversed(rest):
                value = [value] if step == "[]" else {"a" if step == "{}" else step: value}
            if rest and rest[0] not in {"[]", "{}"}:
                value |= {"kind": "linear"}
            places = complaints({name: {field: value}})
            assert not any(place[1:2] == (field,) for place in places), (field, number)
