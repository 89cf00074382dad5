"""What holds for every operation alike: HEAD, headers, parameters, forms, replays."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message

from service.conventions import Conventions
from tests.api.client import Client
from tests.api.work import ask, post, score, train
from worker.storage import webhooks

CSV = "x,y\n" + "1,a\n2,b\n" * 30
BOUNDARY = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def paths(client: Client) -> dict[str, str]:
    """A value for each parameter of a path, of things that exist."""
    made = client.upload(CSV, target="y").json()["id"]
    linear = {"kind": "linear"}
    job = train(client, post(client, dataset=made, model="conventions", network=linear))["id"]
    client.put("/v1/models/conventions/aliases/production", json={"version": 1})
    prediction = score(client, ask(client, model="conventions", dataset=made))["id"]
    with client.services.database.write() as session:
        webhook = webhooks.add_webhook(
            session, url="https://hooks.example.com/", events=["job.failed"]
        ).id
    return {
        "dataset": made,
        "job": job,
        "model": "conventions",
        "prediction": prediction,
        "technique": "dropout",
        "webhook": webhook,
    }


def operations(document: dict[str, Any], paths: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Method and path of every operation, with names and ids filled in."""
    for path, methods in document["paths"].items():
        named = path.split("/")[2].removesuffix("s") if path.startswith("/v1/") else ""
        kind = "model" if path.startswith("/v2") else named
        filled = path.replace("{id}", paths.get(kind, "")).replace("{name}", paths.get(kind, ""))
        for method in methods:
            yield (
                method.upper(),
                filled.replace("{version}", "1").replace("{alias}", "production"),
            )


@pytest.mark.slow
def test_head_is_wherever_get_is(
    client: Client, document: dict[str, Any], paths: dict[str, str]
) -> None:
    got = [path for method, path in operations(document, paths) if method == "GET"]
    for path in [*got, "/docs", "/redoc", "/openapi.json", "/static/docs/swagger.js"]:
        answer, head = client.get(path), client.request("HEAD", path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == answer.headers["content-type"], path
        if re.fullmatch(r"/v1/jobs/[^/]+/(splits|predictions)", path):  # streamed as it is computed
            assert "content-length" not in head.headers
        elif "_seconds" not in answer.text:  # what counts time may be a digit longer by now
            assert head.headers["content-length"] == str(len(answer.content)), path


def test_head_of_what_is_streamed_has_nothing_made() -> None:
    """Neither all rows of a table nor events, which may have no end."""
    made: list[int] = []
    ended = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        try:
            for number in count():
                made.append(number)
                yield b"x"
                await asyncio.sleep(0)
        finally:
            ended.set()

    async def work() -> list[Message]:
        sent: list[Message] = []
        is_answered = asyncio.Event()

        async def send(message: Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                is_answered.set()

        async def receive() -> Message:  # as the specification of ASGI has it
            await is_answered.wait()
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "HEAD", "path": "/x", "asgi": {"spec_version": "2.3"}}
        await Conventions(StreamingResponse(events()))(scope, receive, send)
        await ended.wait()
        return sent

    start, body = asyncio.run(work())
    assert (start["status"], body["body"], body["more_body"]) == (200, b"", False)
    assert len(made) < 10


def test_head_of_what_is_not_there(client: Client) -> None:
    head = client.request("HEAD", "/v1/jobs/job_nowhere")
    assert (head.status_code, head.content) == (404, b"")
    head = client.request("HEAD", "/v1/jobs/validate/nothing")
    assert head.status_code == 404


def test_head_where_only_post_is(client: Client, paths: dict[str, str]) -> None:
    for method in ("HEAD", "GET"):
        answer = client.request(method, "/v1/models/conventions/predict")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_allowed_methods_are_those_that_there_are(client: Client) -> None:
    allowed = {
        "/static/docs/swagger.js": "GET, HEAD",
        "/static/nothing": "GET, HEAD",
        "/docs": "GET, HEAD",
        "/livez": "GET, HEAD",
        "/v1/jobs": "GET, HEAD, POST",
        "/v1/jobs/validate": "POST",
        "/v1/datasets/ds_1": "GET, HEAD, DELETE",
    }
    for path, methods in allowed.items():
        answer = client.request("PATCH", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods), path
        assert answer.json()["detail"] == f"{path} takes {methods}, not PATCH."


def test_no_answer_is_kept_by_a_cache_or_taken_for_something_else(
    client: Client, document: dict[str, Any], paths: dict[str, str]
) -> None:
    for method, path in operations(document, paths):
        if method == "DELETE":
            continue
        answer = client.request(method, path)
        assert answer.headers["cache-control"] == "no-store", (method, path)
        assert answer.headers["x-content-type-options"] == "nosniff", (method, path)


def test_files_may_be_kept(client: Client) -> None:
    answer = client.get("/static/docs/swagger.js")
    assert "cache-control" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_internal_error_is_not_kept_either(
    fresh: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(fresh.services.database, "read", fail)
    answer = fresh.get("/v1/jobs")
    assert (answer.status_code, answer.headers["cache-control"]) == (500, "no-store")
    assert answer.headers["connection"] == "close"  # as the server does after it


# Parameters


def test_no_operation_takes_a_parameter_that_it_does_not_know(
    client: Client, document: dict[str, Any], paths: dict[str, str]
) -> None:
    bodies: dict[str, Any] = {
        "/v1/datasets": {"files": {"file": ("a.csv", CSV)}},
        "/v1/jobs": {"json": {"dataset": {"builtin": "iris"}}},
        "/v1/jobs/validate": {"json": {"dataset": {"builtin": "iris"}}},
        "/v1/predictions": {"json": {"model": "conventions", "dataset": paths["dataset"]}},
        "/v1/models/conventions/predict": {"json": {"instances": [[1.0]]}},
        "/v1/models/conventions/aliases/production": {"json": {"version": 1}},
    }
    for method, path in operations(document, paths):
        options = bodies.get(path, {}) if method in ("POST", "PUT") else {}
        answer = client.request(method, f"{path}?foo=1", **options)
        refused = 400 if path.startswith("/v2") else 422
        assert (answer.status_code, answer.json()["param"]) == (refused, "foo"), (method, path)
        assert "is not a parameter here" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("state[]=queued", "did you mean state?"),
        ("limits=1", "did you mean limit?"),
        ("zzz=1", "the parameters are state, limit, after"),
        ("=1", "the parameters are"),
    ],
)
def test_the_nearest_parameter_is_named(client: Client, query: str, says: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("query", ["limit=1&limit=2", "limit=1&state=queued&limit=1"])
def test_a_parameter_that_is_given_twice_is_refused(client: Client, query: str) -> None:
    problem = client.get(f"/v1/jobs?{query}").json()
    assert (problem["status"], problem["param"]) == (422, "limit")
    assert "given 2 times" in problem["detail"]


def test_many_unknown_parameters_are_counted(client: Client) -> None:
    problem = client.get("/v1/jobs?" + "&".join(f"a{n}=1" for n in range(2000))).json()
    assert len(problem["errors"]) == 20
    assert "1,999 more" in problem["detail"]


def test_an_operation_without_parameters_says_so(client: Client) -> None:
    assert "has no parameters" in client.get("/livez?x=1").json()["detail"]


def test_u_0000_is_refused_by_every_operation(
    client: Client, document: dict[str, Any], paths: dict[str, str]
) -> None:
    for method, path in operations(document, paths):
        if method == "GET":
            assert client.get(f"{path}?a=%00").status_code == 400, path


# Uploads


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "application/json"}, b'{"file": 1}'),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"file=1"),
        ({"Content-Type": "text/csv"}, CSV.encode()),
        ({}, CSV.encode()),
        ({}, b""),
    ],
)
def test_an_upload_of_the_wrong_kind_is_answered_with_the_right_one(
    client: Client, headers: dict[str, str], content: bytes
) -> None:
    answer = client.post("/v1/datasets", headers=headers, content=content)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "curl -F file=@data.csv" in answer.json()["detail"]


