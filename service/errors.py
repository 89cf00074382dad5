"""From errors to HTTP: one table, one problem body (RFC 9457).

The errors that only a request can make join the tree of ``worker/errors.py``::

    ParsimonyError
    ├── MalformedError           the body is not JSON, or a header cannot be read
    ├── InvalidError             fields of the request are wrong, each by itself
    ├── TooLargeError            the body is larger than this service takes
    ├── MediaTypeError           the body is of a kind that this operation does not read
    ├── HeadError                the request's first line and headers are too long
    ├── SlowError                the request came too slowly
    ├── UnsupportedError         the protocol has it, and this service has not
    ├── UnauthorizedError        there is no valid key (service/security/refusals.py)
    ├── RateError                the key has asked too often
    ├── ForbiddenError           the key is not good for that, or the request comes from elsewhere
    └── BusyError                there are more requests at once than the settings allow
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from service.security.refusals import ForbiddenError, RateError, UnauthorizedError, challenge
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
from worker.text import shortened

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MOST_LISTED = 20
"""Wrong fields that an answer lists."""
LONGEST_TEXT = 8_000
"""Characters of a text of a problem document."""
UNREADABLE_FORM = (
    "The body cannot be read as multipart/form-data; send the file as curl -F file=@data.csv does."
)
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of what is neither to be kept by a cache nor to be taken for something else."""
RESERVED = frozenset({"type", "title", "status", "detail", "code", "param"})


class MalformedError(ParsimonyError):
    """The body is not JSON, or a header cannot be read."""

    code = "malformed_request"


class InvalidError(ParsimonyError):
    """Fields of the request are wrong, each by itself."""

    code = "invalid_request"


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


class UnsupportedError(ParsimonyError):
    """The protocol has it, and this service has not."""

    code = "unsupported"


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
    given_by: Literal["each", "body", "keyed", "some"] = "some"
    """The operations that may answer with it: each, each that takes a body, each that needs a key,
    or those that say so by ``problems``."""
    example: Json = field(default_factory=dict)
    """Members of the documented example that differ from those of its first error."""


STATUSES = {
    400: Status(
        "The request cannot be read: its body is not JSON, or its URL is malformed.",
        {MalformedError: "The request cannot be read"},
        "malformed_request",
        given_by="each",
        example={"detail": "The body is not JSON at character 12: Expecting value."},
    ),
    401: Status(
        "There is no valid key: none, or one that is unknown, wrong, expired or revoked.",
        {UnauthorizedError: "A valid key is needed"},
        "unauthorized",
        given_by="keyed",
        example={"detail": "Send a valid key in the header Authorization, as `Bearer pk_…`."},
    ),
    403: Status(
        "The key has not the scope that this needs; or, where no key is needed, the request comes "
        "from a page of another origin.",
        {ForbiddenError: "It is not allowed"},
        "forbidden",
        given_by="each",
        example={
            "detail": "This key has not the scope `train`, which the operation needs.",
            "code": "scope_missing",
            "scope": "train",
        },
    ),
    404: Status(
        "There is no such thing.",
        {NotFoundError: "Not found"},
        "not_found",
        example={"detail": "There is nothing of this name or id here.", "param": "id"},
    ),
    405: Status("The operation has another method.", {}, "method_not_allowed"),
    408: Status(
        "The request came too slowly.",
        {SlowError: "The request came too slowly"},
        given_by="each",
        example={"detail": "The head took longer than 10 s."},
    ),
    409: Status(
        "Its state does not allow it.",
        {ConflictError: "The state does not allow it"},
        example={"detail": "It has ended, or is in use; its state is no longer changed."},
    ),
    413: Status(
        "The body is too large.",
        {TooLargeError: "The body is too large"},
        "too_large",
        given_by="body",
        example={"detail": "The body is larger than 33,554,432 bytes.", "limit": 33_554_432},
    ),
    415: Status(
        "The body is of the wrong kind.",
        {MediaTypeError: "The body is of the wrong kind"},
        given_by="body",
        example={
            "detail": "Send the body as JSON, with the header Content-Type: application/json."
        },
    ),
    422: Status(
        "A field, a parameter, the data or the specification is not valid; `param` names it.",
        {
            InvalidError: "The request is not valid",
            DataError: "The data cannot be used as asked",
            SpecError: "The specification does not hold together",
            KeyReused: "The idempotency key was used before",
        },
        given_by="each",
        example={
            "title": "The request is not valid",
            "detail": "regularization.dropout.p: must be below 1, not 1",
            "code": "invalid_request",
            "param": "regularization.dropout.p",
            "errors": [{"param": "regularization.dropout.p", "message": "must be below 1, not 1"}],
        },
    ),
    429: Status(
        "This key has asked too often.",
        {RateError: "Too many requests"},
        given_by="keyed",
        example={
            "detail": "This key may ask 1200 per 1 minute; ask again in 12 s.",
            "limit": "1200 per 1 minute",
            "seconds": 12,
        },
    ),
    431: Status(
        "The headers are too long, or too many.",
        {HeadError: "The headers are too large"},
        given_by="each",
        example={"detail": "The request's head must be shorter than 65,536 bytes."},
    ),
    500: Status(
        "The service failed.",
        {ArtefactError: "A stored file is damaged", ParsimonyError: "The request failed"},
        given_by="each",
        example={
            "title": "Internal error",
            "detail": "The service failed on this request; its log has the details.",
            "code": "internal_error",
        },
    ),
    501: Status(
        "The protocol has it, and this service has not.",
        {UnsupportedError: "It is not supported"},
        example={"detail": "Shared memory is not read here; send the tensor in the body."},
    ),
    503: Status(
        "A part of the service cannot be reached now; try again.",
        {
            UnavailableError: "A part of the service cannot be reached",
            ModelError: "The model cannot be served",
        },
        given_by="each",
        example={"detail": "The database cannot be reached; try again in a moment."},
    ),
}
"""The only table of statuses. A class that is not listed takes its nearest ancestor's."""

