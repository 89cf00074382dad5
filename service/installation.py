"""A service of its own for a demonstration or a test: a free port, a folder that goes away."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from worker.errors import UnavailableError

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1


@contextmanager
def installation(settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `parsimony up` as a child process; gives its URL once it is ready.

    ``settings`` are further environment variables. Raises ``UnavailableError``, with the end of
    what the child printed, if it does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="parsimony-", ignore_cleanup_errors=True) as folder:
        port = _free_port()
        log = Path(folder) / "up.log"
        command = [sys.executable, "-m", "service", "up", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--state", str(Path(folder) / "state")]
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(settings or {}),
                start_new_session=True,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, child, log)
            yield url
        finally:
            _stop(child)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours, without settings meant for another installation."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARSIMONY_")}
    return {**kept, **settings}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2.0).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_SECONDS)
    tail = log.read_text(encoding="utf-8", errors="replace")[-4000:]
    raise UnavailableError(f"the service did not become ready; it said:\n{tail}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
