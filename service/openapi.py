"""The OpenAPI document: what FastAPI finds, completed for the programs that generate from it."""

import json
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.errors import MEDIA_TYPE, STATUSES
from service.links import LINKS
from service.protocol_errors import STATUSES as PROTOCOL_STATUSES
from service.protocol_errors import is_of_protocol
from service.routes import operations
from service.schemas.common import AS_ACCEPTED, FieldProblem, InferenceProblem, Problem
from service.schemas.invocations import DataframeSplit, InvocationParams, InvocationRequest
from service.schemas.models import RowsOfFile, RowsOfParquet, RowsOfText
from service.schemas.oip import (
    IndexRequest,
    InferRequest,
    InputTensor,
    RepositoryRequest,
    RequestedOutput,
)
from worker.schema import Json

DESCRIPTION = """Train regularized neural networks over HTTP, compare them, and have the best
one answer predictions.

1. `POST /v1/datasets` uploads a file (CSV, Parquet, NPZ, images); or name a built-in data set.
2. `POST /v1/jobs` trains: one configuration, or several side by side.
3. `GET /v1/jobs/{id}` follows it; `/trials`, `/chart` and `/report` say what came of it.
4. `POST /v1/models/{name}/predict` answers with the winner, in eval mode; `POST /v1/predictions`
   has the workers score a stored data set.

Errors are problem documents (RFC 9457): `code` is for programs, `param` names the field, `detail`
says what would be right.

The examples of the operations that read work once those of `POST /v1/datasets` and `POST /v1/jobs`
have run: `latest` is the newest data set or job, `circle` the model of the first example.
"""

REFERENCE = "#/components/schemas/"
KEY = "key"
KEY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "pk_<16 hex digits>_<64 hex digits>",
    "description": "A key that `parsimony keys create` made, with the scopes that an operation "
    "lists. None is needed where the service listens on a loopback address.",
}

UNPARSED = (
    DataframeSplit,
    IndexRequest,
    InferRequest,
    InputTensor,
    InvocationParams,
    InvocationRequest,
    RepositoryRequest,
    RequestedOutput,
    RowsOfFile,
    RowsOfParquet,
    RowsOfText,
)
"""Bodies that FastAPI does not read, and so does not know."""

TAGS = [
    {"name": "Data sets", "description": "What is learnt from."},
    {"name": "Jobs", "description": "Training: one configuration, or a comparison of several."},
    {"name": "Results", "description": "What comes of a job."},
    {
        "name": "Techniques",
        "description": "What may hold a network back: formulas, starting values, search ranges.",
    },
    {"name": "Models", "description": "Registered winners, their versions and aliases."},
    {"name": "Predictions", "description": "Answers in eval mode."},
    {
        "name": "Open Inference Protocol",
        "description": "Version 2, as the clients of KServe and Triton speak it: `tritonclient` "
        "works unchanged. Errors have a member `error`, too.",
    },
    {
        "name": "Invocations",
        "description": "As MLflow's scoring server and SageMaker's endpoints are asked.",
    },
    {"name": "Webhooks", "description": "Who is told of the ends of jobs."},
    {"name": "Health", "description": "The service itself."},
]


def add_openapi(app: FastAPI) -> None:
    """Give the application this document, made when it is first asked for."""
    # FastAPI's own way to another document, which its types do not know.
    app.openapi = lambda: _document(app.title, app.version)  # type: ignore[method-assign]


@cache
def _document(title: str, version: str) -> Json:
    document = _named_by_title(
        get_openapi(
            title=title,
            version=version,
            summary="Regularized neural networks as a service.",
            description=DESCRIPTION,
            routes=operations(),
            tags=TAGS,
            servers=[{"url": "/", "description": "The service that answers this document."}],
            contact={"name": "Whoever runs this service"},
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
    )
    document["security"] = []
    document["components"]["securitySchemes"] = {KEY: KEY_SCHEME}
    needs = {route.operation_id: route.needs for route in operations()}
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in (FieldProblem, Problem, InferenceProblem, *UNPARSED):
        schema = model.model_json_schema(ref_template=REFERENCE + "{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    for path, methods in document["paths"].items():
        for operation in methods.values():
            scope = needs.get(operation["operationId"])
            if scope is not None:
                operation["security"] = [{KEY: [str(scope)]}]
            _complete(operation, schemas, of_protocol=is_of_protocol(path))
    _require_kinds(schemas)
    for schema in _schemas(document):
        _make_plain(schema)
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            _describe(field, schemas)
            _explain_default(name, field, schema, schemas)
    return document


def _named_by_title(document: Json) -> Json:
    """Name each schema by its title: the core's `JobError` has been `ErrorBody` to clients."""
    schemas = document["components"]["schemas"]
    titles = {
        name: schema["title"]
        for name, schema in schemas.items()
        if schema.get("title", "").isidentifier() and schema["title"] != name
    }
    text = json.dumps(document)
    for name, title in titles.items():
        text = text.replace(f'"{REFERENCE}{name}"', f'"{REFERENCE}{title}"')
    renamed: Json = json.loads(text)
    schemas = renamed["components"]["schemas"]
    renamed["components"]["schemas"] = {
        name: schemas[old] for name, old in sorted((titles.get(old, old), old) for old in schemas)
    }
    return renamed


def _complete(operation: Json, schemas: Json, *, of_protocol: bool) -> None:
    """Every status it can give, with an example; its links; what its parameters and forms take."""
    answers = operation["responses"]
    # FastAPI documents its own form of 422, which is never sent.
    statuses = {int(status) for status in answers if status >= "400" and int(status) in STATUSES}
    givers = {"each"}
    givers |= {"body"} if "requestBody" in operation else set()
    givers |= {"keyed"} if "security" in operation else set()
    ruled = {status for status, about in STATUSES.items() if about.given_by in givers}
    problem = InferenceProblem if of_protocol else Problem
    for status in sorted(statuses | ruled):
        if of_protocol and status in PROTOCOL_STATUSES:
            answers.pop(str(status), None)
            continue
        example = _example_of(status)
        if of_protocol:
            example["error"] = example["detail"]
        answers[str(status)] = {
            "description": STATUSES[status].meaning,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": REFERENCE + problem.__name__},
                    "example": example,
                }
            },
        }
    operation["responses"] = answers = dict(sorted(answers.items()))
    for status, answer in answers.items():
        links = LINKS.get((operation["operationId"], status))
        if links:
            answer["links"] = links
    for parameter in operation.get("parameters", []):
        _without_null(parameter["schema"])
    form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
    if form:
        body = schemas[form["schema"]["$ref"].removeprefix(REFERENCE)]
        body["additionalProperties"] = False  # service/bodies.py
        for field in body["properties"].values():
            _without_null(field)


