"""What the express refuses is said at once, and as the application says it."""

from types import SimpleNamespace
from typing import Any, cast

import orjson
from starlette.datastructures import State

from service.errors import BusyError, domain_problem
from service.serving.express import Express
from service.serving.front import RequestIds, Turn
from service.serving.residents import Resident
from service.telemetry.requests import Requests


class Connection:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[tuple[int, bytes, bytes]] = []

    def reply(self, exchange: Any, head: bytes, body: bytes, status: int = 200) -> None:
        self.written.append((status, head, body))

    def answer_by(self, exchange: Any, app: Any) -> None:
        raise AssertionError("the application is not asked")


def test_a_model_that_has_too_much_to_do_says_so_without_the_application() -> None:
    messages = ["more than it can", "more than it can", "something else"]
    said = iter(messages)

    class Joiner:
        def check(self) -> None:
            raise BusyError(next(said))

    resident = cast(
        Resident, SimpleNamespace(model=SimpleNamespace(plain=object()), joiner=Joiner())
    )
    turn = cast(Turn, SimpleNamespace(enter=lambda: None))
    express = Express(State(), turn, RequestIds(), Requests())
    connection = Connection()
    exchange = cast(
        Any,
        SimpleNamespace(
            scope={"path": "/v1/models/m/predict", "headers": [(b"x-request-id", b"mine")]},
            body=b"{}",
        ),
    )
    for _ in messages:
        assert express.begin(connection, exchange, resident)
    for (status, head, body), message in zip(connection.written, messages, strict=True):
        expected = domain_problem(BusyError(message))
        assert status == expected.status_code == 503
        assert orjson.loads(body) == orjson.loads(bytes(expected.body))
        lines = head.lower().split(b"\r\n")
        assert b"x-request-id: mine" in lines
        for name, value in expected.raw_headers:
            if name != b"content-length":
                assert b"%s: %s" % (name.lower(), value.lower()) in lines
        assert b"retry-after: 1" in lines
