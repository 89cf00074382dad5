"""From errors to HTTP: one table, one problem body (RFC 9457).

The errors that only a request can make join the tree of ``worker/errors.py``::

    ParsimonyError
    ├── MalformedError           the body is not JSON, or a header cannot be read
    ├── TooLargeError            the body is larger than this service takes
    ├── MediaTypeError           the body is of a kind that this operation does not read
    ├── HeadError                the request's first line and headers are too long
    ├── SlowError                the request came too slowly
    └── BusyError                there are more requests at once than the settings allow
"""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from service.validation import Finding, findings
from worker.errors import (
    ConflictError,
    DataError,
    ModelError,
    NotFoundError,
    ParsimonyError,
    SpecError,
    UnavailableError,
)
from worker.schema import Json
from worker.storage.artefacts import ArtefactError
from worker.storage.idempotency import KeyReused

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
RESERVED = frozenset({"type", "title", "status", "detail", "code", "param"})


class MalformedError(ParsimonyError):
    """The body is not JSON, or a header cannot be read."""

    code = "malformed_request"


class TooLargeError(ParsimonyError):
    """The body is larger than this service takes."""

    code = "too_large"


class MediaTypeError(ParsimonyError):
    """The body is of a kind that this operation does not read."""

    code = "unsupported_media_type"


class HeadError(ParsimonyError):
    """The request's first line and headers are too long."""

    code = "head_too_large"


class SlowError(ParsimonyError):
    """The request came too slowly."""

    code = "too_slow"


class BusyError(UnavailableError):
    """There are more requests at once than the settings allow."""

    code = "busy"


@dataclass(frozen=True)
class Status:
    """One HTTP status, as this service uses it."""

    meaning: str
    """What it says of an operation, in the documentation."""
    titles: dict[type[ParsimonyError], str]
    """The errors that are answered with it, and their titles."""
    code: str = "http_error"
    """The code of an answer that no error of ours led to."""


STATUSES = {
    400: Status(
        "The body is not JSON.",
        {MalformedError: "The request cannot be read"},
        "malformed_request",
    ),
    401: Status("There is no valid key.", {}, "unauthorized"),
    404: Status("There is no such thing.", {NotFoundError: "Not found"}, "not_found"),
    405: Status("The operation has another method.", {}, "method_not_allowed"),
    408: Status("The request came too slowly.", {SlowError: "The request came too slowly"}),
    409: Status(
        "Its state does not allow it.",
        {ConflictError: "The state does not allow it"},
    ),
    413: Status("The body is too large.", {TooLargeError: "The body is too large"}, "too_large"),
    415: Status(
        "The body is of the wrong kind.",
        {MediaTypeError: "The body is of the wrong kind"},
    ),
    422: Status(
        "A field, the data or the specification is not valid; `param` names the field.",
        {
            DataError: "The data cannot be used as asked",
            SpecError: "The specification does not hold together",
            KeyReused: "The idempotency key was used before",
        },
    ),
    431: Status("The headers are too long, or too many.", {HeadError: "The headers are too large"}),
    500: Status(
        "The service failed.",
        {ArtefactError: "A stored file is damaged", ParsimonyError: "The request failed"},
    ),
    503: Status(
        "A part of the service cannot be reached now; try again.",
        {
            ModelError: "The model cannot be served",
            UnavailableError: "A part of the service cannot be reached",
        },
    ),
}
"""The only table of statuses. A class that is not listed takes its nearest ancestor's."""

BY_ERROR = {
    error: (status, title)
    for status, about in STATUSES.items()
    for error, title in about.titles.items()
}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Documents these problems, beside those that every operation may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": STATUSES[status].meaning,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted({*statuses, 500, 503})
    }


def status_of(error: ParsimonyError) -> tuple[int, str]:
    """The HTTP status and the title of an error, by its class."""
    return next(BY_ERROR[ancestor] for ancestor in type(error).__mro__ if ancestor in BY_ERROR)


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    code: str,
    param: str | None = None,
    extra: Json | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """A problem document: type, title, status, detail, code, param, and what else is known."""
    body = {
        "type": f"urn:parsimony:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "param": param,
        **{key: value for key, value in (extra or {}).items() if key not in RESERVED},
    }
    content = orjson.dumps(body, default=str, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def domain_problem(error: ParsimonyError) -> Response:
    """The problem document of a domain error."""
    status, title = status_of(error)
    headers = {"Retry-After": "1"} if isinstance(error, UnavailableError) else None
    return problem(
        status,
        title,
        error.message,
        code=error.code,
        param=error.param,
        extra=error.extra,
        headers=headers,
    )


def validation_problem(
    error: RequestValidationError, model: type[BaseModel] | None = None
) -> Response:
    """Every field that is wrong, each with its path and its remedy; the first one leads."""
    if isinstance(error.body, bytes):
        return domain_problem(
            MediaTypeError("Send the body as JSON, with the header Content-Type: application/json.")
        )
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        where = f" at character {first['loc'][-1]}" if len(first["loc"]) > 1 else ""
        reason = first.get("ctx", {}).get("error", "it cannot be read")
        return domain_problem(MalformedError(f"The body is not JSON{where}: {reason}."))
    wrong = findings(error.errors(), error.body, model)
    return problem(
        422,
        "The request is not valid",
        _sentence(wrong),
        code="invalid_request",
        param=wrong[0].param,
        extra={"errors": [{"param": field.param, "message": field.message} for field in wrong]},
    )


def _sentence(wrong: list[Finding]) -> str:
    first = wrong[0]
    sentence = f"{first.param}: {first.message}" if first.param else first.message
    if first.param is None and first.message.startswith(("is ", "must ")):
        sentence = f"The body {first.message}"
    return sentence if len(wrong) == 1 else f"{sentence} (and {len(wrong) - 1} more, see errors)"


def http_problem(request: Request, error: HTTPException) -> Response:
    """What the router refuses: an unknown route, a method that a route does not have."""
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"No operation at {request.url.path}. /docs and /openapi.json list them all."
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
        detail = f"{request.url.path} takes {headers['Allow']}, not {request.method}."
    known = STATUSES.get(error.status_code)
    return problem(
        error.status_code,
        HTTPStatus(error.status_code).phrase,
        detail,
        code=known.code if known else "http_error",
        headers=headers,
    )


def _allowed(request: Request) -> list[str]:
    # Starlette names the methods of the first route with this path only; there may be several.
    routes = request.app.router.routes
    scope = {key: request.scope[key] for key in ("type", "path", "headers", "query_string")}
    return [
        method
        for method in METHODS
        if any(
            route.matches({**scope, "root_path": "", "method": method})[0] is Match.FULL
            for route in routes
        )
    ]


def _body_model(request: Request) -> type[BaseModel] | None:
    field = getattr(request.scope.get("route"), "body_field", None)
    annotation = field.field_info.annotation if field else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of this application with a problem document."""

    @app.exception_handler(ParsimonyError)
    async def on_domain_error(request: Request, error: ParsimonyError) -> Response:
        return domain_problem(error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        return validation_problem(error, _body_model(request))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        return http_problem(request, error)

    @app.exception_handler(Exception)
    async def on_unforeseen_error(request: Request, error: Exception) -> Response:
        log.exception("unforeseen error", exc_info=error)
        return problem(
            500,
            "Internal error",
            "The service failed on this request; its log has the details.",
            code="internal_error",
        )
