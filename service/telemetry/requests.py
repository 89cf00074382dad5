"""Requests, counted: by method, route and class of status, with how long they took.

They are counted in plain lists of integers, which takes a tenth of a microsecond, and written as
text only when somebody asks.
"""

import logging
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("parsimony.access")

BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of the histogram's buckets, in seconds."""
_BOUNDS_NS = tuple(int(bound * 1e9) for bound in BOUNDS)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""In place of a method or a route that is not ours: each client could make up new ones."""
GONE = "gone"
"""In place of a status: the client left before it was answered."""
ROUTE = "parsimony.route"
"""What a scope calls the template of the path, where no route of the application answered."""
READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Histogram:
    """How often something took how long."""

    __slots__ = ("counts", "ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.ns = 0

    def add(self, ns: int) -> None:
        """Once more, in nanoseconds."""
        self.counts[bisect_left(_BOUNDS_NS, ns)] += 1
        self.ns += ns


Headers = Iterable[tuple[bytes, bytes]]
NO_HEADERS: Headers = ()
REQUEST_ID = b"x-request-id"

Key = tuple[str, str, str]
"""Method, template of the path, class of the status."""


class Requests:
    """All requests that this process has answered."""

    def __init__(self) -> None:
        self._histograms: dict[Key, Histogram] = {}
        self.open = 0
        """Requests that are being answered now; but for plain predictions, which take no time."""

    def of(self, method: str, route: str, status: str) -> Histogram:
        """Where such requests are counted."""
        key = (method, route, status)
        histogram = self._histograms.get(key)
        if histogram is None:
            histogram = self._histograms[key] = Histogram()
        return histogram

    @property
    def histograms(self) -> Mapping[Key, Histogram]:
        """Those of which there was a request."""
        return self._histograms

    def answered(self, scope: Scope, status: int, ns: int, headers: Headers) -> None:
        """A request was answered; status 0 if its client did not wait for that."""
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self.of(method, _route(scope), f"{status // 100}xx" if status else GONE).add(ns)
        level = logging.INFO if _changes(scope, method) else logging.DEBUG
        if log.isEnabledFor(level):
            logged = {name: value for name, value in headers if name in (REQUEST_ID, b"location")}
            fields = {"location": logged[b"location"].decode()} if b"location" in logged else {}
            say(level, method, scope["path"], status, ns, logged.get(REQUEST_ID, b""), **fields)


def are_said() -> bool:
    """Whether each request has a line."""
    return log.isEnabledFor(logging.DEBUG)


def say(
    level: int, method: str, path: str, status: int, ns: int, request_id: bytes, **more: str
) -> None:
    """Write the line of a request."""
    fields = {"request": request_id.decode(), "status": status, "ms": round(ns / 1e6, 3), **more}
    log.log(level, "%s %s", method, path, extra=fields)


class Watched:
    """ASGI callable that counts what the one behind it answers."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter_ns()
        status, headers = 0, NO_HEADERS

        async def seen(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
            await send(message)

        self._requests.open += 1
        try:
            await self._app(scope, receive, seen)
        except Exception:
            status = status or 500
            raise
        finally:
            self._requests.open -= 1
            taken = time.perf_counter_ns() - begun
            self._requests.answered(scope, status, taken, headers)


def _route(scope: Scope) -> str:
    """The template of a request's path, as the OpenAPI document has it."""
    given: str | None = scope.get(ROUTE)
    if given is not None:
        return given
    path: str | None = getattr(scope.get("route"), "path", None)
    if path:
        return path
    return "/static" if scope["path"].startswith("/static/") else OTHER


def is_prediction(scope: Scope) -> bool:
    """Whether a request has a model answer."""
    path: str = scope["path"]
    return scope["method"] == "POST" and (
        path.endswith(("/predict", "/infer")) or path == "/invocations"
    )


def _changes(scope: Scope, method: str) -> bool:
    """Whether a request changes what is kept: predictions, which are POSTs too, do not."""
    if method in READS:
        return False
    route = _route(scope)
    asks = ("/predict", "/infer", "/invocations", "/validate")
    return route != OTHER and not route.endswith(asks)
