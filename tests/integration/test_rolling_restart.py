"""Two HTTP services behind a load balancer are replaced, one after the other, and so are two
workers: nobody notices.
"""

import functools
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
import psutil
import pytest
from sqlalchemy import select

from tests.api.client import running
from tests.api.work import post, train
from tests.databases import KINDS, Databases
from tests.integration.proxy import Proxy
from tests.waiting import until
from worker.runtime.redis_server import RedisServer
from worker.settings import ServiceSettings
from worker.storage import jobs, workers
from worker.storage.database import Database
from worker.storage.tables import Event

pytestmark = pytest.mark.slow  # several processes load torch

JOB = {"dataset": {"builtin": "circle"}, "training": {"epochs": 1}}
LONG: dict[str, Any] = {
    "dataset": {"builtin": "circle"},
    "regularization": {"dropout": {"p": 0.2}, "batch_norm": {}, "ema": {"decay": 0.9}},
    "training": {"epochs": 200, "batch_size": 32},
}
"""Long enough to be moved from worker to worker; its random masks would betray a lost step."""


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

    def __init__(self, port: int, instance: list[float], pause: float = 0.2) -> None:
        """``pause`` is that between two jobs."""
        self._body, self._pause = {"instances": [instance]}, pause
        self.failures: list[str] = []
        self.locked = 0
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
                elif "database is locked" in answer.text and "retry-after" in answer.headers:
                    # One process at a time writes into SQLite, and on a machine that has other work
                    # the turn may come late. It is sent again, and has nothing to do with restarts.
                    self.locked += 1
                else:
                    self.failures.append(f"{kind}: {answer.status_code} {answer.text}")

    def _predict(self, client: httpx.Client) -> tuple[str, httpx.Response]:
        return "predict", client.post("/v1/models/m/predict", json=self._body)

    def _read(self, client: httpx.Client) -> tuple[str, httpx.Response]:
        return "read", client.get("/v1/jobs")

    def _post(self, client: httpx.Client) -> tuple[str, httpx.Response]:
        self._end.wait(self._pause)
        return "post", client.post("/v1/jobs", json=JOB)

    def _wait(self, client: httpx.Client) -> tuple[str, httpx.Response]:
        """For a job that no worker is there for: longer than a service takes to stop."""
        return "wait", client.get("/v1/jobs/latest", headers={"Prefer": "wait=3"})


@pytest.mark.timeout(600)  # on a slow machine
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
        with Clients(proxy.port, [5.1, 3.5, 1.4, 0.2]) as clients:
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


@contextmanager
def worker(state: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
    ours = {"PARSIMONY_STATE": str(state), "PARSIMONY_DATABASE_URL": url}
    ours |= {"PARSIMONY_THREADS": "1", "PARSIMONY_DEVICE": "cpu"}
    with subprocess.Popen(
        [sys.executable, "-m", "service", "worker"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**environment, **ours},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Fleets:
    """What the database says of long jobs and of those who train them."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def owner(self, job_id: str) -> int | None:
        """The process that trains a job, by its number, while one does."""
        with self.database.read() as session:
            (fleet,) = jobs.fleets(session, job_id)
        is_at_work = fleet.state == "running" and fleet.epoch > 0 and fleet.owner is not None
        return int(fleet.owner.rpartition(":")[2]) if is_at_work else None

    def trained_by(self, process: subprocess.Popen[bytes], job_ids: list[str]) -> bool:
        """Whether a worker has one of these jobs."""
        below = {child.pid for child in psutil.Process(process.pid).children(recursive=True)}
        return any(self.owner(job_id) in below for job_id in job_ids)

    def there(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether a worker was seen."""
        with self.database.read() as session:
            return any(seen.entry.pid == process.pid for seen in workers.seen(session))

    def sha256(self, job_id: str) -> str | None:
        """Of what a job has come to."""
        with self.database.read() as session:
            (fleet,) = jobs.fleets(session, job_id)
        return fleet.result_sha256

    def released(self, job_id: str) -> int:
        """How often it was given back by a worker that stopped."""
        with self.database.read() as session:
            types = session.scalars(select(Event.type).where(Event.job_id == job_id)).all()
        return types.count("released")


@pytest.mark.timeout(600)  # on a busy machine
@pytest.mark.parametrize("kind", KINDS)
def test_no_request_fails_and_no_bit_changes_when_services_and_workers_are_replaced(
    kind: str, databases: Databases, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    settings = ServiceSettings(state=state, database_url="sqlite://", device="cpu")
    settings.prepare_state()
    with databases.url(kind, tmp_path) as url, ExitStack() as stack:
        redis = RedisServer(settings)
        redis.start()
        stack.callback(redis.stop)
        look = Fleets(url)
        stack.callback(look.database.close)
        proxy = stack.enter_context(Proxy())
        services = [stack.enter_context(served(state, url)) for _ in range(2)]
        proxy.balance(*(port for _, port in services))
        at_work = [stack.enter_context(worker(state, url)) for _ in range(2)]
        until(lambda: len(proxy.ready) == 2 and all(map(look.there, at_work)))
        client = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", timeout=60)
        )

        def posted(**more: Any) -> str:
            answer = client.post("/v1/jobs", json={**LONG, **more})
            job_id: str = answer.raise_for_status().json()["id"]
            return job_id

        def ended(job_id: str) -> dict[str, Any]:
            seen: dict[str, Any] = {"state": "queued"}
            while seen["state"] in ("queued", "running"):
                answer = client.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=30"})
                seen = answer.raise_for_status().json()
            return seen

        twin = posted(model="m")
        assert ended(twin)["state"] == "succeeded"
        # Each of their jobs is trained in the end: on a slow machine one a second is too many.
        with Clients(proxy.port, [0.1, 0.2], pause=3.0) as clients:
            disturbed: list[str] = []
            for number, old in enumerate(at_work):
                disturbed += [posted(), posted()]
                until(functools.partial(look.trained_by, old, disturbed))
                old.terminate()
                assert old.wait(30) == 0
                new = stack.enter_context(worker(state, url))
                replacement = stack.enter_context(served(state, url))
                services[number][0].terminate()
                assert services[number][0].wait(30) == 0
                services[number] = replacement
                proxy.balance(*(port for _, port in services))
                until(lambda: len(proxy.ready) == 2)
                until(functools.partial(look.there, new))
            until_more(clients)
            for job_id in disturbed:
                assert ended(job_id)["state"] == "succeeded"
        assert clients.failures == []
        assert {look.sha256(job_id) for job_id in disturbed} == {look.sha256(twin)}
        assert sum(look.released(job_id) for job_id in disturbed) >= 2
        for job in client.get("/v1/jobs?limit=100").raise_for_status().json()["data"]:
            assert ended(job["id"])["state"] == "succeeded"
