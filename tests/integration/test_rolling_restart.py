"""Two HTTP services behind a load balancer are replaced, one after the other: nobody notices."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.client import running
from tests.api.work import post, train
from tests.databases import KINDS, Databases
from tests.integration.proxy import Proxy
from tests.waiting import until
from worker.settings import ServiceSettings

pytestmark = pytest.mark.slow  # several processes load torch

BODY = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
JOB = {"dataset": {"builtin": "circle"}, "training": {"epochs": 1}}


@contextmanager
def served(state: Path, url: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A service in a process of its own, and its port."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
    ours = {"PARSIMONY_STATE": str(state), "PARSIMONY_DATABASE_URL": url, "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "api", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, **ours},
    )
    with process:
        try:
            assert process.stdout is not None
            found = None
            for line in process.stdout:
                if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                    break
            assert found
            yield process, int(found[1])
        finally:
            process.kill()


class Clients:
    """Several that ask all the time, and what went wrong."""

    def __init__(self, port: int) -> None:
        self.failures: list[str] = []
        self.answered: dict[str, int] = {"predict": 0, "read": 0, "post": 0, "wait": 0}
        self._address = f"http://127.0.0.1:{port}"
        self._end = threading.Event()
        ask = (self._predict, self._predict, self._read, self._post, self._wait, self._wait)
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in ask]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, ask: Any) -> None:
        with httpx.Client(base_url=self._address, timeout=60) as client:
            while not self._end.is_set():
                try:
                    kind, answer = ask(client)
                except httpx.TransportError as error:
                    self.failures.append(f"{ask.__name__}: {error!r}")
                    continue
                if answer.is_success:
                    self.answered[kind] += 1
                else:
                    self.failures.append(f"{kind}: {answer.status_code} {answer.text}")

    def _predict(self, client: httpx.Client) -> tuple[str, httpx.Response]:
        return "predict", client.post("/v1/models/m/predict", json=BODY)

    def _read(self, client: httpx.Client) -> tuple[str, httpx.Response]:
        return "read", client.get("/v1/jobs")

    def _post(self, client: httpx.Client) -> tuple[str, httpx.Response]:
        self._end.wait(0.2)
        return "post", client.post("/v1/jobs", json=JOB)

    def _wait(self, client: httpx.Client) -> tuple[str, httpx.Response]:
        """For a job that no worker is there for: longer than a service takes to stop."""
        return "wait", client.get("/v1/jobs/latest", headers={"Prefer": "wait=3"})


@pytest.mark.parametrize("kind", KINDS)
def test_no_request_fails_when_each_is_replaced(
    kind: str, databases: Databases, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with databases.url(kind, tmp_path) as url, ExitStack() as stack:
        with running(ServiceSettings(state=state, database_url=url, device="cpu")) as here:
            train(here, post(here, model="m", training={"epochs": 1}))
            accepted = len(here.get("/v1/jobs?limit=100").json()["data"])
        proxy = stack.enter_context(Proxy())
        old = [stack.enter_context(served(state, url)) for _ in range(2)]
        proxy.balance(*(port for _, port in old))
        until(lambda: len(proxy.ready) == 2)
        with Clients(proxy.port) as clients:
            for replaced in range(2):
                until_more(clients)
                new = stack.enter_context(served(state, url))
                process, port = old[replaced]
                process.terminate()
                assert process.wait(30) == 0
                assert port not in proxy.ready
                old[replaced] = new
                proxy.balance(*(port for _, port in old))
                until(lambda: len(proxy.ready) == 2)
            until_more(clients)
        assert clients.failures == []
        with running(ServiceSettings(state=state, database_url=url, device="cpu")) as here:
            jobs = here.get("/v1/jobs?limit=1000").json()
    assert len(jobs["data"]) == accepted + clients.answered["post"]


def until_more(clients: Clients) -> None:
    """Wait until each kind of request has been answered once more."""
    before = dict(clients.answered)
    until(lambda: clients.failures or all(clients.answered[k] > n for k, n in before.items()))
