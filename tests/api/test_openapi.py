"""The OpenAPI document is complete: words and examples for everything."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from service.app import create_app
from service.examples import SCORED
from tests.api.client import Client
from tests.api.work import ask, post, score, train
from worker.settings import ServiceSettings
from worker.storage import webhooks

Json = dict[str, Any]
ENDS = (
    *("delete_dataset", "delete_job", "delete_model", "delete_model_version", "delete_alias"),
    *("delete_prediction", "delete_webhook"),
    *("cancel_job", "cancel_prediction", "pause_job", "resume_job", "retry_job", "v2_unload"),
)
"""Operations after whose examples those of others do not work, or that want what has not ended."""
ONE_OF_MANY = {"after", "fold", "trial", "version"}
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
    prediction = score(client, ask(client, model="documented", dataset=made))["id"]
    bodies = {
        "/v1/predictions": client.get("/v1/predictions"),
        "/v1/predictions/{id}": client.get(f"/v1/predictions/{prediction}"),
        "/v1/datasets": client.get("/v1/datasets"),
        "/v1/datasets/{id}": client.get(f"/v1/datasets/{made}"),
        "/v1/datasets/{id}/preview": client.get(f"/v1/datasets/{made}/preview"),
        "/v1/datasets/{id}/values": client.get(f"/v1/datasets/{made}/values"),
        "/v1/jobs": client.get("/v1/jobs"),
        "/v1/techniques": client.get("/v1/techniques"),
        "/v1/techniques/{name}": client.get("/v1/techniques/l1"),
        "/v1/models": client.get("/v1/models"),
        "/v1/models/{name}": client.get("/v1/models/documented"),
        "/v1/models/{name}/versions/{version}": client.get("/v1/models/documented/versions/1"),
        "/v1/models/{name}/certificate": client.get("/v1/models/documented/certificate"),
        "/v1/models/{name}/predict": predicted,
        "/v1/models/{name}/statistics": client.get("/v1/models/documented/statistics"),
        "/livez": client.get("/livez"),
        "/readyz": client.get("/readyz"),
        "/ping": client.get("/ping"),
        "/v1/system": client.get("/v1/system"),
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


def walked(node: Any, place: str = "") -> Iterator[tuple[str, Json]]:
    """Every object in it that may be a schema, with its place."""
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            if key not in ("example", "examples", "x-default", "const", "enum"):
                yield from walked(value, f"{place}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from walked(value, f"{place}/{number}")


def test_no_member_of_a_body_has_a_default_and_no_array_is_without_items(document: Json) -> None:
    for place, schema in walked(document["components"]["schemas"]):
        assert "default" not in schema or place.endswith("/properties"), place
        assert schema.get("type") != "array" or isinstance(schema["items"], dict), place


def test_a_default_is_told_in_words_and_for_programs(document: Json) -> None:
    schemas = document["components"]["schemas"]
    epochs = schemas["Training"]["properties"]["epochs"]
    assert epochs["x-default"] == 50
    assert epochs["description"].endswith("Default: `50`.")
    job = schemas["JobSpec"]
    assert job["required"] == ["dataset"]
    assert job["properties"]["network"]["x-default"] == {"kind": "mlp"}
    assert job["properties"]["training"]["x-default"] == {}


def test_a_kind_is_required_of_each_that_it_tells_apart(document: Json) -> None:
    schemas = document["components"]["schemas"]
    members = {
        (reference.rpartition("/")[2], schema["discriminator"]["propertyName"])
        for _, schema in walked(document)
        if "discriminator" in schema
        for reference in schema["discriminator"].get("mapping", {}).values()
    }
    assert {("MlpSpec", "kind"), ("AdamSpec", "kind"), ("ConstantSchedule", "kind")} <= members
    assert all(kind in schemas[name]["required"] for name, kind in members)


def test_an_answer_has_all_its_members_but_what_is_left_out(document: Json) -> None:
    schemas = document["components"]["schemas"]
    for name in ("JobView", "TrialView", "DatasetView", "SearchReportView", "Listing_JobSummary_"):
        left_out = set(schemas[name]["properties"]) - set(schemas[name]["required"])
        assert left_out == ({"resolved"} if name == "JobView" else set()), name
    assert "required" not in schemas["Prediction"]


def test_urls_headers_and_forms_have_no_null(document: Json) -> None:
    fields = [
        parameter["schema"]
        for _, operation in operations(document)
        for parameter in operation.get("parameters", [])
    ]
    fields += document["components"]["schemas"]["Body_upload_dataset"]["properties"].values()
    for field in fields:
        assert {"type": "null"} not in field.get("anyOf", []), field
        assert None not in field.get("examples", []), field


def test_a_file_is_binary(document: Json) -> None:
    file = document["components"]["schemas"]["Body_upload_dataset"]["properties"]["file"]
    assert file["format"] == "binary"


def test_keys_of_our_own_begin_with_x(document: Json) -> None:
    strength = document["components"]["schemas"]["L1"]["properties"]["strength"]
    assert strength["x-search"] == {"low": 1e-6, "high": 1e-2, "log": True}
    assert "search" not in strength


def test_each_status_has_an_example_of_its_own(document: Json) -> None:
    for name, operation in operations(document):
        problems = {
            int(status): answer["content"]["application/problem+json"]
            for status, answer in operation["responses"].items()
            if status >= "400"
        }
        shown = {status: content["example"] for status, content in problems.items()}
        # The Open Inference Protocol has its own statuses: what is invalid is 400.
        protocol = " /v2" in name
        assert {400, 500, 503} <= shown.keys(), name
        assert ({415, 422} & shown.keys() == set()) if protocol else (422 in shown), name
        if "requestBody" in operation:
            assert ({413} if protocol else {413, 415}) <= shown.keys(), name
        assert len({json.dumps(example) for example in shown.values()}) == len(shown), name
        for status, example in shown.items():
            assert example["status"] == status
            schema = {**problems[status]["schema"], "components": document["components"]}
            jsonschema.validate(example, schema)


def test_examples_name_codes_that_are_sent(client: Client, document: Json) -> None:
    shown = document["paths"]["/v1/jobs"]["post"]["responses"]

    def sent(status: int, **request: Any) -> None:
        answer = client.post("/v1/jobs", **request)
        assert answer.status_code == status
        example = shown[str(status)]["content"]["application/problem+json"]["example"]
        told = answer.json()
        assert {**told, "detail": ""} == {**example, "detail": ""}

    headers = {"Content-Type": "application/json"}
    sent(400, content=b'{"dataset": ', headers=headers)
    sent(415, content=b"{}", headers={"Content-Type": "text/csv"})
    regularization = {"dropout": {"p": 1}}
    sent(422, json={"dataset": {"builtin": "iris"}, "regularization": regularization})


def test_links_lead_from_what_an_answer_has_to_what_an_operation_asks_for(document: Json) -> None:
    schemas = document["components"]["schemas"]
    targets = {operation["operationId"]: operation for _, operation in operations(document)}
    linked = set()
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            for link in answer.get("links", {}).values():
                target = targets[link["operationId"]]
                linked.add(link["operationId"])
                known = {parameter["name"]: parameter for parameter in target["parameters"]}
                needed = {one for one, parameter in known.items() if parameter["in"] == "path"}
                assert needed <= link["parameters"].keys() <= known.keys(), (name, link)
                for expression in link["parameters"].values():
                    schema = answer["content"]["application/json"]["schema"]
                    pointer = expression.removeprefix("$response.body#/")
                    for step in pointer.split("/"):
                        schema = member(schema, step, schemas)
                    assert status.startswith("2")
    assert linked >= {"get_job", "get_report", "get_model", "get_model_version", "predict"}
    assert linked >= {"get_prediction", "get_prediction_result"}


def member(schema: Json, step: str, schemas: Json) -> Json:
    """The schema of a member of an object, or of an item of a list."""
    for choice in (schema, *schema.get("anyOf", [])):
        target = schemas.get(choice.get("$ref", "").rpartition("/")[2], choice)
        if step.isdecimal() and "items" in target:
            items: Json = target["items"]
            return items
        if step in target.get("properties", {}):
            found: Json = target["properties"][step]
            return found
    raise AssertionError(f"there is no {step} in {schema}")


@pytest.mark.slow
def test_examples_of_what_reads_work_after_those_of_what_writes(
    client: Client, document: Json
) -> None:
    form = document["components"]["schemas"]["Body_upload_dataset"]["properties"]
    table = form["file"]["examples"][0]
    assert client.upload(table, target=form["target"]["examples"][0]).status_code == 201
    bodies = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    for example in ("regression", "comparison"):
        posted = client.post("/v1/jobs", json=bodies["examples"][example]["value"])
        train(client, posted.json()["id"])
    score(client, ask(client, **SCORED))
    with client.services.database.write() as session:
        webhook = webhooks.add_webhook(session, url="https://hooks.example.com/", events=[]).id
    tried = 0
    for name, operation in operations(document):
        method, path = name.split(" ")
        if "{" not in path or operation["operationId"] in ENDS:
            continue
        known = operation["parameters"]
        values = {one["name"]: one["schema"].get("examples", [None])[0] for one in known}
        if path.startswith("/v1/webhooks"):
            values["id"] = webhook
        query = {
            one["name"]: values[one["name"]]
            for one in known
            # What says how a file is read has nothing to say of JSON, and is refused beside it.
            if one["in"] == "query" and not one["description"].startswith("Of a file:")
        }
        for body in examples_of_a_body(operation, document):
            answer = client.request(
                method,
                path.format(**values),
                params={key: value for key, value in query.items() if value is not None},
                json=body,
            )
            assert answer.status_code == 200, (name, answer.text)
            tried += 1
    assert tried >= 15


def examples_of_a_body(operation: Json, document: Json) -> list[Any]:
    """The examples of an operation's JSON body; one of none where it takes no body."""
    if "requestBody" not in operation:
        return [None]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    examples: list[Any] = schema["examples"]
    return examples


def test_latest_is_the_newest_and_nothing_where_there_is_none(fresh: Client) -> None:
    for path in ("/v1/jobs/latest", "/v1/jobs/latest/report", "/v1/datasets/latest"):
        answer = fresh.get(path)
        assert answer.status_code == 404
        assert "yet" in answer.json()["detail"]
    for number in (1, 2):
        job = post(fresh, name=f"job {number}")
        assert fresh.get("/v1/jobs/latest").json()["id"] == job
        assert fresh.get("/v1/jobs/latest/trials").json()["data"]
        made = fresh.upload("x,y\n" + f"1,a\n2,b\n{number},a\n", target="y").json()["id"]
        assert fresh.get("/v1/datasets/latest").json()["id"] == made


def test_latest_is_neither_deleted_nor_cancelled(fresh: Client) -> None:
    post(fresh)
    fresh.upload("x,y\n1,a\n2,b\n", target="y")
    assert fresh.post("/v1/jobs/latest/cancel").status_code == 404
    assert fresh.delete("/v1/datasets/latest").status_code == 404
