"""Webhooks over HTTP: made, listed, deleted; a real receiver is told of a real job."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier

from tests.api.client import Client, running
from tests.api.work import ask, post, score, train
from tests.waiting import until
from worker.settings import ServiceSettings
from worker.storage import webhooks

Heard = list[tuple[dict[str, str], bytes]]


@contextmanager
def listening(heard: Heard, port: int = 0) -> Iterator[int]:
    """A receiver on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Client]:
    """A service that may tell this machine."""
    with running(ServiceSettings(state=tmp_path / "state", webhook_loopback=True)) as client:
        yield client


def test_a_receiver_is_told_of_a_job_as_soon_as_it_is_there(told: Client) -> None:
    """It is down at first; nothing of it is lost."""
    heard: Heard = []
    with listening(heard) as port:
        pass
    made = told.post("/v1/webhooks", json={"url": f"http://127.0.0.1:{port}/hook"})
    assert made.status_code == 201
    job = post(told)
    assert train(told, job)["state"] == "succeeded"
    path = made.headers["Location"]
    until(lambda: told.get(path).json()["state"] == "failing")
    assert told.get(path).json()["pending"] == 1
    with listening(heard, port):
        until(lambda: told.get(path).json()["pending"] == 0)
    ((headers, body),) = heard
    event = Verifier(made.json()["secret"]).verify(body, headers)
    assert (event["type"], event["data"]["id"]) == ("job.succeeded", job)
    assert told.get(path).json()["state"] == "ok"
    shown = told.get("/v1/webhooks").text + told.get(path).text
    assert made.json()["secret"] not in shown
    assert told.delete(path).status_code == 204
    assert told.get(path).status_code == 404


def test_a_receiver_is_told_of_predictions_of_data_sets(told: Client) -> None:
    train(told, post(told, model="iris", training={"epochs": 1}))
    heard: Heard = []
    with listening(heard) as port:
        url = f"http://127.0.0.1:{port}/hook"
        made = told.post("/v1/webhooks", json={"url": url}).json()
        assert len(made["events"]) == 6
        only = ["prediction.failed"]
        told.post("/v1/webhooks", json={"url": f"{url}/failures", "events": only})
        done, gone = (ask(told, dataset={"builtin": "iris"}, model="iris") for _ in range(2))
        assert score(told, done)["state"] == "succeeded"
        assert told.post(f"/v1/predictions/{gone}/cancel").status_code == 200
        until(lambda: len(heard) == 2)
    verifier = Verifier(made["secret"])
    events = [verifier.verify(body, headers) for headers, body in heard]
    assert [(event["type"], event["data"]["id"]) for event in events] == [
        ("prediction.succeeded", done),
        ("prediction.cancelled", gone),
    ]
    assert events[0]["data"]["object"] == "prediction"
    assert events[0]["data"]["model"] == {"name": "iris", "version": 1}


def test_webhooks_are_off_until_hosts_are_named(client: Client) -> None:
    answer = client.post("/v1/webhooks", json={"url": "https://hooks.example.com/"})
    assert (answer.status_code, answer.json()["code"]) == (409, "webhooks_off")
    assert "PARSIMONY_WEBHOOKS" in answer.json()["detail"]
    assert client.get("/v1/webhooks").json()["data"] == []


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "http://example.com/", "https://hooks.example.com/", "x"]
)
def test_what_may_not_be_told_is_refused(told: Client, url: str) -> None:
    answer = told.post("/v1/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook_refused")
    assert answer.json()["param"] == "url"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_receiver_that_is_down_for_a_minute_is_told_everything_in_order(told: Client) -> None:
    """Six attempts fail, by the pauses that there are: half a minute to a minute."""
    heard: Heard = []
    with listening(heard) as port:
        pass
    made = told.post("/v1/webhooks", json={"url": f"http://127.0.0.1:{port}/hook"}).json()
    jobs = [train(told, post(told))["id"] for _ in range(4)]

    def failures() -> int:
        with told.services.database.read() as session:
            return webhooks.find_webhook(session, made["id"], tenant="default").failures

    until(lambda: failures() >= 5)
    until(lambda: failures() >= 6)
    with listening(heard, port):
        until(lambda: len(heard) == len(jobs))
    verifier = Verifier(made["secret"])
    events = [verifier.verify(body, headers) for headers, body in heard]
    assert [event["data"]["id"] for event in events] == jobs
