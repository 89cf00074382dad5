"""What a door takes and gives: a request whose body is here, and an answer as bytes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from service.errors import domain_problem
from service.protocol_errors import for_protocol
from worker.caller import Caller
from worker.errors import ParsimonyError

Headers = list[tuple[bytes, bytes]]

PRIVATE_JSON: Headers = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]
"""What every answer of JSON has that is neither to be kept nor to be taken for something else."""


@dataclass(slots=True)
class Call:
    """A request: small enough to be held, and all here."""

    path: Mapping[str, str]
    """What the path names: `name`, `version`."""
    query: bytes
    headers: Iterable[tuple[bytes, bytes]]
    """As they came, names in lower case."""
    body: bytes
    caller: Caller
    gone: Callable[[], bool] | None = field(default=None)
    """Whether the client has left."""

    def header(self, name: bytes) -> bytes:
        """A header's value; empty without one."""
        return next((value for key, value in self.headers if key == name), b"")


@dataclass(slots=True)
class Reply:
    """An answer."""

    body: bytes
    status: int = 200
    headers: Headers = field(default_factory=list)
    """Beside the length: the content's type, and what else the protocol wants."""


def refusal(path: str, error: ParsimonyError) -> Reply:
    """What whoever asked for a path is told of an error."""
    problem = for_protocol(path, domain_problem(error))
    headers = [pair for pair in problem.raw_headers if pair[0] != b"content-length"]
    return Reply(bytes(problem.body), problem.status_code, headers)


Door = Callable[[Call], Awaitable[Reply | None]]
"""Answers a call; none if the application behind the front is to answer it."""
