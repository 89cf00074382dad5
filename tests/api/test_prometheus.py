"""What `/metrics` says."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, update

from service.telemetry import telemetry
from tests.api.client import Client
from tests.api.work import post, train
from tests.source import ROOT
from tests.waiting import until
from worker.storage import fleets, jobs
from worker.storage.database import Database
from worker.storage.tables import Fleet
from worker.storage.types import utc_now


def scraped(client: Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(samples: dict[Any, float], name: str, **labels: str) -> float:
    """The sum of those samples of a name that have these labels."""
    found = [
        v for (n, have), v in samples.items() if n == name and labels.items() <= dict(have).items()
    ]
    return sum(found)


def anew(client: Client) -> dict[Any, float]:
    """Scraped without what was kept of the database."""
    client.services.telemetry._read_at = 0.0
    return scraped(client)


@pytest.mark.database_kinds("sqlite", "postgresql")
def test_the_work_is_counted_from_its_post_to_its_end(fresh: Client) -> None:
    job_id = post(fresh, model="flowers")
    other = post(fresh)
    with fresh.services.database.write() as session:
        session.execute(update(Fleet).values(created_at=utc_now() - timedelta(hours=1)))
    before = anew(fresh)
    assert of(before, "parsimony_jobs", kind="training", state="queued") == 2
    assert of(before, "parsimony_fleets", kind="training", state="queued") == 2
    assert 3_600 <= of(before, "parsimony_oldest_due_seconds") < 3_700
    train(fresh, job_id)
    with fresh.services.database.write() as session:
        (fleet,) = jobs.fleets(session, other)
        lease = fleets.claim(session, fleet.id, owner="test")
        assert lease is not None
    running = anew(fresh)
    assert of(running, "parsimony_fleets", state="running") == 1
    assert of(running, "parsimony_oldest_due_seconds") == 0
    with fresh.services.database.write() as session:
        fleets.crashed(session, lease, "test", max_attempts=5)
    after = anew(fresh)
    assert of(after, "parsimony_jobs") == 1
    assert of(after, "parsimony_job_events_total", type="accepted") == 2
    assert of(after, "parsimony_job_events_total", type="started") == 2
    assert of(after, "parsimony_job_events_total", type="crashed") == 1
    assert of(after, "parsimony_job_events_total", type="succeeded") == 1
    assert of(after, "parsimony_trials_total", state="succeeded") == 1
    assert of(after, "parsimony_epochs_total") == 3
    assert of(after, "parsimony_database_up") == 1
    # It came back a moment ago, however long ago it was posted.
    assert 0 < of(after, "parsimony_oldest_due_seconds") < 60


def test_requests_are_counted_by_route_and_status(fresh: Client) -> None:
    train(fresh, post(fresh, model="flowers"))
    rows = [{"sepal length (cm)": 5.0}]
    asked = {"instances": rows}
    for path in ("/v1/models/flowers/predict", "/v1/models/none/predict"):
        fresh.post(path, json=asked)
    fresh.post("/v2/models/flowers/versions/1/infer", json={"inputs": []})
    fresh.post("/invocations", json=asked)
    fresh.get("/v1/jobs/job_none")
    fresh.request("HEAD", "/livez")
    fresh.request("BREW", "/pot")
    fresh.get("/nowhere")
    samples = scraped(fresh)

    def answered(method: str, route: str, status: str) -> float:
        labels = {"method": method, "route": route, "status": status, "process": "0"}
        return of(samples, "parsimony_http_request_seconds_count", **labels)

    assert answered("POST", "/v1/jobs", "2xx") == 1
    assert answered("POST", "/v1/models/{name}/predict", "4xx") >= 1
    assert answered("POST", "/v2/models/{name}/versions/{version}/infer", "4xx") == 1
    assert answered("POST", "/invocations", "2xx") + answered("POST", "/invocations", "4xx") == 1
    assert answered("GET", "/v1/jobs/{id}", "4xx") == 1
    assert answered("HEAD", "/livez", "2xx") == 1
    assert answered("other", "other", "4xx") == 1
    assert answered("GET", "other", "4xx") == 1
    jobs_seconds = [
        value
        for (name, labels), value in samples.items()
        if name == "parsimony_http_request_seconds_bucket"
        and {("route", "/v1/jobs"), ("method", "POST"), ("le", "+Inf")} <= labels
    ]
    assert jobs_seconds == [1]
    assert of(samples, "parsimony_http_requests_open") == 1  # this one
    assert of(samples, "process_resident_memory_bytes") > 10_000_000


@contextmanager
def hanging(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database that does not answer, for the length of a block."""
    released = threading.Event()

    @contextmanager
    def read() -> Iterator[None]:
        released.wait(60)
        raise TimeoutError
        yield

    with monkeypatch.context() as patch:
        patch.setattr(database, "read", read)
        try:
            yield
        finally:
            released.set()


