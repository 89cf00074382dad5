"""What the express refuses is said at once, and as the application says it."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from starlette.datastructures import State

from service.errors import BusyError, domain_problem
from service.serving import express as express_module
from service.serving.express import READING_NS, Express
from service.serving.front import RequestIds
from service.serving.residents import Resident
from service.serving.statistics import Statistics
from service.telemetry.requests import Requests


class Connection:
    """Keeps what is written, and what is given back."""

    def __init__(self) -> None:
        self.written: list[tuple[int, bytes, bytes]] = []
        self.given_back: list[Any] = []

    def reply(self, exchange: Any, head: bytes, body: bytes, status: int = 200) -> None:
        self.written.append((status, head, body))

    def answer_by(self, exchange: Any, app: Any) -> None:
        raise AssertionError("the application is not asked")

    def give_back(self, exchange: Any) -> None:
        self.given_back.append(exchange)


def test_a_model_that_has_too_much_to_do_says_so_without_the_application() -> None:
    messages = ["more than it can", "more than it can", "something else"]
    said = iter(messages)

    class Joiner:
        def check(self, *, before: float) -> None:
            raise BusyError(next(said))

    resident = cast(Resident, SimpleNamespace(unread_rows=0.0, joiner=Joiner()))
    express = Express(State(), RequestIds(), Requests())
    connection = Connection()
    exchange = cast(
        Any,
        SimpleNamespace(
            scope={"path": "/v1/models/m/predict", "headers": [(b"x-request-id", b"mine")]},
            body=b"{}",
        ),
    )
    for _ in messages:
        assert express.refuses(connection, exchange, resident)
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


class Reader:
    """Takes a number of rows that are not read further; each takes a turn's time to read."""

    categories = ()

    def __init__(self, clock: list[int]) -> None:
        self._clock = clock

    def cells(self, instances: list[Any]) -> list[Any] | None:
        self._clock[0] += READING_NS + 1
        return instances if instances != ["strange"] else None


class Counting:
    """A joiner that takes rows until it is full, and is told what comes before."""

    def __init__(self, most: float) -> None:
        self.most, self.added = most, 0

    def check(self, *, before: float = 0.0) -> None:
        if self.added + before > self.most:
            raise BusyError("full")

    def add(self, rows: list[Any], *args: Any, **kwargs: Any) -> None:
        self.added += len(rows)


def exchange_of(*instances: Any, left: bool = False) -> Any:
    scope = {"path": "/v1/models/m/predict", "headers": []}
    body = bytearray(orjson.dumps({"instances": list(instances)}))
    return SimpleNamespace(scope=scope, body=body, disconnected=left)


def test_what_a_turn_has_no_time_to_read_waits_and_counts_as_rows_that_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1]
    monkeypatch.setattr(express_module, "time", SimpleNamespace(perf_counter_ns=lambda: clock[0]))
    joiner = Counting(most=4.5)
    resident = SimpleNamespace(
        model=SimpleNamespace(plain=Reader(clock)),
        joiner=joiner,
        statistics=Statistics(),
        row_bytes=0.0,
        unread_rows=0.0,
    )

    async def work() -> Connection:
        express = Express(State(), RequestIds(), Requests())
        connection = Connection()
        held = cast(Resident, resident)
        sent = [exchange_of([1]), exchange_of([2]), exchange_of("strange"), exchange_of([3])]
        sent.append(exchange_of([4], left=True))
        for exchange in sent:
            assert not express.refuses(connection, exchange, held)
            assert express.begin(connection, exchange, held)
        assert joiner.added == 1  # one turn's time is over
        assert 4.0 < resident.unread_rows < 5.0
        assert express.refuses(connection, exchange_of([5]), held)
        turns = 0
        while joiner.added < 3:
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 3  # one of them is read in a turn, and refusals go between
        assert connection.given_back == [sent[2]]
        await asyncio.sleep(0)
        assert abs(resident.unread_rows) < 1e-9
        assert resident.statistics.abandoned == 1
        assert not express.refuses(connection, exchange_of([6]), held)
        return connection

    assert [status for status, _, _ in asyncio.run(work()).written] == [503]
