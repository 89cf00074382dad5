"""The space of a search: which fields vary, what they may be, and a configuration put together.

Torch is imported; rows of data are read for λ_max alone.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from worker.data import Prepared
from worker.errors import SpecError
from worker.regularization import SEARCHED, Regularization, techniques
from worker.schema import Json, Settings
from worker.search.near_paths import near_path
from worker.spec import (
    EMBEDDING_FIELDS,
    Dimension,
    JobSpec,
    LinearSpec,
    NetworkSpec,
    Range,
    SearchSpec,
    Switch,
    Training,
    Trial,
    Values,
)

Overrides = Json
"""Path → value: what a configuration changes in its job."""
Dimensions = Mapping[str, Dimension]
"""Path → what it may be."""
SectionsJson = Mapping[str, Any]
"""The sections of a job as JSON: what overrides are applied to."""

EMBEDDING, SIGMA = "network.embedding", "network.embedding.sigma"
LONGEST_NAME = 110
MOST_OFF = 4
"""Overrides above which a name leaves out what is off."""
L1, ELASTIC_NET = "regularization.l1.strength", "regularization.elastic_net.strength"
SMALLEST_SHARE = 1e-3
"""The weak end of a path as a share of λ_max; scikit-learn's paths end there as well."""
_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
"""Complaints about a number of the right kind."""
ABOVE = 1.001
"""At λ_max itself, rounding decides whether a weight is 0."""


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
        fields = {search.over: given.get(search.over) or default_range(search.over)}
    elif search.space == "default":
        fields = _default_fields(spec)
    elif isinstance(search.space, dict):
        fields = dict(search.space)
    else:
        raise SpecError("There is no such space here; name its fields.", param="search.space")
    return dict(sorted(fields.items(), key=lambda item: item[0].count(".")))


def _default_fields(spec: JobSpec) -> dict[str, Dimension]:
    fields: dict[str, Dimension] = {}
    for name, technique in spec.regularization.techniques():
        for field in type(technique).model_fields:
            value = getattr(technique, field)
            if isinstance(value, tuple) or value is None:
                continue
            path = f"regularization.{name}.{field}"
            if (range_ := _declared_range(path)) is not None:
                fields[path] = range_
    if not fields:
        raise SpecError(
            "The named techniques have no fields with a default range; name the fields of the "
            "space, or a technique under regularization.",
            param="search.space",
        )
    return fields


def default_range(path: str) -> Range:
    """A field's own default range; ``SpecError`` when it has none."""
    declared = _declared_range(path)
    if declared is None:
        raise SpecError(
            f"{path} has no default range; give search.space a low and a high for it.",
            param="search.over",
        )
    return declared


def _declared_range(path: str) -> Range | None:
    section, _, rest = path.partition(".")
    name, _, field = rest.partition(".")
    technique = techniques().get(name) if section == "regularization" else None
    if technique is None:
        return None
    schema = technique.model_json_schema()
    definition = schema["properties"].get(field, {})
    for option in (definition, *definition.get("anyOf", ())):
        if SEARCHED in option:
            return Range.model_validate(
                {**option[SEARCHED], "integer": option.get("type") == "integer"}
            )
    return None


def begins_at_lambda_max(spec: JobSpec) -> bool:
    """Whether a job follows a path whose range is best read off its data, and names none."""
    search = spec.search
    return (
        search is not None
        and search.method == "path"
        and search.over in (L1, ELASTIC_NET)
        and isinstance(spec.network, LinearSpec)
        and not (isinstance(search.space, dict) and search.over in search.space)
    )


def with_path_from_lambda_max(spec: JobSpec, largest: float) -> JobSpec:
    """The job with the range of its path written out: from λ_max to a thousandth of it."""
    search = search_of(spec)
    highest = float(f"{largest * ABOVE:.6g}")
    if search.over is None or not highest > 0:
        return spec
    range_ = Range(low=float(f"{highest * SMALLEST_SHARE:.6g}"), high=highest, log=True)
    return spec.model_copy(
        update={"search": search.model_copy(update={"space": {search.over: range_}})}
    )


