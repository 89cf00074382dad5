"""No request costs more than its size, whichever field of whichever operation is filled.

The fields come from the OpenAPI document: every list, map and text of every body, and every text of
every URL. Each is filled with entries of several kinds, right and wrong ones, up to 100 kB. What
that costs is CPU time of this process, so that a busy machine does not matter.
"""

import asyncio
import gc
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from service.schemas.models import PredictRequest
from tests.api.client import Client
from worker.spec import JobSpec

BYTES = 100_000
URL_BYTES = 60_000
"""What httpx sends at most."""
CHEAP = 0.025
"""CPU seconds below which a field is not looked at any closer."""
GROWTH = 8.0
"""Most for four times the entries: 4 where it is linear, 16 where it is quadratic."""
COSTLY = 0.5
"""CPU seconds that no 100 kB may cost; ten times what is wanted of a quiet machine."""
SILENCE = 0.1
"""CPU seconds that `/livez` may be silent beside 100 kB."""
TRIES = 4

Schema = dict[str, Any]
Fill = Callable[[int], Any]


def _map(key: str, value: Any) -> Fill:
    return lambda n: {key.format(i): value for i in range(n)}


LISTS: dict[str, tuple[int, Fill]] = {
    "shares": (14, lambda n: [(i + 1) / 10**9 + 0.001 for i in range(n)]),
    "zeros": (3, lambda n: [0] * n),
    "numbers": (11, lambda n: list(range(10**8, 10**8 + n))),
    "texts": (4, lambda n: ["x"] * n),
    "empty objects": (4, lambda n: [{}] * n),
    "named objects": (18, lambda n: [{"name": f"{i:06}"} for i in range(n)]),
    "lists": (4, lambda n: [[]] * n),
}
MAPS: dict[str, tuple[int, Fill]] = {
    "texts": (14, _map("k{:06}", "x")),
    "objects": (13, _map("k{:06}", {})),
    "near names": (15, _map("name{:05}", 1)),
}
TEXTS: dict[str, tuple[int, Fill]] = {
    "letters": (1, lambda n: "a" * n),
    "paths": (2, lambda n: "a." * n),
    "spaces": (1, lambda n: " " * n),
}
URL_TEXTS = {name: TEXTS[name] for name in ("letters", "paths")}
"""How a place is filled, and the bytes of one entry."""


@dataclass(frozen=True)
class Field:
    """A place of a request that takes as much as one wants."""

    method: str
    url: str
    path: tuple[str | int, ...]
    """Where in the body; `url` has a `{}` where it is none."""
    fills: dict[str, tuple[int, Fill]]
    base: Any = None
    """A body that is right but for this field."""

    def __str__(self) -> str:
        return f"{self.method} {self.url} {'.'.join(map(str, self.path))}"

    def request(self, value: Any) -> tuple[str, str, bytes | None]:
        if not self.path:
            return self.method, self.url.format(quote(value)), None
        return self.method, self.url, json.dumps(_with(self.base, self.path, value)).encode()


