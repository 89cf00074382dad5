"""What can go wrong between a program and the service, one tree::

    ParsimonyError
    ├── UnreachableError         nobody answers at the address, or not in time
    ├── AnswerError              the service answered, and not with success
    │   ├── RefusedError         the request is at fault: 4xx
    │   │   ├── UnauthorizedError    no key, an unknown one, or one that may not do this: 401, 403
    │   │   ├── NotFoundError        no such thing: 404
    │   │   ├── ConflictError        its state does not allow it: 409
    │   │   ├── InvalidError         a field, the data or the specification is wrong: 400, 422
    │   │   └── TooManyRequestsError 429
    │   └── ServerError          the service is at fault, or a part of it is away: 5xx
    ├── JobError                 a job has ended without success
    │   ├── JobFailedError
    │   └── JobCancelledError
    └── WaitTimeoutError         the job has not ended within the time that one would wait

Each has a ``code`` for programs, the ``param`` that it is about, and a ``detail`` with the remedy.
"""

import httpx


class ParsimonyError(Exception):
    """Base of all errors of this package.

    Attributes:
        detail: what is wrong, and what would be right.
        code: the kind of error, for programs.
        param: dotted path of the field that it is about, if it is about one.
    """

    def __init__(self, detail: str, *, code: str = "error", param: str | None = None) -> None:
        super().__init__(detail)
        self.detail, self.code, self.param = detail, code, param


class UnreachableError(ParsimonyError):
    """Nobody answers at the address, or not in time.

    Attributes:
        url: the address.
        cause: httpx's error.
    """

    def __init__(self, url: str, cause: Exception) -> None:
        why = str(cause) or type(cause).__name__
        super().__init__(f"{url} does not answer: {why}", code="unreachable")
        self.url, self.cause = url, cause


class AnswerError(ParsimonyError):
    """The service answered, and not with success.

    Attributes:
        status: of HTTP.
        errors: all fields that are wrong, where there may be several: (param, message).
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str = "http_error",
        param: str | None = None,
        errors: tuple[tuple[str | None, str], ...] = (),
    ) -> None:
        super().__init__(detail, code=code, param=param)
        self.status, self.errors = status, errors


class RefusedError(AnswerError):
    """The request is at fault."""


class UnauthorizedError(RefusedError):
    """There is no key, an unknown one, or one that may not do this."""


class NotFoundError(RefusedError):
    """There is no such thing."""


class ConflictError(RefusedError):
    """The state of the thing does not allow what was asked."""


class InvalidError(RefusedError):
    """A field, the data or the specification is wrong."""


class TooManyRequestsError(RefusedError):
    """More requests than the service allows."""


class ServerError(AnswerError):
    """The service failed, or a part of it is away."""


class JobError(ParsimonyError):
    """A job has ended without success.

    Attributes:
        job: its id.
    """

    def __init__(
        self, job: str, detail: str, *, code: str = "job_failed", param: str | None = None
    ) -> None:
        super().__init__(detail, code=code, param=param)
        self.job = job


class JobFailedError(JobError):
    """A job has failed."""


class JobCancelledError(JobError):
    """A job was cancelled."""


class WaitTimeoutError(ParsimonyError):
    """The job has not ended within the time that one would wait; it goes on."""

    def __init__(self, job: str, state: str, seconds: float) -> None:
        super().__init__(
            f"{job} is still {state} after {seconds:g} s; it goes on, and can be waited for again",
            code="wait_timeout",
        )
        self.job = job


_BY_STATUS = {
    400: InvalidError,
    401: UnauthorizedError,
    403: UnauthorizedError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
    429: TooManyRequestsError,
}


def refusal(response: httpx.Response) -> AnswerError:
    """The error of an answer that is no success: its problem document (RFC 9457) as an object."""
    status = response.status_code
    kind = _BY_STATUS.get(status, RefusedError if status < 500 else ServerError)
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        where = f"{response.request.method} {response.request.url.path}"
        text = response.text.strip()[:200]
        return kind(f"{where} was answered with {status} {text}".strip(), status=status)
    listed = problem.get("errors")
    return kind(
        str(problem.get("detail") or problem.get("title") or status),
        status=status,
        code=str(problem.get("code") or "http_error"),
        param=problem.get("param"),
        errors=tuple(
            (one.get("param"), str(one.get("message")))
            for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, dict)
        ),
    )
