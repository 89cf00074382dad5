"""What is sent, what is sent again, and what becomes of answers, by both clients."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from parsimony import (
    AsyncClient,
    Client,
    ConflictError,
    InvalidError,
    JobCancelledError,
    JobFailedError,
    NotFoundError,
    ParsimonyError,
    ServerError,
    TooManyRequestsError,
    UnauthorizedError,
    UnreachableError,
    WaitTimeoutError,
)

Answer = httpx.Response | Exception
AT_ONCE = {"Retry-After": "0"}


def problem(status: int, code: str, **more: object) -> httpx.Response:
    body = {"status": status, "detail": f"what is wrong: {code}", "code": code, "param": None}
    return httpx.Response(status, json={**body, **more}, headers=AT_ONCE)


def job(state: str = "queued", **more: object) -> dict[str, Any]:
    return {
        "id": "job_1",
        "name": "",
        "state": state,
        "progress": {"fraction": 0.0, "epoch": 0, "epochs": 1, "eta_seconds": None},
        "trials": {"total": 1, "finished": 0, "failed": 0},
        "advice": [],
        "best": None,
        "model": None,
        "error": None,
        "waiting_for": None,
        "objective": "validation_loss",
        **more,
    }


class Service:
    """Gives these answers, one after another, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers: Iterator[Answer] = iter(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        # Parameters are shared between tests, and a response belongs to the client that reads it.
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def in_a_thread(service: Service, act: Callable[[Any], Any], **options: Any) -> Any:
    with Client("http://there", transport=httpx.MockTransport(service), **options) as client:
        return act(client)


def in_a_loop(service: Service, act: Callable[[Any], Any], **options: Any) -> Any:
    async def run() -> Any:
        transport = httpx.MockTransport(service)
        async with AsyncClient("http://there", transport=transport, **options) as client:
            return await act(client)

    return asyncio.run(run())


@pytest.fixture(params=[in_a_thread, in_a_loop])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """The same is asked by both clients."""
    way: Callable[..., Any] = request.param
    return way


Ask = Callable[..., Any]


def test_a_job_is_posted_once_however_often_it_is_sent(ask: Ask) -> None:
    service = Service(
        problem(503, "unavailable"), problem(429, "busy"), httpx.Response(202, json=job())
    )
    made = ask(service, lambda client: client.train("circle", regularization={"l1": 0.1}))
    assert made.id == "job_1"
    keys = {request.headers["Idempotency-Key"] for request in service.asked}
    assert (len(service.asked), len(keys)) == (3, 1)
    assert json.loads(service.asked[0].content) == {
        "dataset": {"builtin": "circle"},
        "regularization": {"l1": 0.1},
    }


def test_two_jobs_have_two_keys(ask: Ask) -> None:
    keys = set()
    for _ in range(2):
        service = Service(httpx.Response(202, json=job()))
        ask(service, lambda client: client.train("ds_1"))
        keys.add(service.asked[0].headers["Idempotency-Key"])
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("first", "times"),
    [
        (problem(500, "internal_error"), 1),  # it may be stored already
        (problem(503, "unavailable"), 2),  # nothing was done
        (httpx.ReadError("broken"), 1),
        (problem(408, "too_slow"), 2),
    ],
)
def test_an_upload_is_sent_again_only_where_it_cannot_be_stored_twice(
    ask: Ask, first: Answer, times: int
) -> None:
    service = Service(first, httpx.Response(201, json={"id": "ds_1", "columns": []}))
    with contextlib.suppress(ParsimonyError):
        ask(service, lambda client: client.upload([{"a": 1, "b": 2}], target="b"))
    assert len(service.asked) == times


@pytest.mark.parametrize(
    ("headers", "status", "times"),
    [
        ({"x-should-retry": "false"}, 503, 1),
        ({"x-should-retry": "true"}, 409, 2),
        ({}, 409, 1),
        ({"Retry-After": "3600"}, 503, 1),  # longer than anybody waits
    ],
)
def test_the_service_says_whether_to_come_again(
    ask: Ask, headers: dict[str, str], status: int, times: int
) -> None:
    answer = httpx.Response(status, json={"detail": "no"}, headers={**AT_ONCE, **headers})
    service = Service(answer, httpx.Response(200, json=job()))
    with contextlib.suppress(ParsimonyError):
        ask(service, lambda client: client.job("job_1"))
    assert len(service.asked) == times


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UnauthorizedError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, InvalidError),
        (429, TooManyRequestsError),
        (500, ServerError),
    ],
)
def test_an_error_has_the_problem_s_members(
    ask: Ask, status: int, kind: type[ParsimonyError]
) -> None:
    wrong = [{"param": "a", "message": "no"}, {"param": "b", "message": "nor that"}]
    service = Service(problem(status, "some_code", param="a.b", errors=wrong))
    with pytest.raises(kind) as caught:
        ask(service, lambda client: client.job("job_1"), retries=0)
    error: Any = caught.value
    assert (error.status, error.code, error.param) == (status, "some_code", "a.b")
    assert error.detail == "what is wrong: some_code"
    assert error.errors == (("a", "no"), ("b", "nor that"))


