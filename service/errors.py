"""From errors to HTTP: one table, one problem body (RFC 9457).

The errors that only a request can make join the tree of ``worker/errors.py``::

    ParsimonyError
    ├── MalformedError           the body is not JSON, or a header cannot be read
    ├── TooLargeError            the body is larger than this service takes
    └── MediaTypeError           the body is of a kind that this operation does not read
"""

import logging
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


STATUS: dict[type[ParsimonyError], tuple[int, str]] = {
    DataError: (422, "The data cannot be used as asked"),
    SpecError: (422, "The specification does not hold together"),
    ModelError: (503, "The model cannot be served"),
    NotFoundError: (404, "Not found"),
    ConflictError: (409, "The state does not allow it"),
    UnavailableError: (503, "A part of the service cannot be reached"),
    MalformedError: (400, "The request cannot be read"),
    TooLargeError: (413, "The body is too large"),
    MediaTypeError: (415, "The body is of the wrong kind"),
    KeyReused: (422, "The idempotency key was used before"),
    ArtefactError: (500, "A stored file is damaged"),
    ParsimonyError: (500, "The request failed"),
}
"""Domain error → status and title. A subclass that is not listed takes its nearest ancestor's."""

HTTP_CODES = {
    400: "malformed_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}


def status_of(error: ParsimonyError) -> tuple[int, str]:
    """The HTTP status and the title of an error, by its class."""
    for ancestor in type(error).__mro__:
        if ancestor in STATUS:
            return STATUS[ancestor]
    return STATUS[ParsimonyError]


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    code: str,
    param: str | None = None,
    extra: dict[str, Any] | None = None,
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
    found = findings(error.errors(), error.body, model)
    return problem(
        422,
        "The request is not valid",
        _sentence(found),
        code="invalid_request",
        param=found[0].param,
        extra={"errors": [{"param": one.param, "message": one.message} for one in found]},
    )


def _sentence(found: list[Finding]) -> str:
    first = found[0]
    sentence = f"{first.param}: {first.message}" if first.param else first.message
    if first.param is None and first.message.startswith(("is ", "must ")):
        sentence = f"The body {first.message}"
    return sentence if len(found) == 1 else f"{sentence} (and {len(found) - 1} more, see errors)"


def http_problem(request: Request, error: HTTPException) -> Response:
    """What the router refuses: an unknown route, a method that a route does not have."""
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"No operation at {request.url.path}. /docs and /openapi.json list them all."
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
        detail = f"{request.url.path} takes {headers['Allow']}, not {request.method}."
    return problem(
        error.status_code,
        HTTPStatus(error.status_code).phrase,
        detail,
        code=HTTP_CODES.get(error.status_code, "http_error"),
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
