"""Every error of the application becomes a problem document."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Mount

from service.errors import (
    METHODS,
    STATUSES,
    UNREADABLE_FORM,
    domain_problem,
    internal_problem,
    problem,
    validation_problem,
)
from service.protocol_errors import for_protocol
from worker.errors import ParsimonyError
from worker.storage.faults import place_fault

log = logging.getLogger(__name__)


def http_problem(request: Request, error: HTTPException) -> Response:
    """What the router refuses: an unknown route, a method that a route does not have."""
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"No operation at {request.url.path}. /docs and /openapi.json list them all."
    if error.status_code == 400 and detail == "There was an error parsing the body":
        detail = UNREADABLE_FORM
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
    allowed: set[str] = set()
    for path, methods in request.app.state.exact_paths:
        if path == request.url.path:
            allowed |= methods
    # A path that stands as it is goes before one with parameters: there is no job named validate.
    if not allowed:
        scope = {key: request.scope[key] for key in ("type", "path", "headers", "query_string")}
        for route in request.app.router.routes:
            # A mount of files says that it takes any method.
            allowed |= {
                method
                for method in ({"GET"} if isinstance(route, Mount) else METHODS)
                if route.matches({**scope, "root_path": "", "method": method})[0] is Match.FULL
            }
    if "GET" in allowed:
        allowed.add("HEAD")  # service/conventions.py
    return [method for method in METHODS if method in allowed]


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of this application with a problem document."""

    @app.exception_handler(ParsimonyError)
    async def on_domain_error(request: Request, error: ParsimonyError) -> Response:
        return for_protocol(request.scope["path"], domain_problem(error))

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        return for_protocol(request.scope["path"], validation_problem(error))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        return for_protocol(request.scope["path"], http_problem(request, error))

    @app.exception_handler(OSError)
    async def on_fault_of_the_place(request: Request, error: OSError) -> Response:
        fault = place_fault(error)
        if fault is None:
            raise error
        log.warning("%s", fault, exc_info=error)
        return for_protocol(request.scope["path"], domain_problem(fault))

    @app.exception_handler(Exception)
    async def on_unforeseen_error(request: Request, error: Exception) -> Response:
        log.exception("unforeseen error", exc_info=error)
        answer = for_protocol(request.scope["path"], internal_problem())
        answer.headers["Connection"] = "close"  # the server closes it, since this goes on to it
        return answer
