"""The front door with everything real: processes, workers, Redis, and what they leave behind."""

import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.client import running
from tests.api.keyed import bearer
from tests.api.work import post, train
from tests.integration.commanded import Command, commanded
from tests.key_scan import SCAN
from tests.waiting import until
from worker.caller import Permission
from worker.runtime.redis_server import RedisServer
from worker.settings import ServiceSettings
from worker.storage import keys
from worker.storage.database import Database

pytestmark = pytest.mark.slow  # processes load torch

ENDLESS = {"dataset": {"builtin": "circle"}, "training": {"epochs": 100_000, "batch_size": 8}}
SMALL = {"dataset": {"builtin": "circle"}, "training": {"epochs": 1}}


def key(state: Path, tenant: str, *scopes: Permission) -> str:
    database = Database(f"sqlite:///{state}/parsimony.db")
    try:
        with database.write() as session:
            return keys.make_key(session, tenant=tenant, scopes=scopes or Permission).text
    finally:
        database.close()


@contextmanager
def asking(address: str, text: str) -> Iterator[httpx.Client]:
    """A client with a key, on a connection of its own."""
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(base_url=address, headers=bearer(text), limits=limits, timeout=30) as client:
        yield client


# What a crash says.

CRASHING = """
import faulthandler, sys, threading
faulthandler.enable()
from worker.storage import datasets, jobs

def broken(*arguments, **named):
    raise RuntimeError(f"it broke here: {named['after']}")

def held(*arguments, **named):
    print("it is held here", file=sys.stderr, flush=True)
    threading.Event().wait(60)

jobs.job_page, datasets.dataset_page = broken, held
from service.cli import app
app()
"""


def test_what_a_crash_says_holds_no_key(tmp_path: Path) -> None:
    """A handler that raises, and a process that aborts, while they answer a request with a key."""
    first = keys.new_text()
    settings = {
        "PARSIMONY_STATE": str(tmp_path / "state"),
        "PARSIMONY_KEYS": "required",
        "PARSIMONY_FIRST_KEY": first,
        "PARSIMONY_LOG_LEVEL": "debug",
    }
    arguments = ("api", "--port", "0")
    with (
        commanded(tmp_path / "log", *arguments, settings=settings, program=CRASHING) as command,
        asking(command.address, first) as client,
    ):
        assert client.get("/v1/models").status_code == 200
        answer = client.get("/v1/jobs", params={"after": first})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        until(lambda: "it broke here" in command.said)
        with ThreadPoolExecutor(1) as other:
            lost = other.submit(client.get, "/v1/datasets")
            until(lambda: "it is held here" in command.said)
            command.child.send_signal(signal.SIGABRT)
            assert command.child.wait(30) == -signal.SIGABRT
            with pytest.raises(httpx.TransportError):
                lost.result()
        assert "Traceback (most recent call last)" in command.said
        assert "Fatal Python error: Aborted" in command.said
        # A key in a message is named, and not told.
        assert f"it broke here: {keys.key_id(first)}" in command.said
        SCAN.look(command.said, "in what a crash said")
    assert not list(tmp_path.rglob("core*"))
    assert SCAN.take() == []


# Tenants that share workers.


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[tuple[Command, Path]]:
    """`parsimony up` with one worker, whose fleets yield after 5 s."""
    state = tmp_path / "state"
    settings = {
        "PARSIMONY_STATE": str(state),
        "PARSIMONY_KEYS": "required",
        "PARSIMONY_FIRST_KEY": keys.new_text(),
        "PARSIMONY_WORKERS": "1",
        "PARSIMONY_QUANTUM_SECONDS": "5",
        "PARSIMONY_TENANTS": '{"many": {"queued_jobs": 20, "running_fleets": 1}}',
    }
    with commanded(tmp_path / "log", "up", "--port", "0", settings=settings) as command:
        assert command.address
        yield command, state


