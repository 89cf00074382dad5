"""The space of a search: which fields vary, what they may be, and a configuration put together."""

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from worker.errors import SpecError
from worker.regularization import Regularization, techniques
from worker.schema import Settings
from worker.search.configurations import Configuration
from worker.spec import Dimension, JobSpec, NetworkSpec, Range, SearchSpec, Switch, Training, Values

Overrides = dict[str, Any]
"""Path → value: what a configuration changes in its job."""
Dimensions = Mapping[str, Dimension]

LONGEST_NAME = 110
MOST_OFF = 4
"""Overrides above which a name leaves out what is off."""


class Sections(Settings):
    """The sections of a job that a search may change."""

    network: NetworkSpec
    regularization: Regularization
    training: Training


def search_of(spec: JobSpec) -> SearchSpec:
    """The search that a job asks for; ``ValueError`` when it asks for none."""
    if spec.search is None:
        raise ValueError("the job has no search")
    return spec.search


def dimensions(spec: JobSpec) -> dict[str, Dimension]:
    """The searched fields, parents before what lies below them.

    Raises:
        SpecError: `default`, and no named technique has a field with a default range; or a space
            that has not been resolved.
    """
    search = search_of(spec)
    if search.method == "path" and search.over is not None:
        given = search.space if isinstance(search.space, dict) else {}
        found = {search.over: given.get(search.over) or hint(search.over)}
    elif search.space == "default":
        found = _defaults(spec)
    elif isinstance(search.space, dict):
        found = dict(search.space)
    else:
        raise SpecError("There is no such space here; name its fields.", param="search.space")
    return dict(sorted(found.items(), key=lambda item: item[0].count(".")))


def _defaults(spec: JobSpec) -> dict[str, Dimension]:
    found: dict[str, Dimension] = {}
    for name, technique in spec.regularization.techniques():
        for field in type(technique).model_fields:
            value = getattr(technique, field)
            if isinstance(value, tuple) or value is None:
                continue
            path = f"regularization.{name}.{field}"
            if (range_ := _hint(path)) is not None:
                found[path] = range_
    if not found:
        raise SpecError(
            "The named techniques have no fields with a default range; name the fields of the "
            "space, or a technique under regularization.",
            param="search.space",
        )
    return found


def hint(path: str) -> Range:
    """A field's own default range; ``SpecError`` when it has none."""
    found = _hint(path)
    if found is None:
        raise SpecError(
            f"{path} has no default range; give search.space a low and a high for it.",
            param="search.over",
        )
    return found


def _hint(path: str) -> Range | None:
    section, _, rest = path.partition(".")
    name, _, field = rest.partition(".")
    technique = techniques().get(name) if section == "regularization" else None
    if technique is None:
        return None
    schema = technique.model_json_schema()
    definition = schema["properties"].get(field, {})
    for option in (definition, *definition.get("anyOf", ())):
        if "search" in option:
            return Range.model_validate(
                {**option["search"], "integer": option.get("type") == "integer"}
            )
    return None


def base(spec: JobSpec) -> dict[str, Any]:
    """The sections of a job as JSON: what overrides are applied to."""
    return {
        name: section.model_dump(mode="json")
        for name, section in (
            ("network", spec.network),
            ("regularization", spec.regularization),
            ("training", spec.training),
        )
    }


