"""Any JSON and any text as a body: never a 500, and always an answer that can be read.

`PARSIMONY_FUZZ=20000` sets the bodies of each test; each that was ever answered with a 500 is
a test of its own, in `test_bodies.py`.
"""

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.client import Client
from tests.api.work import post, train
from worker.spec import JobSpec
from worker.text import control_character

BODIES = int(os.environ.get("PARSIMONY_FUZZ", "150"))
FUZZED = settings(
    max_examples=BODIES,
    deadline=None,
    derandomize=BODIES <= 1000,
    database=None,
    suppress_health_check=list(HealthCheck),
)
Schema = dict[str, Any]
SCHEMA: Schema = JobSpec.model_json_schema()

texts = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=12),
    st.sampled_from(["\0", "\ud800", "\x1b[31m", "", "a.b", "regularization", "0", "auto", "null"]),
)
numbers = st.one_of(
    st.integers(-3, 70),
    st.integers(),
    st.floats(),
    st.sampled_from([2**31, 2**32, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 1e-320]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
PATHS = [
    "regularization.l1.strength",
    "regularization.dropout",
    "regularization.dropout.p",
    "regularization",
    "training.epochs",
    "training.optimizer.learning_rate",
    "network.hidden.0",
    "network",
]


def valued(schema: Schema, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a schema allows, and now and then one that it does not."""
    right = _right(schema, depth)
    return st.integers(0, 11).flatmap(lambda roll: anything if roll == 0 else right)


def _right(schema: Schema, depth: int) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return st.deferred(lambda: _right(SCHEMA["$defs"][schema["$ref"].rsplit("/")[-1]], depth))
    for choices in ("anyOf", "oneOf"):
        if choices in schema:
            return st.one_of([valued(choice, depth) for choice in schema[choices]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "integer":
            low = int(schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1))
            # Small ones: what is fuzzed is the reading, not the planning of a million trials.
            return st.integers(low, max(low, min(int(schema.get("maximum", 8)), low + 8)))
        case "number":
            return st.sampled_from([0.0, 1e-3, 0.1, 0.5, 0.9, 1, 2.5, 1e6])
        case "array":
            return st.lists(valued(schema.get("items", {}), depth + 1), max_size=3)
        case "object" if "properties" in schema:
            required = set(schema.get("required", ()))
            fields = {name: valued(part, depth + 1) for name, part in schema["properties"].items()}
            always = {name: part for name, part in fields.items() if name in required}
            some = [name for name in fields if name not in required]
            picked = (
                st.lists(st.sampled_from(some), max_size=3, unique=True) if some else st.just([])
            )
            return picked.flatmap(
                lambda names: st.fixed_dictionaries({**always, **{n: fields[n] for n in names}})
            )
        case "object":
            values = schema.get("additionalProperties")
            keys = st.sampled_from(PATHS) | texts
            inner = valued(values, depth + 1) if isinstance(values, dict) else anything
            return st.dictionaries(keys, inner, max_size=3)
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "string":
            return st.sampled_from(["iris", "a", "setosa", "species", "ds_00000000"]) | texts
    return anything


jobs = valued(SCHEMA).map(
    lambda body: (
        {**body, "dataset": {"builtin": "iris"}, "repeats": 1} if isinstance(body, dict) else body
    )
)
instances = st.one_of(
    anything,
    st.fixed_dictionaries({"instances": anything}),
    st.fixed_dictionaries({"instances": st.lists(st.lists(scalars, min_size=4, max_size=4))}),
    st.fixed_dictionaries({"instances": st.lists(st.dictionaries(texts, anything, max_size=4))}),
)


def check(client: Client, url: str, body: Any) -> None:
    content = json.dumps(body).encode()
    answer = client.post(url, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, (answer.text, content[:2000])
    answer.json()
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert control_character(answer.json()["detail"]) is None


@pytest.fixture(scope="module")
def model(client: Client) -> str:
    assert train(client, post(client, model="fuzzed"))["state"] == "succeeded"
    return "/v1/models/fuzzed/predict"


@pytest.mark.slow
@FUZZED
@given(anything | jobs)
def test_any_job(client: Client, body: Any) -> None:
    check(client, "/v1/jobs", body)


@pytest.mark.slow
@FUZZED
@given(instances)
def test_any_instances(client: Client, model: str, body: Any) -> None:
    check(client, model, body)


@FUZZED
@given(st.binary(max_size=40) | texts.map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes(client: Client, body: bytes) -> None:
    for url in ("/v1/jobs", "/v1/models/none/predict"):
        answer = client.post(url, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 404, 422), answer.text
