"""A setting beyond its bounds is answered with its own name, whichever technique it is of.

The cases are generated from the published JSON schema (``tests/wrong.py``); none is typed by hand.
"""

import json
from typing import Any

import pytest

from tests.api.client import Client
from tests.wrong import SCHEMA, wrong


def refused(client: Client, spec: dict[str, Any]) -> Any:
    """The problem document of a job on iris; its body may hold inf and nan, which JSON may not."""
    answer = client.post(
        "/v1/jobs/validate",
        content=json.dumps({"dataset": {"builtin": "iris"}, **spec}),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422, (spec, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


@pytest.mark.parametrize("name", SCHEMA["properties"])
def test_what_the_schema_forbids_is_named(client: Client, name: str) -> None:
    for case in wrong(SCHEMA["properties"][name]):
        problem = refused(client, {"regularization": {name: case.value}})
        param = ".".join(["regularization", name, *map(str, case.path)])
        assert problem["param"] == param, case
        assert problem["code"] == "invalid_request"
        assert [error["param"] for error in problem["errors"]] == [param], case
        assert problem["detail"].startswith(f"{param}: "), case
        assert ("finite" in problem["detail"]) == (case.what == "finite"), case


@pytest.mark.parametrize("name", SCHEMA["properties"])
def test_within_a_configuration_too(client: Client, name: str) -> None:
    case = next(each for each in wrong(SCHEMA["properties"][name]) if each.what == "extra")
    variants = [{"name": "a"}, {"name": "b", "regularization": {name: case.value}}]
    problem = refused(client, {"compare": variants})
    assert problem["param"] == f"compare.1.regularization.{name}.{case.param}"
