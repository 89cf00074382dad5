"""Whether the service says how it is: its parts, and whether it is about to stop."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from service import readiness
from service.readiness import Readiness
from tests.api.client import Client
from tests.api.work import post
from tests.databases import KINDS
from tests.waiting import until
from worker.errors import UnavailableError
from worker.storage import fleets, jobs, workers
from worker.storage.workers import Worker, WorkerEntry

READY = ("/readyz", "/ping", "/health")
ENTRY = WorkerEntry("wrk_1", "h", 7, "cpu", 2, 1, "1.2.3")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for it before the service: parts are looked at all the time."""
    monkeypatch.setattr(readiness, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(readiness, "LOOK_AGAIN_SECONDS", 0.02)


@pytest.fixture
def steady(quick: None, fresh: Client) -> Client:
    """A service that sees a worker, and whose Redis answers."""
    fresh.services.readiness._probes["redis"]._look = lambda: None
    with fresh.services.database.write() as session:
        workers.beat(session, ENTRY)
    until(lambda: fresh.get("/readyz").json().get("status") == "ready")
    return fresh


def part(client: Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/readyz").json()["parts"][name]
    return found


def test_a_service_that_stands_alone_serves_and_says_what_it_lacks(
    quick: None, fresh: Client
) -> None:
    assert fresh.get("/livez").json() == {"status": "ok"}
    until(lambda: fresh.get("/readyz").json()["failed"] == ["workers", "redis"])
    until(lambda: part(fresh, "artefacts")["state"] != "unknown")
    answer = fresh.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    found = answer.json()["parts"]
    assert found["workers"]["reason"] == "none was seen so far"
    assert found["redis"]["reason"] == "no such file or directory"
    assert found["database"]["state"] == found["artefacts"]["state"] == "ok"
    assert 0 <= found["artefacts"]["age_seconds"] < 60
    assert fresh.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.database_kinds(*KINDS)
def test_a_service_that_has_all_is_ready(steady: Client) -> None:
    for path in READY:
        answer = steady.get(path)
        assert (answer.status_code, answer.json()["failed"]) == (200, [])


def test_without_its_database_it_is_alive_but_not_ready(
    steady: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise UnavailableError("the database cannot be used now")

    with monkeypatch.context() as patch:
        patch.setattr(steady.services.database, "write", refuse)
        until(lambda: steady.get("/readyz").status_code == 503)
        assert steady.get("/livez").status_code == 200
        for path in READY:
            answer = steady.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["failed"] == ["database"]
            assert "cannot be used now" in answer.json()["parts"]["database"]["reason"]
        assert steady.get("/v2/health/ready").json()["ready"] is False
        assert steady.get("/v1/system").json()["status"] == "unready"
    until(lambda: steady.get("/readyz").status_code == 200)


def test_a_database_that_another_process_has_locked_is_named(steady: Client) -> None:
    engine = steady.services.database.engine
    with engine.connect().execution_options(parsimony_writes=True) as connection:
        connection.execute(text("SELECT 1"))  # takes the lock
        until(lambda: steady.get("/readyz").status_code == 503)
        assert re.search("locked|no answer", part(steady, "database")["reason"])
    until(lambda: steady.get("/readyz").status_code == 200)


def test_a_database_without_space_is_named(steady: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(f_flag=0, f_bavail=10, f_frsize=4096)
    monkeypatch.setattr(readiness.os, "statvfs", lambda path: full)
    until(lambda: steady.get("/readyz").status_code == 503)
    assert part(steady, "database")["reason"] == "its disk is full"


def test_a_store_that_cannot_be_written_is_named_and_the_rest_goes_on(
    steady: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system", "/secret/place")

    monkeypatch.setattr(steady.services.artefacts, "write", refuse)
    until(lambda: part(steady, "artefacts")["state"] == "failed")
    answer = steady.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["failed"] == ["artefacts"]
    assert part(steady, "artefacts")["reason"] == "read-only file system"
    assert "secret" not in answer.text


def test_a_worker_that_is_silent_at_work_is_named_though_another_is_there(
    steady: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(readiness, "SILENT_BEATS", 0)
    database = steady.services.database
    with database.read() as session:
        (fleet,) = jobs.fleets(session, post(steady))
    with database.write() as session:
        lease = fleets.claim(session, fleet.id, owner="gpu-3:4711")
    assert lease is not None
    until(lambda: steady.get("/readyz").json()["failed"] == ["workers"])
    answer = steady.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert re.match(r"gpu-3:4711 was not heard of for \d+ s", part(steady, "workers")["reason"])
    with database.write() as session:
        fleets.heartbeat(session, lease)
    until(lambda: steady.get("/readyz").json()["failed"] == [])
    until(lambda: steady.get("/readyz").json()["failed"] == ["workers"])
    with database.write() as session:
        fleets.release(session, lease)
    until(lambda: steady.get("/readyz").json()["failed"] == [])


def test_a_part_that_hangs_is_named_by_the_time_that_it_takes(
    steady: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, go_on = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        hanging.set()
        go_on.wait(60)
        raise OSError

    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(steady.services.artefacts, "write", hang)
    try:
        assert hanging.wait(30)
        until(lambda: part(steady, "artefacts")["state"] == "failed")
        assert part(steady, "artefacts")["reason"].startswith("no answer for ")
        assert part(steady, "database")["state"] == "ok"
    finally:
        go_on.set()


def test_nothing_that_was_written_to_look_is_left(steady: Client) -> None:
    until(lambda: part(steady, "artefacts")["state"] == "ok")
    folder = steady.services.artefacts.local_path(readiness.FOLDER)
    assert folder is not None
    for _ in range(3):  # looks, each of which changes the folder
        before = folder.stat().st_mtime_ns
        until(lambda before=before: folder.stat().st_mtime_ns != before)
    steady.services.readiness.stop()
    assert list(folder.iterdir()) == []


def test_the_system_is_shown_to_people(steady: Client) -> None:
    lost = WorkerEntry("wrk_0", "away", 8, "cuda", 1, 1, "1.2.2")
    with steady.services.database.write() as session:
        session.add(
            Worker(
                **vars(lost),
                draining=False,
                started_at=workers.database_time(session),
                seen_at=workers.database_time(session) - workers.FORGOTTEN_AFTER / 2,
            )
        )
    post(steady)
    until(lambda: steady.get("/v1/system").json()["queue"]["queued"] == 1)
    found = steady.get("/v1/system").json()
    assert (found["status"], found["release"]) == ("ready", steady.app.version)
    assert [(one["id"], one["host"], one["device"], one["state"]) for one in found["workers"]] == [
        ("wrk_1", "h", "cpu", "ok"),
        ("wrk_0", "away", "cuda", "lost"),
    ]
    assert found["queue"]["running"] == 0
    assert found["queue"]["oldest_seconds"] >= 0
    assert found["limits"]["max_upload_bytes"] == 4096
    assert found["parts"]["workers"]["state"] == "ok"


def test_when_it_stops_it_is_not_ready_and_nobody_waits(steady: Client) -> None:
    job = post(steady)
    with ThreadPoolExecutor() as clients:
        waiting = clients.submit(
            steady.get, f"/v1/jobs/{job}", headers={"Prefer": "wait=60"}, timeout=70
        )
        until(lambda: steady.services.notifier._subscribers)
        began = time.monotonic()
        assert not waiting.done()
        steady.portal.call(steady.app.begin_to_stop)
        answer = waiting.result(timeout=30)
    assert time.monotonic() - began < 10
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    assert steady.get("/readyz").json()["code"] == "stopping"
    assert steady.get("/readyz").status_code == steady.get("/v2/health/ready").status_code == 503
    assert steady.get("/v1/system").json()["status"] == "stopping"
    # It answers still, and who asks to wait is answered at once.
    began = time.monotonic()
    late = steady.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=60"}, timeout=70)
    assert late.status_code == 200
    assert time.monotonic() - began < 10


def test_it_ends_though_a_part_hangs(steady: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, hanging = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        hanging.set()
        go_on.wait(60)

    monkeypatch.setattr(steady.services.artefacts, "write", hang)
    assert hanging.wait(30)
    found: Readiness = steady.services.readiness
    try:
        began = time.monotonic()
        found.stop()
        assert time.monotonic() - began < 10
    finally:
        go_on.set()
