"""The front: an ASGI callable before the application, for the requests whose pace matters.

What it does not know, or a door gives back, the application behind it answers, as if the front were
not there. Every answer, by whichever way, names its request: `X-Request-Id`, the client's own where
it sent one.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from os import urandom
from typing import Any

from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.body_limit import JSON_BYTES
from service.departures import GONE
from service.errors import BusyError, domain_problem, internal_problem
from service.protocol_errors import for_protocol
from service.security.auditor import REQUEST
from service.security.callers import CALLER, caller_in, require
from service.security.gate import Provenance
from service.security.refusals import ForbiddenError
from service.serving.doors.exchange import Call, Door, Reply
from service.telemetry.requests import ROUTE, is_prediction
from worker.caller import Caller, Permission
from worker.errors import ParsimonyError
from worker.logs import about_task

log = logging.getLogger(__name__)

Routes = Sequence[tuple[re.Pattern[str], Door]]
"""Paths of POST requests, and the doors that answer them."""

Stream = Callable[[Mapping[str, str], Scope, Receive, Send], Awaitable[None]]
"""Answers a request whose body is not held: what the path names, and the request. It answers its
own errors."""
Streams = Sequence[tuple[re.Pattern[str], Callable[[bytes], bool], Stream]]
"""Paths of POST requests, whether a body of this content type is streamed, and what answers it."""

TURN_NS = 40_000_000
"""Time of the processor in which requests are read in one turn of the event loop."""
SMALL_NS = 200_000
"""What small requests take on the mean to be read."""
REQUEST_ID = b"x-request-id"
COUNTED = "parsimony.counted"
"""What a scope has whose request was counted before it came here."""
RATE = "parsimony.rate"
"""What a scope calls the headers of an answer that tell of a budget."""
METRICS = "/metrics"
SCRAPER = Caller("", None, frozenset({Permission.READ}))
"""Who asks for the metrics without a key, where the settings allow it: not passed on to others."""
_ID = re.compile(rb"[A-Za-z0-9_.:/+=@-]{1,128}")


class RequestIds:
    """What requests are called in their answers."""

    def __init__(self) -> None:
        self._process = urandom(6).hex().encode()
        self._numbers = count(1)

    def of(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The client's own id if it may stand in an answer, else a new one."""
        for name, value in headers:
            if name == REQUEST_ID and _ID.fullmatch(value):
                return bytes(value)
        return b"req_%s%08x" % (self._process, next(self._numbers))