BY_ERROR = {
    error: (status, title)
    for status, about in STATUSES.items()
    for error, title in about.titles.items()
}

# FastAPI takes this very type.
Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Documents these problems, beside those that the table gives to every such operation."""
    return {status: {"description": STATUSES[status].meaning} for status in sorted(statuses)}


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
    content = orjson.dumps(
        _writable(body),
        default=lambda value: shortened(str(value), LONGEST_TEXT),
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    headers = {**PRIVATE, **(headers or {})}
    return Response(content, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def _writable(value: Any) -> Any:
    """A part of an answer as JSON can hold it, and a terminal can show it."""
    if isinstance(value, str):
        return shortened(value, LONGEST_TEXT)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value) if abs(value) < 2**1023 else None
    if isinstance(value, dict):
        return {shortened(str(key), LONGEST_TEXT): _writable(part) for key, part in value.items()}
    return [_writable(part) for part in value] if isinstance(value, list | tuple) else value


def domain_problem(error: ParsimonyError) -> Response:
    """The problem document of a domain error."""
    status, title = status_of(error)
    headers = {"Retry-After": "1"} if isinstance(error, UnavailableError) else challenge(error)
    return problem(
        status,
        title,
        error.message,
        code=error.code,
        param=error.param,
        extra=error.extra,
        headers=headers,
    )


def internal_problem() -> Response:
    """The problem document of an error that nobody foresaw."""
    return problem(
        500,
        "Internal error",
        "The service failed on this request; its log has the details.",
        code="internal_error",
    )


def validation_problem(error: RequestValidationError) -> Response:
    """Every parameter that is wrong, each with its path and its remedy; the first one leads."""
    if isinstance(error.body, bytes):
        return domain_problem(
            MediaTypeError("Send the body as JSON, with the header Content-Type: application/json.")
        )
    return domain_problem(invalid(findings(error.errors(), error.body)))


def invalid(wrong: Sequence[Finding], unread: int = 0) -> InvalidError:
    """The error of these fields, of which the first ones are listed; so many more were not read."""
    first, *others = wrong
    listed = [{"param": field.param, "message": field.message} for field in wrong[:MOST_LISTED]]
    more = len(others) + unread
    sentence = f"{first.param}: {first.message}" if first.param else first.message
    if first.param is None and first.message.startswith(("is ", "must ")):
        sentence = f"The body {first.message}"
    unlisted = more + 1 - len(listed)
    return InvalidError(
        f"{sentence} (and {more:,} more, see errors)" if more else sentence,
        param=first.param,
        code=first.code,
        errors=listed,
        **({"more": unlisted} if unlisted else {}),
    )
