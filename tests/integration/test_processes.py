"""`parsimony api --processes 2`: one port, processes that agree, none that is missed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import httpx
import psutil
import pytest

from tests.api.client import running
from tests.api.work import post, train
from tests.waiting import until
from worker.settings import ServiceSettings

pytestmark = pytest.mark.slow  # several processes load torch

BODY = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


class Service:
    """The parent, and connections each of which one of the children answers."""

    def __init__(self, parent: subprocess.Popen[str], address: str, stack: ExitStack) -> None:
        self.parent, self.address, self._stack = psutil.Process(parent.pid), address, stack

    def connect(self) -> httpx.Client:
        return self._stack.enter_context(
            httpx.Client(base_url=self.address, timeout=60, limits=httpx.Limits(max_connections=1))
        )

    def connections(self) -> list[int]:
        """How many each child has."""
        port = int(self.address.rpartition(":")[2])
        return [
            sum(
                one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
                for one in child.net_connections("tcp")
            )
            for child in self.parent.children()
        ]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    state = tmp_path_factory.mktemp("state")
    with running(ServiceSettings(state=state, device="cpu")) as client:
        for _ in range(2):
            train(client, post(client, model="m", training={"epochs": 1}))
        client.put("/v1/models/m/aliases/production", json={"version": 1})
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
    command = [sys.executable, "-m", "service", "api", "--port", "0", "--processes", "2"]
    parent = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment, "PARSIMONY_STATE": str(state), "COLUMNS": "200"},
        start_new_session=True,
    )
    with parent, ExitStack() as stack:
        try:
            assert parent.stdout is not None
            lines: list[str] = []
            for line in parent.stdout:
                lines.append(line)
                if "Ctrl-C" in line:
                    break
            address = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines))
            assert address, lines
            yield Service(parent, address[0], stack)
            children = psutil.Process(parent.pid).children()
            parent.send_signal(signal.SIGTERM)
            assert parent.wait(30) == 0
            assert not psutil.wait_procs(children, timeout=5)[1]
        finally:
            parent.kill()


def version(client: httpx.Client) -> int:
    answer = client.post("/v1/models/m/predict", json=BODY)
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["version"]
    return number


def all_answer(clients: list[httpx.Client], number: int) -> bool:
    return {version(client) for client in clients} == {number}


def test_connections_are_shared_and_all_processes_agree_within_a_second(
    service: Service,
) -> None:
    clients = [service.connect() for _ in range(8)]
    assert [version(client) for client in clients] == [1] * 8
    before = service.connections()
    assert len(before) == 2
    assert min(before) >= 2, before
    for number in (2, 1):
        put = clients[0].put("/v1/models/m/aliases/production", json={"version": number})
        assert put.status_code == 200
        committed = time.monotonic()
        assert version(clients[0]) == number, "who sets it sees it at once"
        until(partial(all_answer, clients, number))
        assert time.monotonic() - committed < 1.0


def test_one_scrape_tells_of_all_processes(service: Service) -> None:
    clients = [service.connect() for _ in range(8)]

    def answered() -> dict[str, float]:
        """Requests for a job that is not there, which no other test makes, by process.

        What a process has counted that was killed goes with it, and what the others have counted is
        some seconds old: a sum over a route of other tests may go down between two scrapes.
        """
        series = re.compile(
            r'parsimony_http_request_seconds_count\{method="GET",process="(\d)",'
            r'route="/v1/jobs/\{id\}",status="4xx"\} (\S+)'
        )
        found = series.findall(clients[0].get("/metrics").text)
        return {process: float(count) for process, count in found}

    assert answered() == {}
    for client in clients:
        assert client.get("/v1/jobs/nobody").status_code == 404
    until(lambda: sum(answered().values()) == 8)
    assert set(answered()) == {"0", "1"}


def test_a_process_that_is_killed_is_replaced_and_others_answer(service: Service) -> None:
    first, _ = service.parent.children()
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)
    # The other one answers, long before there is a new one.
    assert [version(service.connect()) for _ in range(4)] == [1] * 4
    until(lambda: len(service.parent.children()) == 2)
    until(lambda: (service.connect().get("/livez"), min(service.connections()) > 0)[1])
    assert version(service.connect()) == 1