def test_a_database_that_hangs_leaves_its_part_out(
    fresh: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "DEADLINE_SECONDS", 0.05)
    with hanging(fresh.services.database, monkeypatch):
        samples = anew(fresh)
        assert of(samples, "parsimony_database_up") == 0
        assert ("parsimony_oldest_due_seconds", frozenset()) not in samples
        assert of(samples, "process_max_fds") > 0
        assert scraped(fresh)
    monkeypatch.undo()
    until(lambda: of(anew(fresh), "parsimony_database_up") == 1)


def test_scrapes_in_quick_succession_ask_the_database_once(
    fresh: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "FRESH_SECONDS", 300.0)
    assert of(anew(fresh), "parsimony_database_up") == 1
    with hanging(fresh.services.database, monkeypatch):
        assert of(scraped(fresh), "parsimony_database_up") == 1


def of_access(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [line for line in caplog.records if line.name == "parsimony.access"]


def test_a_line_for_each_request_if_asked_and_for_each_change(
    fresh: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="parsimony.access"):
        job_id = post(fresh)
        fresh.get("/v1/jobs")
        fresh.post("/v1/jobs/validate", json={"dataset": {"builtin": "iris"}})
    (line,) = of_access(caplog)
    assert line.getMessage() == "POST /v1/jobs"
    assert (vars(line)["status"], vars(line)["location"]) == (202, f"/v1/jobs/{job_id}")
    assert vars(line)["request"].startswith("req_")
    caplog.clear()
    with caplog.at_level("DEBUG", logger="parsimony.access"):
        fresh.get("/v1/jobs", headers={"X-Request-Id": "mine"})
    assert [vars(line)["request"] for line in of_access(caplog)] == ["mine"]


def test_the_page_on_operations_explains_each_metric_and_no_other(fresh: Client) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    families = text_string_to_metric_families(fresh.get("/metrics").text)
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in families
    }
    explained = set(re.findall(r"\b(?:parsimony|process)_[a-z_]+", page))
    explained = {re.sub(r"_(bucket|count)$", "", name) for name in explained}
    assert explained == names
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    targets, rules = (yaml.safe_load(example) for example in examples)
    assert targets["scrape_configs"][0]["job_name"] == "parsimony"
    assert all("parsimony_" in rule["expr"] for rule in rules["groups"][0]["rules"])


def test_a_million_events_are_not_counted_anew(fresh: Client) -> None:
    """What a scrape asks does not read the log, except where fleets came back into the queue."""
    post(fresh)
    engine = fresh.services.database.engine
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        anew(fresh)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    of_events = [statement for statement in asked if "FROM event" in statement]
    assert len(of_events) == 1
    with fresh.services.database.read() as session:
        for statement in (one for one in asked if one.startswith("SELECT")):
            plan = session.connection().exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", tuple("x" for _ in range(statement.count("?")))
            )
            steps = [row[-1] for row in plan]
            assert not [step for step in steps if step.startswith("SCAN") and "event" in step]
            assert not [s for s in steps if s in {"SCAN fleet", "SCAN job"}], (statement, steps)