def _with(base: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A value with another at a path of it."""
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        return [_with(None, tuple(rest), value)]
    inside = base if isinstance(base, dict) else {}
    return {**inside, step: _with(inside.get(step), tuple(rest), value)}


class Places:
    """All lists, maps and texts below a schema, each schema walked once an operation."""

    def __init__(self, document: Schema) -> None:
        self.document = document
        self.seen: set[str] = set()

    def below(
        self, schema: Schema, path: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], dict[str, tuple[int, Fill]]]]:
        reference = schema.get("$ref")
        if reference is not None:
            if reference in self.seen:
                return
            self.seen.add(reference)
            schema = self.document["components"]["schemas"][reference.rsplit("/")[-1]]
        for choices in ("anyOf", "oneOf", "allOf"):
            for choice in schema.get(choices, ()):
                yield from self.below(choice, path)
        kinds = schema.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if "string" in kinds and not {"enum", "const"} & schema.keys():
            yield path, TEXTS
        if "array" in kinds:
            yield path, LISTS
            yield from self.below(schema.get("items", {}), (*path, 0))
        if "object" in kinds:
            yield path, MAPS
            for name, field in schema.get("properties", {}).items():
                yield from self.below(field, (*path, name))
            values = schema.get("additionalProperties")
            if isinstance(values, dict):
                yield from self.below(values, (*path, "regularization.l1.strength"))


EXAMPLES = {"id": "job_none", "name": "none", "version": "1", "alias": "production"}


def fields_of(document: Schema) -> list[Field]:
    fields: dict[str, Field] = {}
    walked: set[str] = set()
    for url, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = operation.get("parameters", ())
            names = {p["name"]: EXAMPLES[p["name"]] for p in parameters if p["in"] == "path"}
            plain = url.format(**names)
            for parameter in parameters:
                if parameter["in"] == "path":
                    filled = url.format(**{**names, parameter["name"]: "{}"})
                elif parameter["in"] == "query":
                    filled = f"{plain}?{parameter['name']}={{}}"
                else:
                    continue
                field = Field(method.upper(), filled, (), URL_TEXTS)
                fields[str(field)] = field
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" not in content:
                continue
            base = {"dataset": {"builtin": "iris"}} if plain.startswith("/v1/jobs") else {}
            places = Places(document)
            schema = json.dumps(content["application/json"]["schema"])
            for path, fills in places.below(json.loads(schema), ()):
                field = Field(method.upper(), plain, path or ("",), fills, base)
                known = fields.get(str(field))
                both = {**(known.fills if known else {}), **{f"{k} ": v for k, v in fills.items()}}
                if schema in walked:  # The same body again: what is behind the door differs.
                    both = dict(list(both.items())[:1])
                fields[str(field)] = Field(method.upper(), plain, field.path, both, base)
            walked.add(schema)
    return list(fields.values())


def cost(client: Client, request: tuple[str, str, bytes | None]) -> float:
    method, url, content = request
    headers = {"Content-Type": "application/json"}
    gc.collect(0)
    # A collection of all that this process holds, a tenth of a second, is not what a field costs.
    gc.disable()
    try:
        start = time.process_time()
        answer = client.request(method, url, content=content, headers=headers)
        spent = time.process_time() - start
    finally:
        gc.enable()
    assert answer.status_code < 500, (url, answer.text[:500])
    assert answer.is_success or len(answer.content) < 20_000, (url, len(answer.content))
    return spent


@pytest.mark.slow
def test_every_field_costs_no_more_than_its_size(client: Client, document: Schema) -> None:
    fields = fields_of(document)
    assert len(fields) > 100
    for field in fields:
        for name, (size, fill) in field.fills.items():
            most = (BYTES if field.path else URL_BYTES) // size
            spent = cost(client, field.request(fill(most)))
            for _ in range(TRIES):
                if spent <= CHEAP:
                    break
                small = cost(client, field.request(fill(most // 4)))
                middle = cost(client, field.request(fill(most // 2)))
                spent = min(spent, cost(client, field.request(fill(most))))
                if spent <= GROWTH * min(small, middle / 2) and spent < COSTLY:
                    break
            else:
                pytest.fail(f"{field}: {name}: {small:.3f}, {middle:.3f}, {spent:.3f} CPU seconds")


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/v1/models/none/predict", {"instances": [{}] * 25_000}),
        ("/v1/models/none/predict", {"instances": [[0, 0.5]] * 9_999 + [1]}),
        ("/v1/jobs", {"dataset": "ds_none", "split": {"rows": {"train": list(range(18_000))}}}),
        ("/v1/jobs", {f"name{n}": 0 for n in range(8_000)}),
    ],
)
def test_the_service_answers_beside_a_large_body(client: Client, url: str, body: Schema) -> None:
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}

    async def silences() -> tuple[float, float]:
        start = time.process_time()
        large = asyncio.create_task(client.http.post(url, content=content, headers=headers))
        longest = 0.0
        while not large.done():
            asked = time.process_time()
            await asyncio.sleep(0)  # Nothing in this process makes `/livez` wait for a socket.
            assert (await client.http.get("/livez")).status_code == 200
            longest = max(longest, time.process_time() - asked)
        assert (await large).status_code in (404, 422)
        return longest, time.process_time() - start

    for _ in range(TRIES):
        longest, whole = client.portal.call(silences)
        if longest < SILENCE:
            return
    pytest.fail(f"/livez was silent for {longest:.3f} of {whole:.3f} CPU seconds")


@pytest.mark.parametrize("model", [JobSpec, PredictRequest])
def test_a_list_ends_at_its_first_wrong_item(model: type[BaseModel]) -> None:
    """Pydantic otherwise makes an error of every item, of 300 bytes each."""
    lists = [
        part
        for part in _parts(model.__pydantic_core_schema__)
        if part.get("type") == "list" or part.get("variadic_item_index") is not None
    ]
    assert lists
    for part in lists:
        inner = str(part.get("items_schema"))
        assert part.get("fail_fast") or "'any'" in inner or "JsonValue" in inner, part


def _parts(schema: Any) -> Iterator[Schema]:
    seen: set[int] = set()
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict | list | tuple) and id(part) not in seen:
            seen.add(id(part))
            waiting.extend(part.values() if isinstance(part, dict) else part)
            if isinstance(part, dict):
                yield part
