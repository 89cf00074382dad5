"""HTTP connections within bounds: how long a head is, how slow a client, how many they are.

uvicorn's protocol on httptools takes headers of any length and at any pace, from any number of
connections. This one bounds all three. A request that asks too much is answered by a problem
document where its client can still read one (431, 408, 400, 503), and its connection is closed.
"""

import asyncio
import enum
from collections.abc import Callable
from typing import Any

import httptools
import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from service.departures import GONE, departure
from service.errors import BusyError, HeadError, MalformedError, SlowError, domain_problem
from service.pipelining import PipeliningProtocol
from worker.errors import ParsimonyError
from worker.settings import ServiceSettings

HEAD_BYTES = 64 * 1024
"""Longest head of a request: its first line and its headers. A browser's is below 8 kB."""
HEADERS = 100
"""Most headers of a request; a browser sends about 20, a chain of proxies adds a few."""
PIPELINED = 64
"""Most requests of a connection that wait for the answer before theirs."""
BYTES_A_SECOND = 500
"""Slowest body, and slowest reader of an answer."""
RESERVED = 8
"""Connections kept for questions after the service's health, and for saying that it is busy."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * 1024 * 1024
"""What a refused client may still send before it is cut off. Cut off at once, it would see a reset
connection and not the answer that says why."""
TICK_SECONDS = 0.002
"""What a timer may go off too early: clocks of event loops count milliseconds."""
HEALTH = {"/livez", "/readyz", "/ping", "/metrics", "/v2/health/live", "/v2/health/ready"}


class Config(uvicorn.Config):
    """uvicorn's configuration, with what the connections of one server share."""

    def __init__(self, application: ASGIApp, settings: ServiceSettings, **options: Any) -> None:
        options = {"http": BoundedProtocol, **options}
        super().__init__(application, ws="none", **options)
        self.settings = settings
        self.waiting: dict[BoundedProtocol, None] = {}
        """Connections without a request, the one that has waited longest first."""


class Part(enum.Enum):
    """How much of a request has been received."""

    NOTHING = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    ALL = enum.auto()


# Asked several times a request: a member looked up on its class takes 0.2 µs on Python 3.11.
_NOTHING, _HEAD, _BODY, _ALL = Part


