"""`parsimony up` as a user runs it: what it prints, that it works, that nothing is left behind."""

import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from service.listening import listen
from tests.waiting import until

JOB = {"dataset": {"builtin": "circle"}, "training": {"epochs": 1}}


@pytest.fixture(params=[(1, 0.2)])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`parsimony up`, in so many HTTP processes, which drain for so many seconds."""
    processes, drain = request.param
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
    command = [sys.executable, "-m", "service", "up", "--port", "0"]
    command += ["--processes", str(processes)]
    child = subprocess.Popen(
        [*command, "--state", str(tmp_path / "state")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A script's width, so that the curl line must stand on one line by itself.
        env={**environment, "COLUMNS": "40", "PARSIMONY_DRAIN_SECONDS": str(drain)},
        start_new_session=True,
    )
    with child:
        yield child
        child.kill()


def said(child: subprocess.Popen[str], until: str) -> str:
    """What it prints up to a line with this text in it."""
    assert child.stdout is not None
    lines: list[str] = []
    for line in child.stdout:
        lines.append(line)
        if until in line:
            return "".join(lines)
    pytest.fail(f"it ended early and said: {''.join(lines)}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_stops_cleanly(
    service: subprocess.Popen[str], number: signal.Signals
) -> None:
    text = said(service, "Ctrl-C")
    address = re.search(r"(http://127\.0\.0\.1:\d+)/docs", text)
    assert address
    line = re.search(r"^\s*(curl .*)$", text, re.M)
    assert line
    if shutil.which("curl"):
        answered = subprocess.run(
            shlex.split(line[1]), capture_output=True, text=True, check=True, timeout=60
        )
        assert '"state":"succeeded"' in answered.stdout.replace(" ", "")
    started = psutil.Process(service.pid).children(recursive=True)
    assert len(started) >= 2, "a Redis and a worker"
    service.send_signal(number)
    assert service.wait(timeout=30) == 0
    _, alive = psutil.wait_procs(started, timeout=10)
    assert not alive


@pytest.mark.slow
def test_a_taken_port_ends_it_at_once_with_the_remedy(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "service", "up", "--port", port]
        done = subprocess.run(
            [*command, "--state", str(tmp_path / "state")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "choose another by --port" in done.stderr
    assert "Traceback" not in done.stderr


def child_named(service: subprocess.Popen[str], part: str) -> psutil.Process:
    """Its child whose command line has this in it."""
    (found,) = [
        child
        for child in psutil.Process(service.pid).children()
        if part in " ".join(child.cmdline())
    ]
    return found


def _has_succeeded(client: httpx.Client, at: str) -> bool:
    return client.get(at).json()["state"] == "succeeded"


@pytest.mark.slow
@pytest.mark.parametrize("service", [(1, 2.0), (2, 2.0)], indirect=True)
def test_what_dies_is_started_again_and_the_end_is_in_good_order(
    service: subprocess.Popen[str],
) -> None:
    address = re.search(r"(http://127\.0\.0\.1:\d+)/docs", said(service, "Ctrl-C"))
    assert address
    with httpx.Client(base_url=address[1], timeout=60) as client:
        for part in ("worker.runtime", "redis-server"):
            killed = child_named(service, part)
            killed.kill()
            answer = client.post("/v1/jobs", json=JOB, headers={"Prefer": "wait=15"})
            assert answer.status_code == 202
            at = f"/v1/jobs/{answer.json()['id']}"
            until(functools.partial(_has_succeeded, client, at))
            line = said(service, "another one starts in")
            assert f"(process {killed.pid}) was ended by signal 9" in line
        until(lambda: client.get("/readyz").json()["status"] == "ready")
        waiting = {**JOB, "training": {"epochs": 100_000}}
        job = client.post("/v1/jobs", json=waiting).json()["id"]
        until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "running")
        with ThreadPoolExecutor() as clients:
            polls = [
                clients.submit(
                    httpx.get,
                    f"{address[1]}/v1/jobs/{job}",
                    headers={"Prefer": "wait=60"},
                    timeout=70,
                )
                for _ in range(3)
            ]
            until(lambda: connections(service, address[1]) > len(polls))
            began = time.monotonic()
            service.send_signal(signal.SIGTERM)
            until(lambda: client.get("/readyz").status_code == 503)
            stopping = client.get("/readyz")
            assert stopping.json()["code"] == "stopping"
            assert stopping.headers["connection"] == "close"
            for poll in polls:
                answered = poll.result()
                assert (answered.status_code, answered.json()["id"]) == (200, job)
                assert answered.json()["state"] in ("running", "queued")
        assert service.wait(timeout=30) == 0
        # Before, open long polls and a fleet at work took 15 s of it.
        assert time.monotonic() - began < 12


@pytest.mark.slow
@pytest.mark.parametrize("service", [(1, 600.0), (2, 600.0)], indirect=True)
def test_a_second_signal_ends_it_without_a_drain(service: subprocess.Popen[str]) -> None:
    address = re.search(r"(http://127\.0\.0\.1:\d+)/docs", said(service, "Ctrl-C"))
    assert address
    service.send_signal(signal.SIGTERM)
    until(lambda: httpx.get(f"{address[1]}/readyz").status_code == 503)
    service.send_signal(signal.SIGTERM)
    until(lambda: is_closed(address[1]))
    assert service.wait(timeout=30) == 0


def connections(service: subprocess.Popen[str], address: str) -> int:
    """How many clients are connected."""
    port = int(address.rpartition(":")[2])
    parent = psutil.Process(service.pid)
    return sum(
        one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
        for process in (parent, *parent.children())
        for one in process.net_connections("tcp")
    )


def is_closed(address: str) -> bool:
    try:
        httpx.get(f"{address}/livez")
    except httpx.TransportError:
        return True
    return False
