"""While predictions wait, or are refused, who looks after the service and its jobs is answered."""

import threading
from concurrent.futures import Future
from typing import Any

import httpx
import pytest

from tests.api.client import Client
from tests.api.work import post, train
from tests.waiting import until
from worker.errors import ModelError
from worker.models import TrainedModel

ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]] * 200}
PREDICTIONS = 60


def test_health_jobs_and_cancels_are_answered(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(client, post(client, model="busy", training={"epochs": 1}))
    assert client.post("/v1/models/busy/predict", json=ROWS).status_code == 200
    job = post(client)
    inside, go_on = threading.Event(), threading.Event()

    def held(features: Any) -> Any:
        inside.set()
        go_on.wait(30)
        raise ModelError("it was held")

    monkeypatch.setattr("service.serving.joiner.INLINE_NS", 0)  # in threads, as large models are
    monkeypatch.setattr(TrainedModel, "forward", property(lambda self: held))

    async def predict() -> httpx.Response:
        return await client.http.post("/v1/models/busy/predict", json=ROWS)

    waiting: list[Future[httpx.Response]] = [
        client.portal.start_task_soon(predict) for _ in range(PREDICTIONS)
    ]
    try:
        until(inside.is_set)
        for path in ("/livez", "/readyz", "/v1/system", "/metrics", "/v1/jobs", f"/v1/jobs/{job}"):
            assert client.get(path).status_code == 200, path
        assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
        assert client.get("/v2/health/ready").status_code == 200
        assert not all(one.done() for one in waiting)  # it was saturated all the while
    finally:
        go_on.set()
    assert {one.result(30).status_code for one in waiting} == {503}
