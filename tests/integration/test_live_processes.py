"""The stream of a job's events from two API processes on PostgreSQL: one reader of the log each."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.databases import Databases
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CHANGES = 24
"""Requests that write lines into the log."""
WATCHERS = 8
WAITING = {"dataset": {"builtin": "circle"}, "device": "gpu", "name": "watched"}
"""A job that waits for a worker that is not there: pausing and resuming it is logged."""


class Watcher(threading.Thread):
    """Reads the stream to the end of its job; may leave once, and come back behind what it has."""

    def __init__(self, address: str, job_id: str, leaves_after: int | None) -> None:
        super().__init__(daemon=True)
        self._address, self._path = address, f"/v1/jobs/{job_id}/events"
        self._leaves_after = leaves_after
        self.ids: list[int] = []
        self.port = 0
        """Its own, of the connection that it has."""
        self.connections = 0
        self.began = threading.Event()
        self.ended = False

    def run(self) -> None:
        while not self.ended:
            with httpx.Client(base_url=self._address, timeout=60) as client:
                self._connection(client)

    def _connection(self, client: httpx.Client) -> None:
        self.connections += 1
        headers = {"Accept": "text/event-stream"}
        if self.ids:
            headers["Last-Event-ID"] = str(self.ids[-1])
        with client.stream("GET", self._path, headers=headers) as answer:
            answer.raise_for_status()
            self.port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
            for line in answer.iter_lines():
                if line.startswith("id: "):
                    self.ids.append(int(line[4:]))
                elif line == "event: job":
                    self.began.set()
                elif line == "event: end":
                    self.ended = True
                    return
                elif line == "" and self._leaves_after and len(self.ids) >= self._leaves_after:
                    self._leaves_after = None
                    return


@pytest.fixture
def service(databases: Databases, tmp_path: Path) -> Iterator[tuple[psutil.Process, str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARSIMONY_")}
    command = [sys.executable, "-m", "service", "api", "--port", "0", "--processes", "2"]
    with databases.url("postgresql", tmp_path) as url:
        parent = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **kept,
                "PARSIMONY_STATE": str(tmp_path / "state"),
                "PARSIMONY_DATABASE_URL": url,
                "COLUMNS": "200",
            },
            start_new_session=True,
        )
        with parent:
            try:
                assert parent.stdout is not None
                said = ""
                for line in parent.stdout:
                    said += line
                    if "Ctrl-C" in line:
                        break
                address = re.search(r"http://127\.0\.0\.1:\d+", said)
                assert address, said
                yield psutil.Process(parent.pid), address[0]
            finally:
                parent.terminate()
                parent.wait(30)


def answering(parent: psutil.Process, watchers: list[Watcher]) -> set[int]:
    """The processes that have the watchers' connections."""
    ports = {watcher.port for watcher in watchers}
    return {
        child.pid
        for child in parent.children()
        for one in child.net_connections("tcp")
        if one.raddr and one.raddr.port in ports
    }


def test_watchers_of_both_processes_hear_every_line_in_order(
    service: tuple[psutil.Process, str],
) -> None:
    parent, address = service
    with httpx.Client(base_url=address, timeout=60) as client:
        job_id = client.post("/v1/jobs", json=WAITING).json()["id"]
        watchers = [Watcher(address, job_id, n + 2 if n % 2 else None) for n in range(WATCHERS)]
        for watcher in watchers:
            watcher.start()
        until(lambda: all(watcher.began.is_set() for watcher in watchers))
        assert len(answering(parent, watchers)) == 2
        for number in range(CHANGES):
            verb = "resume" if number % 2 else "pause"
            client.post(f"/v1/jobs/{job_id}/{verb}").raise_for_status()
        client.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
        page = client.get(f"/v1/jobs/{job_id}/events", params={"limit": 100}).json()
    logged = [line["id"] for line in page["data"]]
    assert len(logged) > CHANGES
    assert not page["has_more"]
    for watcher in watchers:
        watcher.join(60)
        assert watcher.ended
        assert watcher.ids == logged
    assert [watcher.connections for watcher in watchers] == [1, 2] * (WATCHERS // 2)
