"""Connections within bounds, by real sockets against uvicorn. Deadlines are short by settings.

No test sleeps: each waits for what the server does, which the sockets' own timeout ends if it
does not.
"""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from service.connections import HEADERS, PIPELINED, RESERVED, Config
from service.listening import listen
from worker.settings import ServiceSettings

GET = b"GET / HTTP/1.1\r\nHost: here\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\n"
SHORT = {"header_seconds": 0.2, "body_seconds": 0.2, "idle_seconds": 0.2}
KEPT = {"header_seconds": 0.5, "body_seconds": 0.5, "idle_seconds": 0.5}
"""Short, but kept by a client that goes on, on a busy machine too."""
LONG = {"header_seconds": 600.0, "body_seconds": 600.0, "idle_seconds": 600.0}
SOCKET_SECONDS = 30.0


class Application:
    """Answers with the length of the body; at /held once it is told to; at /large with much."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.held = threading.Semaphore(0)
        """Given once for each request at /held."""
        self.disconnected = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)  # given once for each answer, sent or given up
        self.failed: list[RuntimeError] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        content = ""
        if request.url.path == "/held":
            self.held.release()
            await self.release.wait()
        elif request.url.path == "/large":
            content = "x" * 20_000_000
        try:
            content = content or str(len(await request.body()))
        except ClientDisconnect:
            self.disconnected.release()
            return
        try:
            await PlainTextResponse(content)(scope, receive, send)
        except RuntimeError as error:
            self.failed.append(error)
            raise
        finally:
            self.ended.release()


class Served:
    """A server in a thread, and its clients."""

    def __init__(self, port: int, application: Application, loop: asyncio.AbstractEventLoop):
        self.port, self.application, self.loop = port, application, loop

    @contextmanager
    def client(self, sent: bytes = b"") -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), SOCKET_SECONDS) as connected:
            connected.sendall(sent)
            yield connected

    def answered(self, sent: bytes) -> tuple[int, Any]:
        """Status and problem document of a request after which the server closes."""
        with self.client() as client:
            with suppress(ConnectionError):  # it may close before all is sent
                client.sendall(sent)
            return answer(rest(client))

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.application.release.set)


def rest(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    with suppress(ConnectionResetError):
        while part := client.recv(65536):
            received += part
    return received


def one(client: socket.socket) -> bytes:
    """One short answer of the application."""
    received = b""
    while b"\r\n\r\n" not in received or received.endswith(b"\r\n\r\n"):
        part = client.recv(65536)
        assert part, received
        received += part
    return received


def answer(received: bytes) -> tuple[int, Any]:
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head, received
    assert b"connection: close" in head.lower()
    assert f"content-length: {len(body)}".encode() in head
    return int(head.split()[1]), json.loads(body)


@contextmanager
def serving(state: Path, **limits: Any) -> Iterator[Served]:
    application = Application()
    started: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.append(asyncio.get_running_loop())
            ready.set()

    with listen("127.0.0.1", 0) as listening:
        settings = ServiceSettings(state=state, **limits)
        config = Config(
            application, settings, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
        )
        server = Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert ready.wait(SOCKET_SECONDS)
            yield Served(listening.getsockname()[1], application, started[0])
        finally:
            started[0].call_soon_threadsafe(application.release.set)
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose deadlines no test reaches."""
    with serving(tmp_path_factory.mktemp("state"), **LONG) as served:
        yield served


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, **SHORT) as served:
        yield served


# Heads


def test_a_request_is_answered_and_its_connection_kept(patient: Served) -> None:
    with patient.client() as client:
        for _ in range(3):
            client.sendall(POST + b"Content-Length: 5\r\n\r\nabcde")
            assert one(client).endswith(b"\r\n\r\n5")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(GET + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n", id="1 MB in one header"),
        pytest.param(GET + b"X: 12345678\r\n" * 80_000 + b"\r\n", id="1 MB in 80,000"),
        pytest.param(b"GET /" + b"x" * 1_000_000, id="1 MB in the URL"),
        pytest.param(GET + b"X: 1\r\n" * HEADERS + b"\r\n", id="one header too many"),
    ],
)
def test_a_head_that_is_too_large_is_refused(patient: Served, head: bytes) -> None:
    status, problem = patient.answered(head)
    assert (status, problem["code"]) == (431, "head_too_large")
    assert "65,536 bytes" in problem["detail"]