class BoundedProtocol(PipeliningProtocol):
    """One connection. At most one deadline is set at a time for what its client sends, or for how
    long it is idle. One timer serves them all: one that goes off before the deadline is set again,
    since a timer for each request would take longer than all else that is done here.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config, Config)
        self._settings = config.settings
        self._waiting = config.waiting
        self.timeout_keep_alive = config.settings.idle_seconds  # type: ignore[assignment]
        self._application = self.app
        self._part = _NOTHING
        self._begun = 0
        """Requests that began on this connection."""
        self._head_bytes = 0
        self._hosts = 0
        self._too_many_headers = False
        self._body_bytes = 0
        """Bytes of the body since the last check of its pace."""
        self._framing_bytes = 0
        """Bytes since the last of the body: chunk headers and trailers."""
        self._was_paused = False
        """Whether the body had to wait for the application since the last check of its pace."""
        self._refused = False
        self._discarded = 0
        self._late: Callable[[], None] | None = None
        """What happens at the deadline; none if there is no deadline."""
        self._deadline = self._timer_deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    # What the transport says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client time to send a request; close the longest idle one if it is one more."""
        super().connection_made(transport)
        self._waiting[self] = None
        self._set_deadline(self._settings.header_seconds, self._head_is_late)
        if len(self.connections) > self._settings.max_connections:
            next(iter(self._waiting))._give_way()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._waiting.pop(self, None)
        self._late = None
        if self._timer is not None:
            self._timer.cancel()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, in pieces no larger than a head may be."""
        if len(data) <= HEAD_BYTES:
            self._feed(data)
        else:
            for start in range(0, len(data), HEAD_BYTES):
                self._feed(data[start : start + HEAD_BYTES])

    def pause_writing(self) -> None:
        """Give the client time to read."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    # What the parser says

    def on_message_begin(self) -> None:
        """Count anew."""
        super().on_message_begin()
        self._begun += 1
        self._part = _HEAD
        self._head_bytes = self._hosts = 0
        self._too_many_headers = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, unless there are too many. Trailers are not kept."""
        if self._part is not _HEAD:
            return
        headers = self.headers
        if len(headers) == HEADERS:
            self._too_many_headers = True
            return
        # As in the class above: a call of its method for each header takes as long as the rest.
        name = name.lower()
        headers.append((name, value))
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        """Begin to answer: by the application, or by what is wrong with the head."""
        self._part = _BODY
        self._waiting.pop(self, None)
        self._body_bytes = self._framing_bytes = 0
        self._was_paused = False
        error = self._head_error()
        self.app = self._application if error is None else _closing(error)
        super().on_headers_complete()
        # Read when the answer is begun, which is not before this returns.
        self.scope["state"][GONE] = departure(self.cycle)
        if len(self.pipeline) > PIPELINED:
            self._leave_out_newest()

    def on_body(self, body: bytes) -> None:
        """Count it for the body's pace."""
        self._body_bytes += len(body)
        self._framing_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Nothing more is expected until it has been answered."""
        super().on_message_complete()
        self._part = _ALL
        if self.cycle.response_complete:
            self._wait_for_request()

    def on_response_complete(self) -> None:
        """Answer the next request, or wait for one, or for the rest of one answered early.

        In place of the method above, which would set a timer of its own after each answer.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self.cycle.response_complete:
            return
        elif self._part is _ALL:
            self._wait_for_request()
        elif self._part is _HEAD:
            # The rest of the head is on its way, and has a deadline, as the rest of a body has.
            self._waiting[self] = None

    # What is too much

    def _feed(self, piece: bytes) -> None:
        if self._refused:
            self._discard(len(piece))
        if self._refused or self.transport.is_closing():
            return
        part, begun = self._part, self._begun
        self._framing_bytes += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # We speak nothing else: the request is answered as the HTTP request that it is.
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            if not self._refused:
                self._refuse(MalformedError("The request is not HTTP: its head cannot be read."))
            return
        if self.flow.read_paused:
            self._was_paused = True
        if self._part is _HEAD and self._begun - begun <= (part is _NOTHING):
            self._head_bytes += len(piece)
            if self._head_bytes >= HEAD_BYTES:
                self._refuse(_head_too_long())
        elif self._part is _BODY and self._framing_bytes > 2 * HEAD_BYTES:
            self._refuse(MalformedError("The body has more framing than content."))
        if not self._refused and (self._part is not part or self._begun != begun):
            self._watch()

    def _head_error(self) -> ParsimonyError | None:
        if self._too_many_headers:
            return _head_too_long()
        if self._hosts > 1 or (not self._hosts and self.parser.get_http_version() == "1.1"):
            return MalformedError(
                "The request must name its host once, by the header Host.", param="Host"
            )
        busy = len(self.connections) - len(self._waiting)
        if busy > self._settings.max_connections - RESERVED:
            path = self.url.partition(b"?")[0].decode("latin-1")
            if path not in HEALTH:
                return BusyError("All connections of this service are in use; try again.")
        return None

    def _watch(self) -> None:
        """Set the deadline of the part that is expected now."""
        if self._part is _HEAD:
            self._set_deadline(self._settings.header_seconds, self._head_is_late)
        elif self._part is _BODY:
            self._set_deadline(self._settings.body_seconds, self._check_body)
        elif self._part is _ALL:
            self._late = None

    def _wait_for_request(self) -> None:
        self._part = _NOTHING
        self._waiting[self] = None
        self._set_deadline(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _head_is_late(self) -> None:
        if self._part is _NOTHING:
            self.transport.close()
        else:
            self._refuse(
                SlowError(f"The head took longer than {self._settings.header_seconds:g} s.")
            )

    def _check_body(self) -> None:
        least = BYTES_A_SECOND * self._settings.body_seconds
        excused = self._was_paused or self.cycle.waiting_for_100_continue
        if self.cycle.response_complete:
            self.transport.close()
        elif self._body_bytes < least and not excused:
            self._refuse(
                SlowError(
                    f"The body came slower than {BYTES_A_SECOND} bytes a second, over "
                    f"{self._settings.body_seconds:g} s."
                )
            )
        else:
            self._body_bytes = 0
            self._was_paused = self.flow.read_paused
            self._set_deadline(self._settings.body_seconds, self._check_body)

    def _watch_reader(self) -> None:
        """Close the connection unless some of the answer is read in time."""
        unread = self.transport.get_write_buffer_size()
        least = BYTES_A_SECOND * self._settings.body_seconds

        def check() -> None:
            if unread - self.transport.get_write_buffer_size() < least:
                self.transport.abort()
            else:
                self._watch_reader()

        self._write_deadline = self.loop.call_later(self._settings.body_seconds, check)

    # How it ends

    def _give_way(self) -> None:
        self._waiting.pop(self, None)
        self.transport.close()

    def _refuse(self, error: ParsimonyError) -> None:
        """Say what is wrong, if nothing else is being said, and close."""
        self._refused = True
        self._late = None
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self._part is not _BODY:
                # An earlier request is being answered; the connection is closed after that.
                cycle.keep_alive = False
                return
            # The request whose body this is will not be complete.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        self.transport.write(self._raw(domain_problem(error)))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._set_deadline(LINGER_SECONDS, self.transport.abort)

    def _leave_out_newest(self) -> None:
        """Answer those before it, then close: a client sends again what was not answered."""
        self.pipeline.popleft()
        self.cycle, _ = self.pipeline[0]
        self.cycle.keep_alive = False
        self._refused = True

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > LINGER_BYTES:
            self.transport.abort()

    def _raw(self, answer: Response) -> bytes:
        headers = [
            *self.server_state.default_headers,
            *answer.raw_headers,
            (b"connection", b"close"),
        ]
        lines = (name + b": " + value + b"\r\n" for name, value in headers)
        return b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", bytes(answer.body)])

    def _set_deadline(self, seconds: float, late: Callable[[], None]) -> None:
        self._late = late
        self._deadline = deadline = self.loop.time() + seconds
        if self._timer is None or self._timer_deadline > deadline:
            self._set_timer(seconds, deadline)

    def _set_timer(self, seconds: float, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_deadline = deadline
        self._timer = self.loop.call_later(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        """Do what is due, or wait for the rest of a deadline that was moved."""
        self._timer = None
        late = self._late
        if late is None:
            return
        left = self._deadline - self.loop.time()
        if left > TICK_SECONDS:
            self._set_timer(left, self._deadline)
        else:
            self._late = None
            late()


def _head_too_long() -> HeadError:
    return HeadError(
        f"The request's head must be shorter than {HEAD_BYTES:,} bytes and have at most {HEADERS} "
        "headers."
    )


def _closing(error: ParsimonyError) -> ASGIApp:
    answer = domain_problem(error)
    answer.headers["Connection"] = "close"
    return answer
