"""The OpenAPI document is complete: words and examples for everything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema

from service.app import create_app
from tests.api.client import Client
from tests.api.work import post, train
from worker.settings import ServiceSettings

Json = dict[str, Any]
ONE_OF_MANY = {"after", "trial", "version"}
"""Parameters that choose one thing of those that are stored: left out, they always work."""


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_nothing_is_opened_to_describe_the_service(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    create_app(ServiceSettings(state=state)).openapi()
    assert not state.exists()


def test_every_operation_has_words(document: Json) -> None:
    ids = []
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        ids.append(operation["operationId"])
    assert len(set(ids)) == len(ids) >= 25


def test_every_parameter_has_words_and_an_example(document: Json) -> None:
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            place = f"{name}: {parameter['name']}"
            assert parameter["description"], place
            if parameter["required"] or parameter["name"] not in ONE_OF_MANY:
                assert parameter["schema"]["examples"], place


def test_every_field_has_words(document: Json) -> None:
    wordless = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, about in schema.get("properties", {}).items()
        if not about.get("description")
    ]
    assert not wordless


def test_every_answer_has_a_schema_and_errors_are_problems(document: Json) -> None:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            assert answer["description"], (name, status)
            if status == "204":
                assert "content" not in answer
            elif status.startswith("2"):
                assert all(kind["schema"] for kind in answer["content"].values()), name
            else:
                assert list(answer["content"]) == ["application/problem+json"], (name, status)


def test_every_request_body_has_an_example(document: Json) -> None:
    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        for kind, body in operation.get("requestBody", {}).get("content", {}).items():
            schema = schemas[body["schema"]["$ref"].rpartition("/")[2]]
            examples = body.get("examples") or schema.get("examples")
            if kind == "multipart/form-data":
                examples = [field["examples"] for field in schema["properties"].values()]
            assert examples, (name, kind)


def test_the_document_refers_only_to_what_it_holds(document: Json) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) == schemas


def test_answers_are_as_documented(client: Client, document: Json) -> None:
    made = client.upload("x,y\n" + "1,a\n2,b\n" * 30, target="y").json()["id"]
    job = train(client, post(client, dataset=made, model="documented"))["id"]
    client.put("/v1/models/documented/aliases/production", json={"version": 1})
    predicted = client.post("/v1/models/documented/predict", json={"instances": [[1.0]]})
    bodies = {
        "/v1/datasets": client.get("/v1/datasets"),
        "/v1/datasets/{id}": client.get(f"/v1/datasets/{made}"),
        "/v1/jobs": client.get("/v1/jobs"),
        "/v1/techniques": client.get("/v1/techniques"),
        "/v1/techniques/{name}": client.get("/v1/techniques/l1"),
        "/v1/models": client.get("/v1/models"),
        "/v1/models/{name}": client.get("/v1/models/documented"),
        "/v1/models/{name}/versions/{version}": client.get("/v1/models/documented/versions/1"),
        "/v1/models/{name}/certificate": client.get("/v1/models/documented/certificate"),
        "/v1/models/{name}/predict": predicted,
        "/livez": client.get("/livez"),
        "/readyz": client.get("/readyz"),
        "/ping": client.get("/ping"),
    }
    for part in ("", "/trials", "/metrics", "/events", "/checkpoints", "/chart", "/report"):
        bodies[f"/v1/jobs/{{id}}{part}"] = client.get(f"/v1/jobs/{job}{part}")
    for path, answer in bodies.items():
        assert answer.status_code == 200, (path, answer.text)
        method = "post" if answer is predicted else "get"
        content = document["paths"][path][method]["responses"]["200"]["content"]
        schema = content["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
    problem = client.get("/v1/jobs/job_nowhere").json()
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    jsonschema.validate(problem, schema)
