"""Errors as the clients of the Open Inference Protocol read them."""

import gzip
from typing import Any

import pytest

from service.body_limit import JSON_BYTES
from tests.api.client import Client
from tests.api.oip import LENGTH, tensor
from tests.api.work import post, train


@pytest.fixture(scope="module", autouse=True)
def circle(client: Client) -> None:
    train(client, post(client, dataset={"builtin": "circle"}, model="circle"))


def test_a_bomb_is_refused(client: Client) -> None:
    answer = client.post(
        "/v2/models/circle/infer",
        content=gzip.compress(bytes(JSON_BYTES + 1)),
        headers={"Content-Encoding": "gzip"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["error"] == answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "param", "says"),
    [
        ({"inputs": []}, "inputs", "array of 1"),
        ({"inputs": [3]}, "inputs.0", "must be an object"),
        ({"inputs": [{"shape": [1], "datatype": "FP32"}]}, "inputs.0.name", "must be a text"),
        ({"inputs": [tensor("x", [[1, 2]], "BF16")]}, "inputs.0.datatype", "send FP32"),
        ({"inputs": [tensor("x", [[1, 2, 3]], "FP32")]}, "inputs.0.shape", "x1, x2"),
        ({"inputs": [tensor("x", [1, 2], "FP32")]}, "x", "does not know"),
        ({"inputs": [tensor("x", [[[1]]], "FP32")]}, "inputs.0.shape", "a column has shape"),
        ({"inputs": [tensor("x1", [1], "FP32")]}, "x2", "is not there"),
        ({"inputs": [tensor("x", [[True, True]], "BOOL")]}, "inputs.0.shape", "a column has"),
        ({"inputs": [{**tensor("x", [[1, 2]], "FP32"), "shape": [0, 2], "data": []}]},
         "inputs.0.shape", "no rows"),
        ({"inputs": [{**tensor("x", [[1, 2]], "FP32"), "shape": []}]}, "inputs.0.data", "needs 1"),
        ({"inputs": [{**tensor("x", [[1, 2]], "FP32"), "data": [1e300, 0]}]},
         "instances.0.x1", "finite"),
        ({"inputs": [tensor("x", [[1, 2]], "FP32")] * 2}, "inputs.1.name", "given twice"),
        ({"outputs": [{"name": "labels"}]}, "outputs.0.name", "there are label, probabilities"),
        ({"outputs": [{"name": "label"}] * 2}, "outputs.1.name", "asked for twice"),
        ({"outputs": [{"name": "label", "parameters": {"classification": 1}}]},
         "outputs.0.parameters.classification", "is for the output probabilities"),
        ({"parameters": {"mc_sample": 5}}, "parameters.mc_sample", "did you mean mc_samples?"),
        ({"parameters": {"mc_samples": 0.5}}, "parameters.mc_samples", "whole number"),
        ({"parameters": {"mc_samples": 1001}}, "parameters.mc_samples", "at most 1,000"),
        ({"parameters": {"coverage": 1}}, "parameters.coverage", "between 0 and 1"),
        ({"parameters": {"calibrated": 1}}, "parameters.calibrated", "true or false"),
        ({"parameters": {"timeout": -1}}, "parameters.timeout", "whole number"),
        ({"parameters": {"extra": "allow"}}, "parameters.extra", "refuse or ignore"),
        ({"parameters": {"binary_data_output": 1}}, "parameters.binary_data_output", "true or"),
        ({"parameters": 1}, "parameters", "must be an object"),
        ({"id": 7}, "id", "must be a text"),
        ({"inputs": [tensor("x", [[1, 2]], "FP32", binary_data_size=8)]},
         "inputs.0.parameters.binary_data_size", LENGTH),
        ({"inputs": [tensor("x", [[1, 2]], "FP32", binary_data_size=True)]},
         "inputs.0.parameters.binary_data_size", "whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    client: Client, change: dict[str, Any], param: str, says: str
) -> None:
    content = {"inputs": [tensor("x", [[1, 2]], "FP32")], **change}
    answer = client.post("/v2/models/circle/infer", json=content)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["param"]) == (400, 400, param)
    assert says in problem["error"] == problem["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "headers", "says"),
    [
        (b"", {}, "not JSON"),
        (b"[1]", {}, "must be an object"),
        (b"{", {}, "not JSON"),
        (b"\xff", {}, "not UTF-8"),
        (b"{}", {LENGTH: "3"}, "must be the length"),
        (b"{}", {LENGTH: "-1"}, "must be the length"),
        (b"{}", {}, "inputs: must be"),
        (b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}ab',
         {LENGTH: "80"}, "leave 2 bytes"),
        (b"{}", {"Content-Encoding": "br"}, "gzip and deflate"),
        (b"{}", {"Content-Encoding": "gzip"}, "cannot be decompressed"),
        (b"[" * 100_000, {}, "nested"),
    ],
)  # fmt: skip
def test_a_body_that_is_none(
    client: Client, content: bytes, headers: dict[str, str], says: str
) -> None:
    answer = client.post("/v2/models/circle/infer", content=content, headers=headers)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    "content",
    [
        {"inputs": [tensor("x", [[1, 2]], "FP32", shared_memory_region="r")]},
        {"inputs": [tensor("x", [[1, 2]], "FP32")], "parameters": {"sequence_id": 3}},
    ],
)
def test_what_the_protocol_has_and_this_service_has_not(
    client: Client, content: dict[str, Any]
) -> None:
    answer = client.post("/v2/models/circle/infer", json=content)
    assert (answer.status_code, answer.json()["code"]) == (501, "unsupported")
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/nobody/infer", 404),
        ("POST", "/v2/models/circle/versions/7/infer", 404),
        ("POST", "/v2/models/circle/versions/staging/infer", 404),
        ("POST", "/v2/models/circle/versions/0123456789/infer", 400),
        ("POST", "/v2/models/circle/infer?top=1", 400),
        ("POST", "/v2/models/a%00b/infer", 400),
        ("GET", "/v2/models/nobody", 404),
        ("GET", "/v2/models/nobody/ready", 404),
        ("GET", "/v2/models/nobody/stats", 404),
        ("GET", "/v2/models/circle/versions/7/config", 404),
        ("POST", "/v2/repository/models/nobody/load", 404),
        ("POST", "/v2/repository/models/nobody/unload", 404),
        ("GET", "/v2/models/circle/infer", 405),
        ("POST", "/v2", 405),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/circle/trace/setting", 404),
    ],
)
def test_every_refusal_has_an_error(client: Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, content=b"{}" if method == "POST" else None)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["error"] == problem["detail"]
    assert problem["status"] == status


def test_a_body_that_is_announced_too_large(client: Client) -> None:
    headers = {"Content-Length": str(JSON_BYTES + 1)}
    answer = client.post("/v2/repository/index", content=b"", headers=headers)
    assert (answer.status_code, "error" in answer.json()) == (413, True)
    answer = client.post("/v2/models/circle/infer", content=bytes(JSON_BYTES + 1))
    assert (answer.status_code, "error" in answer.json()) == (413, True)
    assert "error" not in client.get("/v1/nothing").json()


def test_an_unforeseen_error_has_one_too(fresh: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(fresh.services.database, "read", fail)
    for answer in (fresh.get("/v2/models"), fresh.post("/v2/models/a/infer", content=b"{}")):
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("index", {"ready": 1}, "ready"),
        ("models/circle/load", {"parameters": None}, "parameters"),
        ("models/circle/load", {"parameters": [1]}, "parameters"),
        ("models/circle/unload", [], None),
    ],
)
def test_what_is_wrong_with_a_request_to_the_repository(
    client: Client, path: str, body: Any, param: str | None
) -> None:
    answer = client.post(f"/v2/repository/{path}", json=body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)
    assert answer.json()["error"]
    assert client.get("/v2/models/circle/ready").status_code == 200