class Turn:
    """One turn of the event loop, in which the requests that came meanwhile are read one by one.

    What a turn cannot read in `TURN_NS` is refused: a refusal takes a fraction of the reading, so
    that the turn ends soon, those that were read have their time, and a client learns at once that
    there is none for it. Small requests are not refused: that would take as long as to answer them.
    """

    def __init__(
        self,
        clock: Callable[[], int] = time.perf_counter_ns,
        processor: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        self._clock, self._processor = clock, processor
        self._begun = self._worked = -1
        self._entered = 0

    def enter(self) -> None:
        """Begin to read a request.

        Raises:
            BusyError: too much was read in this turn.
        """
        now = self._clock()
        if self._begun < 0:
            self._begun, self._worked, self._entered = now, self._processor(), 0
            asyncio.get_running_loop().call_soon(self._end)
        elif now - self._begun > (limit := max(TURN_NS, self._entered * SMALL_NS)) and (
            self._processor() - self._worked > limit  # and was not only held up by others
        ):
            raise BusyError("More is asked at once than can be answered in time; try again.")
        self._entered += 1

    def _end(self) -> None:
        self._begun = -1


class Front:
    """ASGI callable.

    Args:
        app: the application behind it.
        state: whose `services` are there once the application has started.
        open_doors: from the application's services to the doors; called when they are first asked.
        open_streams: likewise to those of bodies that are not held.
    """

    def __init__(
        self,
        app: ASGIApp,
        state: State,
        *,
        open_doors: Callable[[Any], Routes],
        open_streams: Callable[[Any], Streams] = lambda services: (),
        turn: Turn | None = None,
        ids: RequestIds | None = None,
    ) -> None:
        self._turn, self._ids = turn or Turn(), ids or RequestIds()
        self._app, self._state = app, state
        self._open_doors, self._open_streams = open_doors, open_streams
        self._services: Any = None
        self._routes: Routes = ()
        self._streams: Streams = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._ids.of(scope["headers"])
        about_task(request=request_id.decode())
        scope[REQUEST] = request_id.decode()
        doors = self._doors()
        try:
            await self._admit(scope)
        except ForbiddenError as error:
            answer = for_protocol(scope["path"], domain_problem(error))
            await answer(scope, receive, _named(request_id, scope, send))
            return
        if scope["method"] == "POST":
            for path, takes, stream in self._streams:
                match = path.fullmatch(scope["path"])
                if match and takes(_kind(scope)):
                    scope[ROUTE] = _template(match)
                    if not await _may_predict(scope, receive, _named(request_id, scope, send)):
                        return
                    await stream(match.groupdict(), scope, receive, _named(request_id, scope, send))
                    return
            for path, door in doors:
                match = path.fullmatch(scope["path"])
                if match:
                    scope[ROUTE] = _template(match)
                    if not await _may_predict(scope, receive, _named(request_id, scope, send)):
                        return
                    await self._ask(door, match.groupdict(), request_id, scope, receive, send)
                    return
        await self._app(scope, receive, _named(request_id, scope, send))

    async def _admit(self, scope: Scope) -> None:
        """Keep in the scope who asks, or what stands against it: a public operation answers anyway.

        Raises:
            ForbiddenError: the request comes from a page of another origin.
        """
        if self._services is None:
            return
        gate, said = self._services.gate, Provenance.of(scope["headers"])
        gate.check_place(said)
        try:
            caller = await gate.admit(said)
            if self._services.rates.are_limited:
                await self._count(caller, scope)
            scope[CALLER] = caller
        except ParsimonyError as error:
            is_open = scope["path"] == METRICS and self._services.settings.open_metrics
            scope[CALLER] = SCRAPER if is_open else error

    async def _count(self, caller: Caller, scope: Scope) -> None:
        """Count a request, unless the express has; raises ``RateError`` where it is one too many.

        The budget that it goes by is told by its answer.
        """
        rates, predicts = self._services.rates, is_prediction(scope)
        if not scope.get(COUNTED):
            await rates.take(caller, predicts=predicts)
        scope[RATE] = rates.headers(caller, predicts=predicts)

    def _doors(self) -> Routes:
        services = getattr(self._state, "services", None)
        if services is not self._services and services is not None:
            self._services, self._routes = services, self._open_doors(services)
            self._streams = self._open_streams(services)
        return self._routes

    async def _ask(
        self,
        door: Door,
        path: dict[str, str],
        request_id: bytes,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        message = await receive()
        body: bytes = message.get("body", b"")
        if message["type"] != "http.request" or message.get("more_body"):
            messages = [message]
            size = len(body)
            while message["type"] == "http.request" and message.get("more_body"):
                message = await receive()
                messages.append(message)
                size += len(message.get("body", b""))
                if size > JSON_BYTES:
                    break
            if message["type"] != "http.request" or size > JSON_BYTES:  # The application says so.
                receive = _replayed(messages, receive)
                await self._app(scope, receive, _named(request_id, scope, send))
                return
            body = b"".join(message.get("body", b"") for message in messages)
        gone = scope.get("state", {}).get(GONE)
        call = Call(path, scope["query_string"], scope["headers"], body, caller_in(scope), gone)
        try:
            self._turn.enter()
            reply = await door(call)
        except ParsimonyError as error:
            answer = for_protocol(scope["path"], domain_problem(error))
            await answer(scope, receive, _named(request_id, scope, send))
            return
        except Exception:
            log.exception("POST %s failed", scope["path"])
            answer = for_protocol(scope["path"], internal_problem())
            await answer(scope, receive, _named(request_id, scope, send))
            return
        if reply is None:
            whole: Message = {"type": "http.request", "body": body, "more_body": False}
            receive = _replayed([whole], receive)
            await self._app(scope, receive, _named(request_id, scope, send))
            return
        await _send(reply, request_id, scope, send)


async def _may_predict(scope: Scope, receive: Receive, send: Send) -> bool:
    """Whether who asks may have models answer; else that is said."""
    try:
        require(caller_in(scope), Permission.PREDICT)
    except ParsimonyError as error:
        await for_protocol(scope["path"], domain_problem(error))(scope, receive, send)
        return False
    return True


def _template(match: re.Match[str]) -> str:
    """The path with what it names replaced by the names."""
    path = match.string
    for name in sorted(match.re.groupindex, key=match.start, reverse=True):
        if match[name] is not None:
            path = f"{path[: match.start(name)]}{{{name}}}{path[match.end(name) :]}"
    return path


def _kind(scope: Scope) -> bytes:
    """The content type of a request's body; empty if that is not said."""
    return next((value for name, value in scope["headers"] if name == b"content-type"), b"")


async def _send(reply: Reply, request_id: bytes, scope: Scope, send: Send) -> None:
    body = reply.body
    headers = [
        *reply.headers,
        (REQUEST_ID, request_id),
        *scope.get(RATE, ()),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _named(request_id: bytes, scope: Scope, send: Send) -> Send:
    """What sends an answer with the id of its request, and the budget that it was counted in."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            more = [(REQUEST_ID, request_id), *scope.get(RATE, ())]
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return named


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    """What was read already, then the rest."""
    waiting = iter(messages)

    async def replay() -> Message:
        for message in waiting:
            return message
        return await receive()

    return replay