def test_a_head_of_a_hundred_megabytes_is_refused_at_its_beginning(patient: Served) -> None:
    with patient.client(GET + b"X: ") as client:
        sent = 0
        piece = b"x" * 1_000_000
        with suppress(ConnectionError):
            while sent < 100_000_000:
                client.sendall(piece)
                sent += len(piece)
        assert sent < 50_000_000, "the kernel's buffers and what is let pass after the answer"


def test_a_large_head_within_the_bounds_is_read(patient: Served) -> None:
    head = GET + b"X: 1\r\n" * (HEADERS - 2) + b"Y: " + b"y" * 60_000 + b"\r\n\r\n"
    with patient.client(head) as client:
        assert one(client).startswith(b"HTTP/1.1 200")


def test_trailers_are_bounded_too(patient: Served) -> None:
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    status, problem = patient.answered(chunked + b"X: " + b"x" * 300_000)
    assert (status, problem["code"]) == (400, "malformed_request")
    with patient.client(chunked + b"X: 1\r\n\r\n") as client:
        assert one(client).endswith(b"\r\n\r\n1")


@pytest.mark.parametrize(
    "request_line",
    [b"GET", b"GET / HTTP/9.9", b"\x16\x03\x01\x02\x00", b"G@T / HTTP/1.1", b"GET /\xff HTTP/1.1"],
)
def test_what_is_not_http_is_answered_with_a_problem(patient: Served, request_line: bytes) -> None:
    status, problem = patient.answered(request_line + b"\r\nHost: here\r\n\r\n")
    assert (status, problem["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_a_request_names_its_host_once(patient: Served, head: bytes, status: int) -> None:
    with patient.client(head) as client:
        received = rest(client)
    assert int(received.split()[1]) == status
    if status == 400:
        assert answer(received)[1]["param"] == "Host"


def test_an_upgrade_is_answered_without_one(patient: Served) -> None:
    with patient.client(GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n") as client:
        assert rest(client).startswith(b"HTTP/1.1 200")


# Pace


def test_a_connection_without_a_request_is_closed(hasty: Served) -> None:
    with hasty.client() as client:
        assert rest(client) == b""


def test_a_connection_that_was_answered_is_closed_when_idle(hasty: Served) -> None:
    with hasty.client(GET + b"\r\n") as client:
        assert rest(client).startswith(b"HTTP/1.1 200")


def dribble(client: socket.socket, sent: Callable[[], bytes]) -> bytes:
    """Send little by little, one piece each hundredth of a second, until an answer comes."""
    client.settimeout(0.01)
    for _ in range(3000):
        try:
            received = client.recv(65536)
        except TimeoutError:
            with suppress(ConnectionError):
                client.sendall(sent())
        else:
            client.settimeout(SOCKET_SECONDS)
            return received + rest(client)
    pytest.fail("it was never cut")


def test_a_head_that_dribbles_is_cut(hasty: Served) -> None:
    with hasty.client(GET) as client:
        status, problem = answer(dribble(client, lambda: b"X"))
    assert (status, problem["code"]) == (408, "too_slow")


def test_empty_lines_before_a_head_are_no_head(hasty: Served) -> None:
    with hasty.client(b"\r\n") as client:
        assert dribble(client, lambda: b"\r\n") == b""


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_a_body_that_dribbles_is_cut_and_the_application_told(hasty: Served, head: bytes) -> None:
    piece = b"a" if b"Length" in head else b"1\r\na\r\n"
    with hasty.client(POST + head) as client:
        status, problem = answer(dribble(client, lambda: piece))
    assert (status, problem["code"]) == (408, "too_slow")
    assert hasty.application.disconnected.acquire(timeout=SOCKET_SECONDS)


def test_a_body_that_stops_is_cut(hasty: Served) -> None:
    with hasty.client(POST + b"Content-Length: 1000000\r\n\r\n" + b"a" * 999_999) as client:
        assert answer(rest(client))[0] == 408


def test_a_large_body_at_some_kilobytes_a_second_is_read(tmp_path: Path) -> None:
    length = 70_000  # in longer than the deadline is
    head = POST + b"Content-Length: %d\r\n\r\n" % length
    with serving(tmp_path, **KEPT) as served, served.client(head) as client:
        sent = 0

        def piece() -> bytes:
            nonlocal sent
            part = b"a" * min(1000, length - sent)
            sent += len(part)
            return part

        received = dribble(client, piece)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n70000" in received


def test_a_long_poll_outlives_all_deadlines(hasty: Served) -> None:
    with hasty.client(b"GET /held HTTP/1.1\r\nHost: here\r\n\r\n") as waiting:
        assert hasty.application.held.acquire(timeout=SOCKET_SECONDS)
        for sent in (b"", GET, POST + b"Content-Length: 9\r\n\r\n", GET + b"\r\n"):
            with hasty.client(sent) as other:
                rest(other)  # it has been cut: its deadline, begun later than ours, is over
        hasty.release()
        assert one(waiting).endswith(b"\r\n\r\n0")


def test_a_body_that_the_application_does_not_read_yet_is_not_late(hasty: Served) -> None:
    body = b"a" * 1_000_000
    head = b"POST /held HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body)
    with hasty.client(head) as waiting:
        assert hasty.application.held.acquire(timeout=SOCKET_SECONDS)
        waiting.sendall(body[:200_000])
        for _ in range(3):
            with hasty.client(POST + b"Content-Length: 9\r\n\r\n") as other:
                assert rest(other)
        hasty.release()
        waiting.sendall(body[200_000:])
        assert one(waiting).endswith(b"\r\n\r\n1000000")


def test_an_answer_that_is_not_read_is_given_up(hasty: Served) -> None:
    with hasty.client(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n") as deaf:
        for _ in range(4):
            with hasty.client(POST + b"Content-Length: 9\r\n\r\n") as other:
                rest(other)
        assert len(rest(deaf)) < 20_000_000


# Number


def test_an_idle_connection_gives_way_to_a_new_one(tmp_path: Path) -> None:
    with serving(tmp_path, max_connections=16, **LONG) as served, ExitStack() as stack:
        clients = [stack.enter_context(served.client(GET + b"\r\n")) for _ in range(16)]
        for client in clients:
            assert one(client).startswith(b"HTTP/1.1 200")
        newest = stack.enter_context(served.client(GET + b"\r\n"))
        assert one(newest).startswith(b"HTTP/1.1 200")
        assert rest(clients[0]) == b"", "it has waited longest"
        clients[1].sendall(GET + b"\r\n")
        assert one(clients[1]).startswith(b"HTTP/1.1 200")


def test_when_all_are_busy_a_request_is_refused_but_health_is_told(tmp_path: Path) -> None:
    held = b"GET /held HTTP/1.1\r\nHost: here\r\n\r\n"
    with serving(tmp_path, max_connections=16, **LONG) as served, ExitStack() as stack:
        for _ in range(16 - RESERVED):
            stack.enter_context(served.client(held))
            assert served.application.held.acquire(timeout=SOCKET_SECONDS)
        with served.client(GET + b"\r\n") as one_more:
            received = rest(one_more)
        status, problem = answer(received)
        assert (status, problem["code"]) == (503, "busy")
        assert b"retry-after: 1\r\n" in received
        with served.client(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n") as asking:
            assert one(asking).startswith(b"HTTP/1.1 200")
        served.release()


def test_requests_in_advance_are_answered_up_to_a_number(patient: Served) -> None:
    with patient.client((GET + b"\r\n") * 10) as client:
        received = b""
        while received.count(b"HTTP/1.1 200") < 10:
            received += client.recv(65536)
    with patient.client((GET + b"\r\n") * 1000) as client:
        assert rest(client).count(b"HTTP/1.1 200") == PIPELINED + 1


def test_what_waits_is_given_up_when_its_client_leaves(tmp_path: Path) -> None:
    with serving(tmp_path, **LONG) as served:
        with served.client(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n" * 4) as client:
            assert served.application.ended.acquire(timeout=SOCKET_SECONDS)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert served.application.ended.acquire(timeout=SOCKET_SECONDS)
        with served.client(GET + b"Connection: close\r\n\r\n") as client:
            assert rest(client).endswith(b"0")
    assert served.application.failed == []


def test_an_answer_under_way_is_finished_before_a_bad_request_closes(patient: Served) -> None:
    with patient.client(GET + b"\r\n" + b"nonsense\r\n\r\n") as client:
        received = rest(client)
    assert received.count(b"HTTP/1.1") == 1
    assert received.startswith(b"HTTP/1.1 200")