def test_what_is_no_problem_document_is_an_error_all_the_same(ask: Ask) -> None:
    service = Service(httpx.Response(502, text="<html>bad gateway</html>"))
    with pytest.raises(ServerError, match="502 <html>bad gateway"):
        ask(service, lambda client: client.job("job_1"), retries=0)


def test_nobody_at_the_address(ask: Ask) -> None:
    service = Service(httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError, match="http://there does not answer: refused"):
        ask(service, lambda client: client.system(), retries=0)


def test_the_key_is_sent_as_bearer(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARSIMONY_API_KEY", "from the environment")
    for options, sent in (({}, "from the environment"), ({"api_key": "given"}, "given")):
        service = Service(httpx.Response(200, json=job()))
        ask(service, lambda client: client.job("job_1"), **options)
        assert service.asked[0].headers["Authorization"] == f"Bearer {sent}"


def test_waiting_ends_with_the_job(ask: Ask) -> None:
    service = Service(
        httpx.Response(202, json=job()),
        problem(404, "no stream of events"),
        httpx.Response(200, json=job("running")),
        httpx.Response(200, json=job("succeeded")),
    )

    def act(client: Any) -> Any:
        if isinstance(client, Client):
            return client.train("circle").wait()

        async def both() -> Any:
            return await (await client.train("circle")).wait()

        return both()

    assert ask(service, act).state == "succeeded"
    prefer = [request.headers.get("Prefer") for request in service.asked]
    assert prefer == [None, None, None, "wait=30"]


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (job("cancelled"), JobCancelledError, "was cancelled"),
        (
            job("failed", error={"code": "diverged", "message": "inf", "param": "training"}),
            JobFailedError,
            "failed: inf",
        ),
    ],
)
def test_a_job_that_ends_otherwise_is_an_error(
    ask: Ask, data: dict[str, Any], kind: type[ParsimonyError], said: str
) -> None:
    service = Service(
        httpx.Response(200, json=job()),
        problem(404, "no stream of events"),
        httpx.Response(200, json=data),
    )

    def act(client: Any) -> Any:
        if isinstance(client, Client):
            return client.job("job_1").wait(progress=False)

        async def both() -> Any:
            return await (await client.job("job_1")).wait()

        return both()

    with pytest.raises(kind, match=said):
        ask(service, act)


def test_nobody_waits_longer_than_he_would() -> None:
    service = Service(*[httpx.Response(200, json=job("running")) for _ in range(3)])
    with pytest.raises(WaitTimeoutError, match="goes on"):
        in_a_thread(service, lambda client: client.job("job_1").wait(timeout=0, progress=False))


def test_the_leaderboard_is_read_page_by_page(ask: Ask) -> None:
    def trial(number: int) -> dict[str, Any]:
        return {
            "id": f"trl_{number}",
            "name": "none",
            "repeat": 0,
            "fold": None,
            "state": "succeeded",
            "epochs": 3,
            "overrides": {"regularization.l1.strength": 0.1},
            "metrics": {"validation_loss": number / 10},
        }

    service = Service(
        httpx.Response(200, json=job()),
        httpx.Response(200, json={"data": [trial(1), trial(2)], "has_more": True}),
        httpx.Response(200, json={"data": [trial(3)], "has_more": False}),
    )

    def act(client: Any) -> Any:
        if isinstance(client, Client):
            return client.job("job_1").leaderboard()

        async def both() -> Any:
            return await (await client.job("job_1")).leaderboard()

        return both()

    board = ask(service, act)
    assert list(board["trial"]) == ["trl_1", "trl_2", "trl_3"]
    assert list(board["validation_loss"]) == [0.1, 0.2, 0.3]
    assert list(board["regularization.l1.strength"]) == [0.1] * 3
    assert service.asked[2].url.params["after"] == "trl_2"


@pytest.mark.parametrize("url", ["there:8000", "ftp://there"])
def test_an_address_says_how_it_is_spoken_to(url: str) -> None:
    with pytest.raises(ParsimonyError, match="http://"):
        Client(url)


def test_both_clients_offer_the_same() -> None:
    from parsimony import AsyncJob, AsyncModel, Job, Model

    for one, other in ((Client, AsyncClient), (Job, AsyncJob), (Model, AsyncModel)):
        names = {name for name in dir(one) if not name.startswith("_")}
        assert names == {name for name in dir(other) if not name.startswith("_")}
