"""The front answers what its doors know, and is not there for all else."""

import asyncio
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import orjson
from starlette.datastructures import State
from starlette.types import Message, Receive, Scope, Send

from service.body_limit import JSON_BYTES
from service.errors import BusyError
from service.security.gate import Gate
from service.security.key_ring import KeyRing
from service.security.rates import Rates
from service.serving.doors.exchange import Call, Reply
from service.serving.front import SMALL_NS, TURN_NS, Front, Turn
from worker.settings import ServiceSettings

DOOR = re.compile(r"/doors/(?P<name>[^/]+)")


def test_what_a_turn_cannot_read_is_refused_and_the_next_turn_reads_on() -> None:
    now = 0

    async def work() -> list[bool]:
        nonlocal now
        turn, read = Turn(lambda: now, lambda: now), []
        for _ in range(2):
            for _ in range(10):
                try:
                    turn.enter()
                    now += TURN_NS // 4 + 1
                    read.append(True)
                except BusyError:
                    read.append(False)
            await asyncio.sleep(0)
        return read

    assert asyncio.run(work()) == ([True] * 4 + [False] * 6) * 2


def test_small_requests_are_read_however_many_they_are() -> None:
    now = 0

    async def work() -> None:
        nonlocal now
        turn = Turn(lambda: now, lambda: now)
        for _ in range(2_000):
            turn.enter()
            now += SMALL_NS // 2

    asyncio.run(work())


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it was sent."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False) and message["type"] == "http.request"
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b"behind: %d" % len(body)})


async def echo(call: Call) -> Reply | None:
    if call.body == b"busy":
        raise BusyError("too much")
    if call.body == b"fault":
        raise ZeroDivisionError
    return None if call.body == b"unknown" else Reply(call.path["name"].encode() + call.body)


def ask(
    *parts: bytes, path: str = "/doors/x", method: str = "POST", headers: Any = ()
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Send a body in parts through the front: status, headers, body."""
    opened: list[Any] = []

    def open_doors(services: Any) -> Any:
        opened.append(services)
        return [(DOOR, echo)]

    settings = ServiceSettings()
    services = SimpleNamespace(
        gate=Gate(settings, cast(KeyRing, None)), rates=Rates(settings), settings=settings
    )
    front = Front(application, State({"services": services}), open_doors=open_doors)
    waiting = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
    }
    asyncio.run(front(scope, receive, send))
    start = next(m for m in sent if m["type"] == "http.response.start")
    body = b"".join(m.get("body", b"") for m in sent)
    assert len(opened) <= 1
    return start["status"], dict(start["headers"]), body


def test_a_door_answers_what_it_knows_however_the_body_comes() -> None:
    status, headers, body = ask(b"1", b"2", b"3")
    assert (status, body, headers[b"content-length"]) == (200, b"x123", b"4")
    assert ask(b"123")[2] == b"x123"


def test_what_it_does_not_know_is_passed_on_as_it_came() -> None:
    assert ask(b"unknown")[2] == b"behind: 7"
    assert ask(b"unk", b"nown")[2] == b"behind: 7"
    assert ask(b"a", path="/other")[2] == b"behind: 1"
    assert ask(b"a", method="PUT")[2] == b"behind: 1"
    assert ask(b"a", path="/doors/x/y")[2] == b"behind: 1"


def test_a_body_too_large_to_be_held_is_passed_on() -> None:
    size = JSON_BYTES // 2 + 1
    assert ask(b"a" * size, b"b" * size, b"c")[2] == b"behind: %d" % (2 * size + 1)


def test_its_errors_are_problem_documents() -> None:
    status, headers, body = ask(b"busy")
    assert (status, orjson.loads(body)["code"]) == (503, "busy")
    assert headers[b"retry-after"] == b"1"
    status, headers, body = ask(b"fault")
    assert (status, orjson.loads(body)["code"]) == (500, "internal_error")
    assert headers[b"content-type"] == b"application/problem+json"


def test_every_answer_names_its_request() -> None:
    named: Callable[..., bytes] = lambda *parts, **options: ask(*parts, **options)[1][  # noqa: E731
        b"x-request-id"
    ]
    for parts in ((b"1",), (b"busy",), (b"fault",), (b"unknown",)):
        assert named(*parts).startswith(b"req_")
        given = [(b"x-request-id", b"mine-17")]
        assert named(*parts, headers=given) == b"mine-17"
        for wrong in (b"", b"a b", b"\xff", b"x" * 129, b"a\r\nSet-Cookie: b"):
            assert named(*parts, headers=[(b"x-request-id", wrong)]).startswith(b"req_")
    assert named(b"1", path="/other", method="GET").startswith(b"req_")
