"""The OpenAPI document: what FastAPI finds, completed."""

import json

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.errors import MEDIA_TYPE
from service.schemas.common import FieldProblem, Problem
from worker.schema import Json

DESCRIPTION = """Train regularized neural networks over HTTP, compare them, and have the best
one answer predictions.

1. `POST /v1/datasets` uploads a file (CSV, Parquet, NPZ, images); or name a built-in data set.
2. `POST /v1/jobs` trains: one configuration, or several side by side.
3. `GET /v1/jobs/{id}` follows it; `/trials`, `/chart` and `/report` say what came of it.
4. `POST /v1/models/{name}/predict` answers with the winner, in eval mode.

Errors are problem documents (RFC 9457): `code` is for programs, `param` names the field, `detail`
says what would be right.
"""

REFERENCE = "#/components/schemas/"

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
    {"name": "Health", "description": "The service itself."},
]


def add_openapi(app: FastAPI) -> None:
    """Give the application this document, made when it is first asked for."""

    def document() -> Json:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> Json:
    made = _named_by_title(
        get_openapi(
            title=app.title,
            version=app.version,
            summary="Regularized neural networks as a service.",
            description=DESCRIPTION,
            routes=app.routes,
            tags=TAGS,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            separate_input_output_schemas=False,
        )
    )
    schemas = made["components"]["schemas"]
    for model in (FieldProblem, Problem):
        schema = model.model_json_schema(ref_template=REFERENCE + "{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    for path in made["paths"].values():
        for operation in path.values():
            _use_problems(operation)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            _describe(field, schemas)
    return made


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


def _use_problems(operation: Json) -> None:
    """FastAPI documents its own form of 422, which is never sent."""
    answer = operation["responses"].get("422")
    if answer and MEDIA_TYPE not in answer.get("content", {}):
        schema = {"$ref": REFERENCE + "Problem"}
        answer["description"] = "A parameter is not valid; `param` names it."
        answer["content"] = {MEDIA_TYPE: {"schema": schema}}


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
