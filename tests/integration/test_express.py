"""Plain predictions over real connections: the same answers as by the application, whatever a
client does meanwhile.
"""

import gc
import json
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.client import running
from tests.api.work import post, train
from tests.integration.served import serving
from worker.settings import ServiceSettings

ROWS = np.random.default_rng(0).uniform(-1.5, 1.5, (200, 2)).tolist()
PATH = "/v1/models/circle/predict"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = ServiceSettings(state=tmp_path_factory.mktemp("state"))
    with running(settings) as client:
        train(client, post(client, dataset={"builtin": "circle"}, model="circle"))
    with serving(settings) as served:
        at = served.removeprefix("http://")
        httpx.post(f"{served}{PATH}", json={"instances": ROWS[:1]})  # loads the model
        yield at


def request(rows: list[Any], head: str = "", version: str = "1.1") -> bytes:
    body = json.dumps({"instances": rows}).encode()
    lines = [
        f"POST {PATH} HTTP/{version}",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *([head] if head else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def connected(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def answer(client: socket.socket) -> tuple[str, dict[str, str], Any]:
    """The next answer: status line, headers, body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(headers["content-length"]):
        body += client.recv(65536)
    assert len(body) == int(headers["content-length"])
    return status, headers, json.loads(body)


def test_it_answers_as_the_application_does(address: str) -> None:
    """An extra member, a text for a number and a query make a request that the express leaves."""
    url = f"http://{address}{PATH}"
    with httpx.Client(headers={"Accept-Encoding": "identity"}) as client:
        by_express = client.post(url, json={"instances": ROWS})
        by_application = [
            client.post(url, json={"instances": ROWS, "mc_samples": 0}),
            client.post(url, json={"instances": [[str(x), y] for x, y in ROWS]}),
            client.post(url, json={"instances": ROWS}, params={"version": "1"}),
            client.post(url, json={"instances": ROWS}, headers={"Prefer": "wait=9"}),
        ]
    assert by_express.status_code == 200
    for other in by_application:
        assert other.json() == by_express.json()
        assert other.headers.keys() - {"vary"} == by_express.headers.keys()
    silent = httpx.post(url, json={"instances": ROWS[:1], "warnings": False}).json()
    assert "warnings" not in silent


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 422), (b'{"instances": [[1]]}', 422), (b'{"instances": []}', 422)],
)
def test_what_is_wrong_is_said_by_the_application(address: str, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    refused = httpx.post(f"http://{address}{PATH}", content=body, headers=headers)
    assert (refused.status_code, refused.json()["status"]) == (status, status)


@pytest.mark.parametrize(
    ("heads", "status"),
    [
        ("Authorization: Bearer pk_1\r\nAuthorization: Basic eA==", 401),
        ("Origin: http://localhost\r\nOrigin: http://evil.example", 403),
        ("Origin: http://evil.example\r\nOrigin: http://localhost", 403),
        ("Host: evil.example", 400),
        ("Host: localhost", 400),
    ],
)
def test_a_header_that_says_two_things_is_not_believed(
    address: str, heads: str, status: int
) -> None:
    with connected(address) as client:
        client.sendall(request(ROWS[:1], heads))
        first, _, body = answer(client)
    assert first.split()[1] == str(status), body


def test_connections_are_kept_closed_and_pipelined_as_http_has_it(address: str) -> None:
    with connected(address) as client:
        for row in ROWS[:3]:
            client.sendall(request([row], "X-Request-Id: mine"))
            status, headers, body = answer(client)
            assert (status, headers["x-request-id"]) == ("HTTP/1.1 200 OK", "mine")
            assert len(body["predictions"]) == 1
        client.sendall(request([ROWS[0]], "Expect: 100-continue"))
        assert client.recv(len(CONTINUE), socket.MSG_WAITALL) == CONTINUE
        answer(client)
        client.sendall(request([ROWS[0]], "Connection: close"))
        _, headers, _ = answer(client)
        assert headers["connection"] == "close"
        assert client.recv(1) == b""
    with connected(address) as client:
        client.sendall(request([ROWS[0]], version="1.0"))
        answer(client)
        assert client.recv(1) == b""
    with connected(address) as client:
        client.sendall(b"".join(request([row] * n) for n, row in enumerate(ROWS[:3], 1)))
        received = b""
        while received.count(b'"version"') < 3:
            received += client.recv(65536)
        assert [part.count(b'"label"') for part in received.split(b"HTTP/1.1 ")[1:]] == [1, 2, 3]


def test_a_body_that_comes_in_pieces_is_read_once_it_is_here(address: str) -> None:
    whole = request(ROWS[:5])
    with connected(address) as client:
        for place in range(0, len(whole), 50):
            client.sendall(whole[place : place + 50])
        assert len(answer(client)[2]["predictions"]) == 5


def test_what_is_answered_leaves_nothing_to_the_garbage_collector(address: str) -> None:
    """Whatever refers to itself stays until it is collected, and a collection among thousands of
    requests has all others wait.
    """

    def ask(client: socket.socket) -> None:
        client.sendall(request(ROWS[:1]))
        answer(client)
        client.sendall(request(ROWS[:1], "Prefer: wait=5"))  # by the application
        answer(client)

    with connected(address) as client:
        ask(client)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(20):
                ask(client)
                with connected(address) as other:
                    other.sendall(request(ROWS[:1]))
                    answer(other)
            gc.collect()
            left = [type(one).__name__ for one in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert not {"RequestResponseCycle", "ExpressProtocol"} & set(left)


def test_a_refusal_by_the_head_alone_keeps_the_connection(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body comes afterwards, or never; whoever closes after the answer gets it all the same."""
    whole = request(ROWS[:5])
    head = len(whole.partition(b"\r\n\r\n")[0]) + 4
    with connected(address) as client, connected(address) as last:
        with monkeypatch.context() as patched:
            patched.setattr("service.serving.joiner.MARGIN", -1.0)
            client.sendall(whole[:head])
            status, headers, body = answer(client)
            assert (status.split()[1], headers["retry-after"]) == ("503", "1")
            assert headers["content-type"] == "application/problem+json"
            assert (body["status"], "connection" in headers) == (503, False)
            for place in range(head, len(whole), 50):
                client.sendall(whole[place : place + 50])
            closing = request(ROWS[:5], "Connection: close")
            last.sendall(closing[:-50])
            last.sendall(closing[-50:])
            status, headers, _ = answer(last)
            assert (status.split()[1], headers["connection"]) == ("503", "close")
            assert last.recv(1) == b""
        client.sendall(whole)
        assert len(answer(client)[2]["predictions"]) == 5


@pytest.mark.slow
def test_clients_that_leave_disturb_nobody(address: str) -> None:
    """75 leave at random moments, in the head, in the body, or while they wait."""
    expected = [httpx.post(f"http://{address}{PATH}", json={"instances": [r]}).json() for r in ROWS]
    wrong: list[Any] = []
    ended = threading.Event()

    def steady(first: int) -> None:
        with httpx.Client(timeout=20) as client:
            number = first
            while not ended.is_set():
                row = number % len(ROWS)
                got = client.post(f"http://{address}{PATH}", json={"instances": [ROWS[row]]})
                if got.json() != expected[row]:
                    wrong.append((row, got.text))
                number += 1

    threads = [threading.Thread(target=steady, args=(n * 31,)) for n in range(2)]
    for thread in threads:
        thread.start()
    draw = random.Random(1)
    for _ in range(75):
        whole = request([draw.choice(ROWS)])
        with connected(address) as client:
            client.sendall(whole[: draw.choice([draw.randrange(1, len(whole)), len(whole)])])
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_it_answers_is_counted(address: str) -> None:
    def counted(status: str) -> float:
        lines = httpx.get(f"http://{address}/metrics").text.splitlines()
        series = (
            'parsimony_http_request_seconds_count{method="POST",process="0",'
            f'route="/v1/models/{{name}}/predict",status="{status}"}} '
        )
        return sum(float(line.removeprefix(series)) for line in lines if line.startswith(series))

    before = counted("2xx")
    with connected(address) as client:
        for _ in range(3):
            client.sendall(request(ROWS[:2]))
            assert answer(client)[0] == "HTTP/1.1 200 OK"
    assert counted("2xx") == before + 3
    assert (
        'parsimony_prediction_rows_total{model="circle"'
        in httpx.get(f"http://{address}/metrics").text
    )
