"""Errors as the clients of the Open Inference Protocol read them.

They take any status but 200 for an error, and read the member `error` of its body, a text. RFC 9457
allows further members, so that a problem document with `error` serves both. Their statuses are
Triton's: not found 404, unavailable 503, unsupported 501, invalid 400.
"""

import orjson
from starlette.responses import Response

PREFIX = "/v2"
STATUSES = {415: 400, 422: 400}
"""Our statuses that the protocol does not have."""


def is_of_protocol(path: str) -> bool:
    """Whether a path is one of the protocol's."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def for_protocol(path: str, problem: Response) -> Response:
    """A problem document as whoever asked for `path` reads it."""
    if not is_of_protocol(path):
        return problem
    body = orjson.loads(problem.body)
    status = STATUSES.get(problem.status_code, problem.status_code)
    content = orjson.dumps({**body, "status": status, "error": body["detail"]})
    answer = Response(content, status)
    answer.raw_headers += [
        (name, value) for name, value in problem.raw_headers if name != b"content-length"
    ]
    return answer
