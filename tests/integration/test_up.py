"""`parsimony up` as a user runs it: what it prints, that it works, that nothing is left behind."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from service.listening import listen


@pytest.fixture
def service(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
    command = [sys.executable, "-m", "service", "up", "--port", "0"]
    child = subprocess.Popen(
        [*command, "--state", str(tmp_path / "state")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A script's width, so that the curl line must stand on one line by itself.
        env={**environment, "COLUMNS": "40"},
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


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
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