def _example_of(status: int) -> Json:
    """What the documentation shows of a status: its first error's problem, or what it says."""
    about = STATUSES[status]
    phrase = HTTPStatus(status).phrase
    title, code = next(
        ((title, error.code) for error, title in about.titles.items()), (phrase, about.code)
    )
    code = about.example.get("code", code)
    return {
        "type": f"urn:parsimony:problem:{code}",
        "title": title,
        "status": status,
        "detail": about.meaning,
        "code": code,
        "param": None,
        **about.example,
    }


def _without_null(schema: Json) -> None:
    """A URL, a header and a form have no null: what is not given is left out."""
    choices = schema.get("anyOf", [])
    others = [choice for choice in choices if choice != {"type": "null"}]
    if len(others) == 1 < len(choices):
        del schema["anyOf"]
        schema.update({**others[0], **schema})
        schema["examples"] = [one for one in schema.get("examples", []) if one is not None]
        if not schema["examples"]:
            del schema["examples"]


def _require_kinds(schemas: Json) -> None:
    """What tells the members of a union apart is required of each, though it has a default."""
    for schema in list(_schemas(schemas)):
        discriminator = schema.get("discriminator", {})
        for reference in discriminator.get("mapping", {}).values():
            member = schemas[reference.removeprefix(REFERENCE)]
            required = {*member.get("required", []), discriminator["propertyName"]}
            member["required"] = [name for name in member["properties"] if name in required]


def _make_plain(schema: Json) -> None:
    """What generators stumble over, said in the way that they read."""
    accepted = schema.pop(AS_ACCEPTED, None)
    if accepted:
        schema.pop("type")
        schema["$ref"] = REFERENCE + accepted
    if "prefixItems" in schema and "items" not in schema:
        # Not false, which is right too, since maxItems says that nothing follows: Spectral and
        # openapi-python-client want a schema.
        first, *others = schema["prefixItems"]
        alike = all(other == first for other in others)
        schema["items"] = first if alike else {"anyOf": schema["prefixItems"]}
    if schema.get("contentMediaType") == "application/octet-stream":
        schema["format"] = "binary"


def _describe(field: Json, schemas: Json) -> None:
    """A field that has no words of its own takes the first line of what it refers to."""
    if field.get("description"):
        return
    choices = [field, *field.get("anyOf", []), *field.get("oneOf", [])]
    for choice in choices:
        target = schemas.get(str(choice.get("$ref", "")).rpartition("/")[2], {})
        if target.get("description"):
            field["description"] = target["description"].split("\n", 1)[0]
            return


def _explain_default(name: str, field: Json, schema: Json, schemas: Json) -> None:
    """Say a default in words and as `x-default`.

    Generators take `default` for a promise that the member is there, in requests too, and refuse
    the one of a member that is an object.
    """
    if "default" not in field:
        return
    default = _shortest(field.pop("default"), field, schemas)
    if default is None or name in schema.get("required", []):
        return
    field["x-default"] = default
    text = field.get("description", "").rstrip()
    shown = json.dumps(default, ensure_ascii=False)
    field["description"] = f"{text} Default: `{shown}`.".lstrip()


def _shortest(default: Any, field: Json, schemas: Json) -> Any:
    """An object without the members that it would have anyway."""
    if not isinstance(default, dict):
        return default
    for choice in (field, *field.get("oneOf", []), *field.get("anyOf", [])):
        target = schemas.get(choice.get("$ref", "").removeprefix(REFERENCE), {})
        kind = target.get("properties", {}).get("kind", {}).get("const")
        if target and kind == default.get("kind"):
            return {key: default[key] for key in target.get("required", []) if key in default}
    return default


def _schemas(node: Any) -> Iterator[Json]:
    """Every object below a node that may be a schema."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in ("example", "examples", "default", "enum", "const"):
                yield from _schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from _schemas(value)
