"""The express: plain predictions from the bytes of a request to those of its answer.

Most of what a small prediction takes is not the model's: a task, a coroutine and a handful of
messages for each request. What is plain here (JSON of few rows with nothing unusual, of a model
that is at hand) is read as soon as its body is there, and answered from within the batch that it
was computed in, in one piece. All else is answered by the application, with the same bits.
"""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import orjson
from starlette.datastructures import State
from starlette.types import ASGIApp

from service.errors import BusyError, internal_problem
from service.security.rates import Rates
from service.serving.doors.exchange import PRIVATE_JSON, refusal
from service.serving.engine import FEW_ROWS
from service.serving.front import COUNTED, RATE, RequestIds
from service.serving.joiner import Joined, Rows
from service.serving.residents import Resident
from service.telemetry.requests import Requests, are_said, say
from worker.caller import LOCAL, Caller, Permission
from worker.errors import ParsimonyError

PREFIX, SUFFIX = "/v1/models/", "/predict"
TEMPLATE = f"{PREFIX}{{name}}{SUFFIX}"
MOST_BYTES = 64 * 1024
"""Of a body."""
READING_NS = 2_000_000
"""How long requests are read in one turn of the event loop."""
MANY_ROWS = 8
"""From here on the rows of a request are encoded as it is read: they take less than with those of
others, and are one array, where lists would have the garbage collector look through them."""
_UNPLAIN = frozenset({b"content-encoding", b"prefer", b"expect", b"transfer-encoding"})
"""Headers that say something which the application is to read."""
_PREDICT = Permission.PREDICT
_FIELDS = {"instances", "warnings", "extra"}
_HEAD = b"".join(b"%s: %s\r\n" % header for header in PRIVATE_JSON)


class Exchange(Protocol):
    """A request and the way back to its client, as a connection has them."""

    scope: Any
    body: bytearray
    disconnected: bool


class Connection(Protocol):
    """What is asked of a connection."""

    def reply(self, exchange: Any, head: bytes, body: bytes, status: int = 200) -> None:
        """Write a whole answer: further lines of its head, and its body."""

    def answer_by(self, exchange: Any, app: ASGIApp) -> None:
        """Have an ASGI application answer."""

    def give_back(self, exchange: Any) -> None:
        """Have the application answer what is not plain after all."""


@dataclass(eq=False, slots=True)
class _Unread:
    """A request that is here and waits to be read."""

    connection: Connection
    exchange: Exchange
    resident: Resident
    begun: int
    rows: float
    """How many it has, about."""