def part(name: str, content: str, filename: str | None = None) -> str:
    named = f'; filename="{filename}"' if filename else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n{content}\r\n'


def form(client: Client, *parts: str) -> httpx.Response:
    content = "".join(parts) + "--b--\r\n"
    return client.post("/v1/datasets", headers={"Content-Type": BOUNDARY}, content=content)


@pytest.mark.parametrize(
    ("parts", "param", "says"),
    [
        ([part("file", CSV, "a.csv"), part("file", CSV, "b.csv")], "file", "given 2 times"),
        ([part("file", CSV, "a.csv"), part("name", "a"), part("name", "b")], "name", "2 times"),
        ([part("file", CSV, "a.csv"), part("tagret", "y")], "tagret", "did you mean target?"),
        ([part("file", CSV, "a.csv"), part("q", "y")], "q", "the fields are file, name, target"),
        ([part("upload", CSV, "a.csv")], "upload", "is not a field here"),
        ([part("name", "a")], "file", "is required"),
    ],
)
def test_a_form_with_something_else_is_refused(
    client: Client, parts: list[str], param: str, says: str
) -> None:
    answer = form(client, *parts)
    assert (answer.status_code, answer.json()["param"]) == (422, param)
    assert says in answer.json()["detail"]


def test_the_form_is_taken(client: Client) -> None:
    answer = form(client, part("file", CSV, "a.csv"), part("name", "n"), part("target", "y"))
    assert (answer.status_code, answer.json()["name"]) == (201, "n")


# Replays


def test_a_replay_is_marked(client: Client) -> None:
    spec = {"dataset": {"builtin": "iris"}, "training": {"epochs": 1}}
    first, again = (
        client.post("/v1/jobs", json=spec, headers={"Idempotency-Key": "replay-1"})
        for _ in range(2)
    )
    assert first.json()["id"] == again.json()["id"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


# Numbers


@pytest.mark.parametrize("version", ["1.0", "1e0", "10e-1"])
def test_a_whole_number_may_be_written_with_a_point(
    client: Client, paths: dict[str, str], version: str
) -> None:
    answer = client.put(
        "/v1/models/conventions/aliases/staging",
        content=f'{{"version": {version}}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["aliases"]["staging"] == 1


def test_a_number_with_a_fraction_is_no_whole_number(client: Client) -> None:
    spec = {"dataset": {"builtin": "iris"}, "training": {"epochs": 1.5}, "repeats": 2.0}
    problem = client.post("/v1/jobs", json=spec)
    assert (problem.status_code, problem.json()["param"]) == (422, "training.epochs")
    assert len(problem.json()["errors"]) == 1


def test_whole_numbers_of_a_job_may_have_a_point(client: Client) -> None:
    spec = {
        "dataset": {"builtin": "iris"},
        "training": {
            "epochs": 2.0,
            "batch_size": 16.0,
            "optimizer": {"kind": "sgd", "learning_rate": 1.0},
        },
        "network": {"kind": "mlp", "hidden": [4.0, 4.0]},
        "repeats": 1.0,
    }
    answer = client.post("/v1/jobs/validate", json=spec)
    assert answer.status_code == 200, answer.text
