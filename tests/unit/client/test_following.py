"""Waiting for a job: by its stream of events where there is one, else by asking."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from parsimony import AsyncClient, Client

Handler = Callable[[httpx.Request], httpx.Response]


def job(state: str, epoch: int) -> dict[str, Any]:
    fraction = epoch / 4
    return {
        "id": "job_1",
        "name": "n",
        "state": state,
        "progress": {"fraction": fraction, "epoch": epoch, "epochs": 4, "eta_seconds": None},
        "trials": {"total": 1, "finished": 0, "failed": 0},
        "waiting_for": None,
        "best": {"metrics": {"train_loss": 1.0}, "name": "whole", "value": 1.0},
        "error": None,
    }


class Service:
    """What is asked, and the answers: a stream that breaks off or not, or none."""

    def __init__(self, *, stream: str) -> None:
        self.stream, self.asked, self.reads = stream, list[str](), 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(f"{path} {request.headers.get('Prefer', '')}".strip())
        if path == "/v1/jobs/job_1":
            self.reads += 1
            over = self.reads > (1 if self.stream == "whole" else 2)
            return httpx.Response(200, json=job("succeeded" if over else "running", 4 * over))
        if path != "/v1/jobs/job_1/events" or self.stream == "none":
            return httpx.Response(404, json={"detail": "there is none", "code": "not_found"})
        assert request.headers["Accept"] == "text/event-stream"
        frames = "retry: 1000\n\n: still here\n\n"
        for epoch in (1, 2, 3):
            told = job("running", epoch) | {"best": {"name": "short"}}
            frames += f"event: job\ndata: {json.dumps(told)}\n\n"
        if self.stream == "whole":
            frames += 'event: end\ndata: {"state": "succeeded"}\n\n'
        kind = {"Content-Type": "text/event-stream; charset=utf-8"}
        return httpx.Response(200, headers=kind, content=frames.encode())


def waited(service: Service, kind: str, **how: Any) -> list[dict[str, Any]]:
    """What whoever waits is told of."""
    seen: list[Any] = []
    if kind == "sync":
        with Client("http://s", transport=httpx.MockTransport(service)) as client:
            client.job("job_1").wait(seen=seen.append, progress=False, **how)
        return seen

    async def wait() -> None:
        async with AsyncClient("http://s", transport=httpx.MockTransport(service)) as client:
            await (await client.job("job_1")).wait(seen=seen.append, **how)

    asyncio.run(wait())
    return seen


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_tells_of_each_move_and_the_job_is_read_at_its_ends(kind: str) -> None:
    service = Service(stream="whole")
    seen = waited(service, kind)
    assert [data["progress"]["epoch"] for data in seen] == [1, 2, 3, 4]
    assert all(data["best"]["name"] == "whole" for data in seen)
    assert service.asked == ["/v1/jobs/job_1", "/v1/jobs/job_1/events", "/v1/jobs/job_1"]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("stream", "epochs"), [("none", [0, 4]), ("broken", [1, 2, 3, 0, 4])])
def test_where_there_is_none_or_it_breaks_the_job_is_asked_for(
    kind: str, stream: str, epochs: list[int]
) -> None:
    service = Service(stream=stream)
    seen = waited(service, kind)
    assert [data["progress"]["epoch"] for data in seen] == epochs
    assert service.asked[2:] == ["/v1/jobs/job_1", "/v1/jobs/job_1 wait=1"]


def test_with_a_time_to_give_up_it_is_asked_for() -> None:
    service = Service(stream="whole")
    waited(service, "sync", timeout=30)
    assert "/v1/jobs/job_1/events" not in service.asked
