"""What a tenant has too much of is refused over HTTP, with the numbers; another one is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.client import Client
from tests.api.keyed import asking_for_keys, bearer, key_of
from tests.api.work import post, train
from tests.databases import Databases

JOB = {"dataset": {"builtin": "circle"}}
TABLE = "x,y\n" + "1,a\n2,b\n" * 20


@pytest.fixture(scope="module")
def client(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("capped")
    tenants = {
        "small": {"queued_jobs": 2, "datasets": 1, "running_fleets": 1},
        "full": {"stored_bytes": 1_000},
    }
    with (
        databases.url(database_kind, folder) as url,
        asking_for_keys(folder, url, tenants=tenants) as started,
    ):
        yield started


def refused(answer: httpx.Response, measure: str, value: int, limit: int) -> dict[str, Any]:
    """What a refusal says, which has its numbers."""
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"]) == (429, "tenant_limit"), told
    assert (told["measure"], told["value"], told["limit"]) == (measure, value, limit)
    assert f"{limit:,}" in told["detail"]
    return told


def has(client: Client, headers: dict[str, str]) -> dict[str, Any]:
    tenant: dict[str, Any] = client.get("/v1/system", headers=headers).json()["tenant"]
    return tenant


def test_jobs_that_wait(client: Client) -> None:
    small, other = (bearer(key_of(client, tenant)) for tenant in ("small", "other"))
    jobs = [client.post("/v1/jobs", json=JOB, headers=small).json()["id"] for _ in range(2)]
    answer = client.post("/v1/jobs", json=JOB, headers=small)
    refused(answer, "queued_jobs", 2, 2)
    assert int(answer.headers["retry-after"]) > 0
    assert "x-should-retry" not in answer.headers
    scoring = {"dataset": {"builtin": "iris"}, "model": "nobody"}
    assert client.post("/v1/predictions", json=scoring, headers=small).status_code in (404, 429)
    assert client.post("/v1/jobs", json=JOB, headers=other).status_code == 202
    assert (has(client, small)["queued_jobs"], has(client, small)["max_queued_jobs"]) == (2, 2)
    assert client.post(f"/v1/jobs/{jobs[0]}/cancel", headers=small).status_code == 200
    assert client.post("/v1/jobs", json=JOB, headers=small).status_code == 202


def test_data_sets(client: Client) -> None:
    small, other = (bearer(key_of(client, tenant)) for tenant in ("small", "other"))
    file = {"file": ("data.csv", TABLE.encode())}
    made = client.post("/v1/datasets", files=file, headers=small)
    assert made.status_code == 201
    answer = client.post("/v1/datasets", files=file, headers=small)
    refused(answer, "datasets", 1, 1)
    # Nothing is gained by asking again: something must be deleted.
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert client.post("/v1/datasets", files=file, headers=other).status_code == 201
    gone = client.delete(f"/v1/datasets/{made.json()['id']}", headers=small)
    assert gone.status_code == 204
    assert client.post("/v1/datasets", files=file, headers=small).status_code == 201


def test_stored_bytes(client: Client) -> None:
    full = bearer(key_of(client, "full"))
    client.http.headers.update(full)
    try:
        train(client, post(client, training={"epochs": 1}))
    finally:
        del client.http.headers["authorization"]
    stored = has(client, full)["stored_bytes"]
    assert stored > 1_000
    refused(client.post("/v1/jobs", json=JOB, headers=full), "stored_bytes", stored, 1_000)
    answer = client.post("/v1/datasets", files={"file": ("d.csv", TABLE)}, headers=full)
    refused(answer, "stored_bytes", stored, 1_000)
    assert "Delete data sets" in answer.json()["detail"]
