"""Errors as the clients of the Open Inference Protocol read them.

They take any status but 200 for an error, and read the member `error` of its body, a text. RFC 9457
allows further members, so that a problem document with `error` serves both. Their statuses are
Triton's: not found 404, unavailable 503, unsupported 501, invalid 400.

Clients of MLflow's server, who ask at `/invocations`, read `error_code` and `message`.
"""

import orjson
from starlette.responses import Response

PREFIX = "/v2"
INVOCATIONS = "/invocations"
CODES = {404: "RESOURCE_DOES_NOT_EXIST", 500: "INTERNAL_ERROR", 503: "TEMPORARILY_UNAVAILABLE"}
"""The names that MLflow has for statuses, where it is not BAD_REQUEST."""
STATUSES = {415: 400, 422: 400}
"""Our statuses that the protocol does not have."""


def is_of_protocol(path: str) -> bool:
    """Whether a path is one of the protocol's."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def for_protocol(path: str, problem: Response) -> Response:
    """A problem document as whoever asked for `path` reads it."""
    if not is_of_protocol(path) and path != INVOCATIONS:
        return problem
    body = orjson.loads(problem.body)
    status = problem.status_code
    if path == INVOCATIONS:
        code = CODES.get(status, "BAD_REQUEST")
        content = orjson.dumps({**body, "error_code": code, "message": body["detail"]})
    else:
        status = STATUSES.get(status, status)
        content = orjson.dumps({**body, "status": status, "error": body["detail"]})
    answer = Response(content, status)
    answer.raw_headers += [
        (name, value) for name, value in problem.raw_headers if name != b"content-length"
    ]
    return answer