def test_endless_jobs_of_one_tenant_keep_no_other_waiting(shared: tuple[Command, Path]) -> None:
    command, state = shared
    with (
        asking(command.address, key(state, "many")) as many,
        asking(command.address, key(state, "few")) as few,
    ):
        endless = [many.post("/v1/jobs", json=ENDLESS).json()["id"] for _ in range(20)]

        def states() -> list[str]:
            return [many.get(f"/v1/jobs/{job}").json()["state"] for job in endless]

        until(lambda: "running" in states())
        # Of the twenty one runs at most; the queue has room for as many as it said.
        has = many.get("/v1/system").json()["tenant"]
        assert (has["running_fleets"], has["queued_jobs"]) == (1, 19)
        assert many.post("/v1/jobs", json=ENDLESS).status_code == 202
        refused = many.post("/v1/jobs", json=ENDLESS)
        assert refused.status_code == 429
        told = refused.json()
        assert (told["measure"], told["value"], told["limit"]) == ("queued_jobs", 20, 20)
        assert int(refused.headers["retry-after"]) > 0

        small = few.post("/v1/jobs", json=SMALL).json()
        assert few.get("/v1/system").json()["tenant"]["queued_jobs"] <= 1
        until(lambda: few.get(f"/v1/jobs/{small['id']}").json()["state"] == "succeeded")
        # It waited for one fleet to yield: those after it have not begun, and none has ended.
        assert set(states()) <= {"running", "queued"}
        ran = [job for job in endless if many.get(f"/v1/jobs/{job}").json()["started_at"]]
        assert len(ran) <= 2
        # What yielded goes on, or the next does.
        until(lambda: "running" in states())
        for job in endless:
            assert many.post(f"/v1/jobs/{job}/cancel").status_code in (200, 202)


# Rates that several processes share.


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of the tenant `default`."""
    folder = tmp_path_factory.mktemp("state")
    with running(ServiceSettings(state=folder)) as client:
        train(client, post(client, dataset={"builtin": "circle"}, model="circle"))
    return folder


PATH, BODY = "/v1/models/circle/predict", {"instances": [[0.1, 0.2]]}


def test_services_with_one_redis_share_what_a_key_may(trained: Path, tmp_path: Path) -> None:
    redis = RedisServer(ServiceSettings(state=tmp_path))
    settings = {
        "PARSIMONY_STATE": str(trained),
        "PARSIMONY_KEYS": "required",
        "PARSIMONY_FIRST_KEY": keys.new_text(),
        "PARSIMONY_REDIS_URL": f"unix://{ServiceSettings(state=tmp_path).redis_socket}",
        "PARSIMONY_RATE_LIMIT": "400/day",
        "PARSIMONY_PREDICT_RATE_LIMIT": "100/day",
    }
    redis.start()
    with ExitStack() as stack:
        stack.callback(redis.stop)
        services = [
            stack.enter_context(
                commanded(tmp_path / f"log-{number}", "api", "--port", "0", settings=settings)
            )
            for number in range(2)
        ]
        text = key(trained, "default")
        clients = [stack.enter_context(asking(each.address, text)) for each in services]

        def spend(client: httpx.Client, path: str, **options: Any) -> httpx.Response:
            return client.request("POST" if options else "GET", path, **options)

        answers: list[list[httpx.Response]] = [[], []]
        while not all(said and said[-1].status_code == 429 for said in answers):
            for client, said in zip(clients, answers, strict=True):
                said.append(spend(client, PATH, json=BODY))
        statuses = [[answer.status_code for answer in said] for said in answers]
        assert sum(each.count(200) for each in statuses) == 100, statuses
        assert all(each.count(200) > 30 for each in statuses)
        refused = answers[0][-1]
        assert refused.json()["code"] == "quota_exceeded"
        assert 0 < int(refused.headers["retry-after"]) <= 86400
        assert re.fullmatch(r'"predict";r=0;t=\d+', refused.headers["ratelimit"])
        assert refused.headers["ratelimit-policy"] == '"predict";q=100;w=86400'

        # Predictions are refused by both; whoever looks after jobs is answered by both.
        for client in clients:
            job = client.post("/v1/jobs", json=SMALL).json()["id"]
            assert client.post(PATH, json=BODY).status_code == 429
            for path in ("/livez", "/v1/jobs", f"/v1/jobs/{job}"):
                assert client.get(path).status_code == 200, path
            assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
        # Another key has a budget of its own.
        other = stack.enter_context(asking(services[0].address, key(trained, "default")))
        assert other.post(PATH, json=BODY).status_code == 200
    SCAN.look_into(tmp_path)
    assert SCAN.take() == []