def lambda_max(spec: JobSpec, data: Prepared) -> float:
    """The smallest λ at which every weight of a linear network is 0.

    λ_max = max |∂f/∂w| / ρ at w = 0, the intercept being at its optimum, over the first split's
    training rows; ρ is 1 for the lasso and the elastic net's share of L1.

    Source: Friedman, Hastie & Tibshirani 2010, J. Stat. Softw. 33(1), section 2.5.
    """
    elastic_net = spec.regularization.elastic_net
    rows = data.splits[0].train
    x, y = data.x[0][rows].astype(np.float64), data.y[0][rows]
    if data.target.task == "multiclass":
        targets = np.eye(data.target.outputs)[y]
    else:
        targets = y.astype(np.float64)[:, None] * (2 if data.target.task == "regression" else 1)
    gradient = x.T @ (targets - targets.mean(0)) / len(rows)
    is_elastic = search_of(spec).over == ELASTIC_NET and elastic_net is not None
    ratio = elastic_net.l1_ratio if is_elastic and elastic_net is not None else 1.0
    return float(np.abs(gradient).max()) / max(ratio, SMALLEST_SHARE)


def searched_sections(spec: JobSpec) -> SectionsJson:
    """The sections of a job that a search may change, as JSON, without techniques that are off:
    they are read hundreds of times.
    """
    dumped = {name: t.model_dump(mode="json") for name, t in spec.regularization.techniques()}
    return {
        "network": spec.network.model_dump(mode="json"),
        "regularization": dumped,
        "training": spec.training.model_dump(mode="json"),
    }


def choices(path: str, dimension: Values | Switch, document: SectionsJson) -> tuple[Any, ...]:
    """The values of a dimension that has finitely many; a switch is off or as in the job."""
    if isinstance(dimension, Values):
        return dimension.values
    return (None, _get(document, path) or {})


def active(space: Dimensions, overrides: Overrides) -> Overrides:
    """Without what lies below a path that is off, or that an embedding of this kind has not."""
    return {path: value for path, value in overrides.items() if applies(path, overrides)}


def applies(path: str, overrides: Overrides) -> bool:
    """Whether a configuration has a field, by what lies above it."""
    end = path.find(".")
    while (end := path.find(".", end + 1)) > 0:
        above = path[:end]
        if above not in overrides:
            continue
        value = overrides[above]
        if value is None:
            return False
        if above == EMBEDDING and isinstance(value, Mapping):
            fields = EMBEDDING_FIELDS.get(str(value.get("kind")))
            if fields is not None and path[end + 1 :] not in fields:
                return False
    return True


def value_at(range_: Range, share: float) -> float | int:
    """The value at a share, from 0 to 1, of the way from low to high, in few digits."""
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
    return in_few_digits(range_, value)


def in_few_digits(range_: Range, value: float) -> float:
    """A value of a range, without the digits that make no difference: 0.0003, not
    0.00030000000000000003.

    Six are left, and in a narrow range as many more as its ends have in common: what is lost is
    within a hundred-thousandth of the range. What is shown is what is trained. Ends stay as they
    were named.
    """
    low, high = float(range_.low), float(range_.high)
    if not low < value < high:
        return min(max(value, low), high)
    common = math.log10(max(1.0, max(abs(low), abs(high)) / (high - low)))
    rounded = float(f"{value:.{min(6 + int(common), 17)}g}")
    return min(max(rounded, low), high)


def even_values(range_: Range, count: int) -> tuple[float | int, ...]:
    """``count`` values, ends included; fewer where the range has fewer whole numbers."""
    values: dict[float | int, None] = {}
    for number in range(count):
        share = number / max(count - 1, 1)
        if range_.log:
            value = float(range_.low) * (range_.high / range_.low) ** share
        else:
            value = range_.low + share * (range_.high - range_.low)
        if number == count - 1 and number:
            value = float(range_.high)
        values[round(value) if range_.integer else in_few_digits(range_, value)] = None
    return tuple(values)