def choices(path: str, dimension: Values | Switch, document: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of a dimension that has finitely many; a switch is off or as in the job."""
    if isinstance(dimension, Values):
        return dimension.values
    return (None, _get(document, path) or {})


def active(space: Dimensions, overrides: Overrides) -> Overrides:
    """Without what lies below a path that is off."""
    off = [f"{path}." for path, value in overrides.items() if value is None]
    return {p: v for p, v in overrides.items() if not any(p.startswith(o) for o in off)}


def place(range_: Range, share: float) -> float | int:
    """The value at a share, from 0 to 1, of the way from low to high."""
    low, high = float(range_.low), float(range_.high)
    if range_.integer:
        # Each whole number owns as much of the scale as any other.
        low, high = low - 0.5 + 1e-9, high + 0.5 - 1e-9
    value = low + share * (high - low)
    if range_.log:
        # Halves of the first whole number may lie below it, but not below 0.
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    if range_.integer:
        return round(value)
    return min(max(value, float(range_.low)), float(range_.high))


def steps(range_: Range, points: int) -> tuple[float | int, ...]:
    """So many values, ends included; fewer where there are not so many whole numbers."""
    found: dict[float | int, None] = {}
    for number in range(points):
        share = number / max(points - 1, 1)
        if range_.log:
            value = float(range_.low) * (range_.high / range_.low) ** share
        else:
            value = range_.low + share * (range_.high - range_.low)
        value = min(max(value, float(range_.low)), float(range_.high))
        found[round(value) if range_.integer else value] = None
    return tuple(found)


def configure(
    document: Mapping[str, Any], number: int, overrides: Overrides, *, prefix: str = ""
) -> Configuration:
    """The configuration of these overrides.

    Raises:
        SpecError: a path that does not exist, or a value that it does not take, naming the path.
    """
    changed = copy.deepcopy(dict(document))
    for path, value in overrides.items():
        _set(changed, path, copy.deepcopy(value))
    try:
        sections = Sections.model_validate_json(json.dumps(changed))
    except ValidationError as error:
        raise _refusal(error, overrides) from error
    return Configuration(
        name=f"{prefix}{name(number, overrides)}",
        network=sections.network,
        regularization=sections.regularization,
        training=sections.training,
    )


def name(number: int, overrides: Overrides) -> str:
    """What a configuration is called: ``17: l1.strength=0.0003 dropout=off``."""
    parts = []
    for path, value in overrides.items():
        if isinstance(value, Mapping) and any(p.startswith(f"{path}.") for p in overrides):
            continue
        if value is None and len(overrides) > MOST_OFF:
            continue
        shown = "off" if value is None else "on" if isinstance(value, Mapping) else value
        text = f"{shown:.3g}" if isinstance(shown, float) else str(shown)
        parts.append(f"{'.'.join(path.split('.')[1:]) or path}={text}")
    if overrides and not parts:
        parts = ["all off"]
    whole = f"{number}: {' '.join(parts)}" if parts else str(number)
    return whole if len(whole) <= LONGEST_NAME else f"{whole[: LONGEST_NAME - 1]}…"


def _get(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document.get(step) if isinstance(document, Mapping) else None
    return document


def _set(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    here: Any = document
    for step in parents:
        if isinstance(here, list):
            here = here[_index(here, step, path)]
            continue
        if not isinstance(here, dict):
            raise _unknown(path)
        if here.get(step) is None:
            here[step] = {}
        here = here[step]
    if isinstance(here, list):
        here[_index(here, last, path)] = value
    elif isinstance(here, dict):
        here[last] = value
    else:
        raise _unknown(path)


def _index(items: Sequence[Any], step: str, path: str) -> int:
    if not step.isdecimal() or int(step) >= len(items):
        raise _unknown(path)
    return int(step)


def _unknown(path: str) -> SpecError:
    return SpecError(
        f"There is no field {path} to search; paths begin with network, regularization or "
        "training, and are spelled as in the job.",
        param=f"search.space.{path}",
    )


def _refusal(error: ValidationError, overrides: Overrides) -> SpecError:
    """The first complaint, about the path that it lies on."""
    # A field that is spelled wrongly may be missed as well.
    complaints = sorted(
        error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden"
    )
    located = [
        (complaint, path)
        for complaint in complaints
        for path in _touching([str(step) for step in complaint["loc"]], overrides)
    ]
    complaint, path = located[0] if located else (complaints[0], next(iter(overrides), ""))
    if complaint["type"] == "extra_forbidden":
        return _unknown(path)
    value = overrides.get(path)
    message = complaint["msg"]
    whole = '; say "integer": true' if complaint["type"].startswith("int_") else ""
    return SpecError(
        f"{path} cannot be {json.dumps(value)}: {message[:1].lower()}{message[1:]}{whole}.",
        param=f"search.space.{path}",
    )


def _touching(location: Sequence[str], overrides: Overrides) -> Iterator[str]:
    """The paths that a location lies on or above: union members' names in it do not count."""
    for path in sorted(overrides, key=len, reverse=True):
        steps_ = path.split(".")
        rest = iter(location)
        if all(step in rest for step in steps_):
            yield path
    for path in overrides:
        rest = iter(path.split("."))
        known = [step for step in location if step in path.split(".")]
        if len(known) > 1 and all(step in rest for step in known):
            yield path
