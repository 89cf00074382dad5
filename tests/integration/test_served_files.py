"""Large files at a real server: clients that send all before they read, leave, or send rubbish."""

import csv
import http.client
import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from service.app import create_app
from service.connections import Config
from service.listening import listen
from tests.api.client import running
from tests.api.work import QUICK, post, train
from tests.waiting import until
from worker.settings import ServiceSettings

pytestmark = pytest.mark.slow
URL = "/v1/models/circle/predict"
CSV = {"Content-Type": "text/csv"}
ROWS = 300_000
SECONDS = 100


class Served:
    def __init__(self, port: int, state: Path) -> None:
        self.port, self.state = port, state

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def unnamed(self) -> list[str]:
        """Temporary files in the folder of its state that are open, and have no name."""
        links = []
        for link in Path("/proc/self/fd").iterdir():
            try:
                links.append(os.readlink(link))  # noqa: PTH115  (of a file that is gone)
            except OSError:
                continue
        return [path for path in links if path.startswith(str(self.state)) and "deleted" in path]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server in a thread, with a model."""
    settings = ServiceSettings(state=tmp_path_factory.mktemp("state"))
    with running(settings) as client:
        train(client, post(client, dataset={"builtin": "circle"}, model="circle", training=QUICK))
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    with listen("127.0.0.1", 0) as listening:
        config = Config(
            create_app(settings), settings, log_level="critical", timeout_graceful_shutdown=1
        )
        server = Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert ready.wait(SECONDS)
            yield Served(listening.getsockname()[1], settings.state)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def rows() -> bytes:
    """A file whose answers fill all buffers between a client and the server many times."""
    numbers = np.random.default_rng(0).normal(size=(ROWS, 2)).round(4)
    sink = io.StringIO("x1,x2,row\n")
    sink.seek(0, io.SEEK_END)
    np.savetxt(
        sink, np.column_stack([numbers, np.arange(ROWS)]), fmt=["%.4f", "%.4f", "%d"], delimiter=","
    )
    return sink.getvalue().encode()


def test_a_client_that_sends_all_before_it_reads_gets_all(served: Served, rows: bytes) -> None:
    connection = served.connect()
    connection.request("POST", URL, rows, CSV)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("transfer-encoding") == "chunked"
    back = answer.read().decode()
    connection.close()
    lines = csv.reader(io.StringIO(back))
    assert next(lines) == ["x1", "x2", "row", "prediction", "probability_0", "probability_1"]
    assert [int(line[2]) for line in lines] == list(range(ROWS))
    until(lambda: not served.unnamed())


def test_what_is_wrong_early_has_its_status_however_large_the_file(
    served: Served, rows: bytes
) -> None:
    connection = served.connect()
    connection.request("POST", URL, b"x1,x2,row\n1,two,0\n" + rows[10:], CSV)
    answer = connection.getresponse()
    assert answer.status == 422
    assert b"(line 2)" in answer.read()
    connection.close()


def test_what_is_wrong_late_ends_the_answer_before_it_is_complete(
    served: Served, rows: bytes
) -> None:
    connection = served.connect()
    connection.request("POST", URL, rows + b"1,two,0\n", CSV)
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()
    until(lambda: not served.unnamed())


@pytest.mark.parametrize("reads", [False, True])
def test_of_a_client_that_leaves_nothing_is_kept(served: Served, rows: bytes, reads: bool) -> None:
    head = f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
    with socket.create_connection(("127.0.0.1", served.port), SECONDS) as client:
        client.sendall(f"{head}Content-Length: {len(rows)}\r\n\r\n".encode())
        client.sendall(rows if reads else rows[: len(rows) // 2])
        if reads:
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    until(lambda: not served.unnamed())
    connection = served.connect()
    connection.request("POST", URL, b"x1,x2\n1,2\n", CSV)
    assert connection.getresponse().read().count(b"\n") == 2
    connection.close()


def test_small_requests_are_answered_beside_a_large_file(served: Served, rows: bytes) -> None:
    done: list[int] = []

    def send() -> None:
        connection = served.connect()
        connection.request("POST", URL, rows, CSV)
        done.append(len(connection.getresponse().read()))
        connection.close()

    thread = threading.Thread(target=send)
    thread.start()
    beside = 0
    while not done:
        connection = served.connect()
        body = b'{"instances": [[0.5, -0.5]]}'
        connection.request("POST", URL, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        connection.close()
        beside += not done
    thread.join()
    assert beside > 5
