"""Whatever the database does, a request is answered or refused within 2 s."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.client import Client, running
from tests.api.work import QUICK, post, train
from tests.databases import Databases, written_elsewhere
from tests.waiting import until
from worker.settings import ServiceSettings

SECONDS = 2.0
JOB = {"dataset": {"builtin": "iris"}, "training": QUICK}
ROW = [5.1, 3.5, 1.4, 0.2]
Outage = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def client(database_kind: str, databases: Databases, folder: Path) -> Iterator[Client]:
    """A service with a model that is loaded."""
    with (
        databases.url(database_kind, folder) as url,
        running(ServiceSettings(state=folder, database_url=url)) as started,
    ):
        train(started, post(started, model="iris", training=QUICK))
        assert predict(started).status_code == 200
        yield started


@pytest.fixture
def outage(database_kind: str, databases: Databases, folder: Path) -> Outage:
    if database_kind == "postgresql":
        return databases.frozen
    return lambda: written_elsewhere(folder / "test.db")


def predict(client: Client) -> httpx.Response:
    return client.post("/v1/models/iris/predict", json={"instances": [ROW]})


def timed(call: Callable[..., httpx.Response], *args: Any, **options: Any) -> httpx.Response:
    started = time.monotonic()
    answer = call(*args, **options)
    assert time.monotonic() - started < SECONDS
    return answer


def assert_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.slow
@pytest.mark.database_kinds("sqlite", "postgresql")
def test_jobs_are_refused_in_time_and_accepted_again(client: Client, outage: Outage) -> None:
    with outage(), ThreadPoolExecutor(20) as clients:
        for answer in clients.map(lambda _: timed(client.post, "/v1/jobs", json=JOB), range(20)):
            assert_refused(answer)
        assert_refused(timed(client.post, "/v1/jobs", json=JOB))
        assert timed(predict, client).status_code == 200
        assert timed(client.get, "/livez").status_code == 200
    until(lambda: client.post("/v1/jobs", json=JOB).status_code == 202)
    listed = client.get("/v1/jobs").json()["data"]
    assert len(listed) == 2


@pytest.mark.slow
@pytest.mark.database_kinds("postgresql")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/latest"),
        ("GET", "/v1/jobs/latest/report"),
        ("GET", "/v1/datasets"),
        ("GET", "/v1/models"),
        ("POST", "/v1/predictions"),
    ],
)
def test_what_reads_is_refused_in_time(
    client: Client, outage: Outage, method: str, path: str
) -> None:
    body = {"model": "iris", "dataset": f"ds_{0:024x}"} if method == "POST" else None
    with outage():
        assert_refused(timed(client.request, method, path, json=body))
    until(lambda: client.get("/v1/jobs").status_code == 200)


@pytest.mark.slow
@pytest.mark.database_kinds("postgresql")
def test_readiness_is_answered_in_time_and_tells_of_it(client: Client, outage: Outage) -> None:
    with outage():
        until(lambda: timed(client.get, "/readyz").status_code == 503)
        assert "database" in timed(client.get, "/readyz").json()["detail"]
    until(lambda: timed(client.get, "/readyz").status_code == 200)


@pytest.mark.slow
@pytest.mark.database_kinds("postgresql")
def test_who_waits_for_a_job_is_told_in_time(client: Client, outage: Outage) -> None:
    job_id = post(client, name="later")
    with outage(), ThreadPoolExecutor(1) as other:
        waiting = other.submit(client.get, f"/v1/jobs/{job_id}", headers={"Prefer": "wait=30"})
        assert_refused(timed(waiting.result))