class Express:
    """Answers what is plain, for all connections of one event loop.

    Args:
        state: whose `services` are there once the application has started.
        ids: the names of requests.
        requests: where they are counted.
    """

    def __init__(self, state: State, ids: RequestIds, requests: Requests) -> None:
        self._state, self._ids = state, ids
        self._unread: deque[_Unread] = deque()
        self._until = 0
        """Until when requests are read in this turn of the event loop; 0 before the first one."""
        self.is_stopping = False
        """Whether each connection is closed after its next answer."""
        self._answered = requests.of("POST", TEMPLATE, "2xx")
        self._requests = requests
        self._says = are_said()
        self._refused: tuple[str, tuple[int, bytes, bytes]] | None = None

    def resident(self, scope: Any) -> Resident | None:
        """The model that is asked, if the head of a request says nothing that is not plain."""
        path: str = scope["path"]
        if scope["method"] != "POST" or scope["query_string"] or not path.endswith(SUFFIX):
            return None
        services = getattr(self._state, "services", None)
        if services is None or not path.startswith(PREFIX):
            return None
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if headers.get(b"content-type") != b"application/json" or not length.isdigit():
            return None
        if len(headers) < len(scope["headers"]):
            return None  # One comes twice.
        if int(length) > MOST_BYTES or not _UNPLAIN.isdisjoint(headers):
            return None
        found = headers.get
        caller: Caller | None = services.gate.at_once(
            found(b"host", b""), found(b"origin", b""), found(b"authorization", b"")
        )
        if caller is None or (caller is not LOCAL and _PREDICT not in caller.scopes):
            return None  # The application says why.
        rates: Rates = services.rates
        if rates.are_limited:
            if not rates.at_once(caller, predicts=True):
                return None
            scope[COUNTED] = True
            scope[RATE] = rates.headers(caller, predicts=True)
        serving, name = services.serving, path[len(PREFIX) : -len(SUFFIX)]
        resident: Resident | None = serving.at_hand(name, tenant=caller.tenant)
        return resident if resident is not None and resident.model.plain is not None else None

    def refuses(self, connection: Connection, exchange: Exchange, resident: Resident) -> bool:
        """Refuse a request of which only the head is here, if there is no time for it; whether it
        was.
        """
        begun = time.perf_counter_ns()
        try:
            resident.joiner.check(before=resident.unread_rows)
        except BusyError as error:
            self._refuse(connection, exchange, error, begun)
            return True
        return False

    def begin(self, connection: Connection, exchange: Exchange, resident: Resident) -> bool:
        """Read a request whose body is here, now or in its turn, and have it answered; whether it
        is plain, as far as that is known.
        """
        begun = time.perf_counter_ns()
        if not self._until:
            self._until = begun + READING_NS
            asyncio.get_running_loop().call_soon(self._read_on)
        elif self._unread or begun > self._until:
            rows = len(exchange.body) / max(resident.row_bytes, 1.0)
            resident.unread_rows += rows
            self._unread.append(_Unread(connection, exchange, resident, begun, rows))
            return True
        return self._read(connection, exchange, resident, begun)

    def _read_on(self) -> None:
        """At the end of a turn of the event loop: read what waits, for some time."""
        until = time.perf_counter_ns() + READING_NS
        while self._unread:
            if time.perf_counter_ns() > until:
                asyncio.get_running_loop().call_soon(self._read_on)
                return
            one = self._unread.popleft()
            one.resident.unread_rows -= one.rows
            if one.exchange.disconnected:
                one.resident.statistics.abandoned += 1
            elif not self._read(one.connection, one.exchange, one.resident, one.begun):
                one.connection.give_back(one.exchange)
        self._until = 0

    def _read(
        self, connection: Connection, exchange: Exchange, resident: Resident, begun: int
    ) -> bool:
        """Read a request and give its rows to the joiner; whether it is plain."""
        reader, counted, says = resident.model.plain, self._answered.add, self._says
        if reader is None:
            return False
        try:
            resident.joiner.check()
            started, size = time.perf_counter_ns(), len(exchange.body)
            content = orjson.loads(bytes(exchange.body))
            instances = plain_instances(content)
            cells: Rows | None = None
            if instances is not None:
                if len(instances) >= MANY_ROWS or reader.categories:
                    cells = reader.features(instances)
                else:
                    cells = reader.cells(instances)
            if cells is None:
                return False
            rows, read = len(cells), time.perf_counter_ns() - started
            learnt = size / rows - resident.row_bytes
            resident.row_bytes += 0.1 * learnt if resident.row_bytes else learnt
            warnings = content.get("warnings", True)

            def deliver(joined: Joined, place: int) -> None:
                computed = time.perf_counter_ns()
                body: dict[str, object] = {
                    "predictions": joined.rows(place, rows),
                    "model": resident.name,
                    "version": resident.version,
                }
                statistics = resident.statistics
                if warnings:
                    body["warnings"] = []
                    statistics.looked_at += rows
                head = self._head(exchange.scope)
                connection.reply(exchange, head, orjson.dumps(body))
                now = time.perf_counter_ns()
                statistics.answered(rows, read, now - computed, now - begun)
                counted(now - begun)
                if says:
                    name = head.rpartition(b": ")[2].strip()
                    say(logging.DEBUG, "POST", exchange.scope["path"], 200, now - begun, name)

            resident.joiner.add(
                cells,
                deliver,
                partial(self._fail, connection, exchange, begun),
                gone=lambda: exchange.disconnected,
                begun=begun,
            )
        except BusyError as error:
            self._refuse(connection, exchange, error, begun)
        except (ParsimonyError, orjson.JSONDecodeError):
            return False  # The application says what it is.
        return True

    def _refuse(
        self, connection: Connection, exchange: Exchange, error: ParsimonyError, begun: int
    ) -> None:
        """Say no at once: under overload most answers are this one, so it must cost little."""
        status, lines, body = self._refusal(error)
        connection.reply(exchange, self._head(exchange.scope, lines), body, status)
        taken = time.perf_counter_ns() - begun
        self._requests.of("POST", TEMPLATE, f"{status // 100}xx").add(taken)

    def _head(self, scope: Any, lines: bytes = _HEAD) -> bytes:
        """The lines of an answer's head."""
        if RATE in scope:
            lines += b"".join(b"%s: %s\r\n" % header for header in scope[RATE])
        return b"%sx-request-id: %s\r\n" % (lines, self._ids.of(scope["headers"]))

    def _refusal(self, error: ParsimonyError) -> tuple[int, bytes, bytes]:
        """Status, lines of the head, body: of an error that most times was the last one too."""
        if self._refused is None or self._refused[0] != error.message:
            reply = refusal(PREFIX, error)
            lines = b"".join(b"%s: %s\r\n" % header for header in reply.headers)
            self._refused = error.message, (reply.status, lines, reply.body)
        return self._refused[1]

    def _fail(
        self, connection: Connection, exchange: Exchange, begun: int, error: Exception | None
    ) -> None:
        if isinstance(error, ParsimonyError):
            self._refuse(connection, exchange, error, begun)
        elif error is not None:
            connection.answer_by(exchange, internal_problem())


def plain_instances(content: Any) -> list[Any] | None:
    """The instances, if nothing stands beside them but what is known and right."""
    if type(content) is not dict:
        return None
    instances = content.get("instances")
    if type(instances) is not list or not 0 < len(instances) <= FEW_ROWS:
        return None
    if len(content) > 1 and not (
        content.keys() <= _FIELDS
        and type(content.get("warnings", True)) is bool
        and content.get("extra", "refuse") == "refuse"
    ):
        return None
    return instances
