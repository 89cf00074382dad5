"""wrk as a child process: one request sent over and over on some connections."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from _serving import NotThereError, Server

JSON = {"Content-Type": "application/json"}
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Request:
    """A POST request."""

    path: str
    body: bytes
    headers: dict[str, str]

    def script(self) -> str:
        """For wrk, in Lua."""
        body = "".join(f"\\{byte:03d}" for byte in self.body)
        lines = ['wrk.method = "POST"', f'wrk.body = "{body}"']
        lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in self.headers.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Sample:
    """One measurement of some seconds."""

    rate: float
    """Answers a second."""
    p50: float
    """Milliseconds."""
    p99: float
    errors: int
    """Answers that are not 2xx or 3xx, and errors of sockets."""
    processor: float
    """Microseconds of processor time of the server for each answer, in user and kernel mode."""


def find() -> str:
    """The program.

    Ends the program if there is none.
    """
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit(
            "This benchmark sends its requests by wrk, which is not installed: `apt-get install "
            "wrk` on Debian and Ubuntu, `brew install wrk` on macOS."
        )
    return program


def measure(server: Server, request: Request, connections: int, seconds: float) -> Sample:
    """Send a request over and over, each connection the next when it has its answer.

    Raises:
        NotThereError: no answer came.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(request.script())
        script.flush()
        before = server.processor_seconds()
        command = [find(), "-t1", f"-c{connections}", f"-d{_whole(seconds)}s", "--latency"]
        command += ["--timeout", "10s", "-s", script.name, server.url + request.path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        used = server.processor_seconds() - before
    said = done.stdout
    answers = _number(r"(\d+) requests in", said)
    if done.returncode != 0 or not answers:
        raise NotThereError(f"no answer: {(done.stderr or said).strip()[-120:]}")
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", said)))
    return Sample(
        rate=_number(r"Requests/sec:\s+([\d.]+)", said),
        p50=_milliseconds("50%", said),
        p99=_milliseconds("99%", said),
        errors=failed + int(_number(r"Non-2xx or 3xx responses: (\d+)", said)),
        processor=used / answers * 1e6,
    )


def _whole(seconds: float) -> int:
    return max(1, round(seconds))


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _milliseconds(percentile: str, text: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(found[1]) * MILLISECONDS[found[2]] if found else float("nan")