def configure(
    document: SectionsJson,
    number: int,
    overrides: Overrides,
    space: Dimensions | None = None,
) -> Trial:
    """The configuration of these overrides, as the trial of its first repeat.

    ``space`` is where they come from, for the remedy in a message.

    Raises:
        SpecError: a path that does not exist, or a value that it does not take, naming the path.
    """
    changed: Any = dict(document)
    for path, value in overrides.items():
        changed = _replaced(changed, path.split("."), value, path)
    try:
        sections = Sections.model_validate_json(json.dumps(changed))
    except ValidationError as error:
        raise _refusal(error, overrides, space or {}) from error
    return Trial(
        name=configuration_name(number, overrides),
        configuration=number,
        network=sections.network,
        regularization=sections.regularization,
        training=sections.training,
    )


def configuration_name(number: int, overrides: Overrides) -> str:
    """What a configuration is called: ``17: l1.strength=0.0003 dropout=off``."""
    parts = []
    for path, value in overrides.items():
        if isinstance(value, Mapping) and any(p.startswith(f"{path}.") for p in overrides):
            continue
        if value is None and len(overrides) > MOST_OFF:
            continue
        shown = "off" if value is None else value
        if isinstance(value, Mapping):
            shown = value.get("kind", "on")
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


def _replaced(node: Any, steps: Sequence[str], value: Any, path: str) -> Any:
    """The node with a value at these steps below it; what is not on the way is shared."""
    if not steps:
        return value
    step, *rest = steps
    if isinstance(node, list):
        index = _index(node, step, path)
        return [*node[:index], _replaced(node[index], rest, value, path), *node[index + 1 :]]
    if not isinstance(node, dict | None):
        raise _unknown(path)
    inside = node or {}
    return {**inside, step: _replaced(inside.get(step), rest, value, path)}


def _index(items: Sequence[Any], step: str, path: str) -> int:
    if not step.isdecimal() or int(step) >= len(items):
        raise _unknown(path)
    return int(step)


def _unknown(path: str) -> SpecError:
    near = near_path(path)
    remedy = (
        f"did you mean {near}?"
        if near
        else "paths begin with network, regularization or training, and are spelled as in the job."
    )
    return SpecError(f"There is no field {path} to search; {remedy}", param=f"search.space.{path}")


def _refusal(error: ValidationError, overrides: Overrides, space: Dimensions) -> SpecError:
    """The first complaint, about the path that it lies on."""
    # A field that is spelled wrongly may be missed as well.
    complaints = sorted(
        error.errors(include_url=False),
        key=lambda complaint: complaint["type"] != "extra_forbidden",
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
    return SpecError(
        f"{path} cannot be {json.dumps(value)}: {message[:1].lower()}{message[1:]}"
        f"{_remedy(complaint, space.get(path))}.",
        param=f"search.space.{path}",
    )


def _remedy(complaint: ErrorDetails, dimension: Dimension | None) -> str:
    """What to write instead, by what the space says: a range has members that values have not."""
    kind = complaint["type"]
    if isinstance(dimension, Range):
        if kind.startswith("int_"):
            whole = float(dimension.low).is_integer() and float(dimension.high).is_integer()
            return '; say "integer": true' + ("" if whole else " and name whole ends")
        if kind in _BOUNDS:
            return "; move the end of the range"
        return '; it is no number to draw from a range: name what it may be, as {"values": [...]}'
    if isinstance(dimension, Values):
        return "; write whole numbers" if kind.startswith("int_") else "; write another value"
    return ""


def _touching(location: Sequence[str], overrides: Overrides) -> Iterator[str]:
    """The paths that a location lies on or above: union members' names in it do not count."""
    for path in sorted(overrides, key=len, reverse=True):
        rest = iter(location)
        if all(step in rest for step in path.split(".")):
            yield path
    for path in overrides:
        rest = iter(path.split("."))
        known = [step for step in location if step in path.split(".")]
        if len(known) > 1 and all(step in rest for step in known):
            yield path
