"""What the benchmarks of serving share: servers as child processes, a model trained for them."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from service.installation import installation

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
COLUMNS = [f"x{number}" for number in range(20)]
CLASSES = [f"c{number}" for number in range(10)]
TRAINED_ROWS = 4000
START_SECONDS = 180.0
STOP_SECONDS = 20.0


class NotThereError(Exception):
    """A server, or one of its doors, is not to be had here; the message says why."""


@dataclass
class Server:
    """A server as a child process, with all that it starts itself."""

    name: str
    port: int
    process: psutil.Popen
    log: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def members(self) -> list[psutil.Process]:
        """The child and its descendants."""
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def processor_seconds(self) -> float:
        """What it has computed so far."""
        total = 0.0
        for member in self.members():
            try:
                times = member.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def wait_until_answering(self, path: str, content: bytes | None) -> None:
        """Ask until it answers anything but 5xx.

        Raises:
            NotThereError: it ended, or did not answer in time.
        """
        method = "GET" if content is None else "POST"
        headers = {} if content is None else {"Content-Type": "application/json"}
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(base_url=self.url, timeout=5) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    answer = client.request(method, path, content=content, headers=headers)
                    if answer.status_code < 500:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.2)
        said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise NotThereError(f"did not start: {said[-1] if said else 'it said nothing'}"[:160])

    def stop(self) -> None:
        """End it and what it started."""
        members = self.members()
        for number in (signal.SIGINT, signal.SIGKILL):
            if number == signal.SIGINT and self.process.poll() is None:
                self.process.send_signal(number)
            elif number == signal.SIGKILL:
                for member in members:
                    try:
                        member.kill()
                    except psutil.NoSuchProcess:
                        continue
            psutil.wait_procs(members, STOP_SECONDS)
        self.log.unlink(missing_ok=True)


def start(
    name: str,
    command: Sequence[str | Path],
    port: int,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> Server:
    """Start a server's process; it does not answer yet."""
    descriptor, log = tempfile.mkstemp(prefix="parsimony-bench-", suffix=".log")
    with os.fdopen(descriptor, "wb") as output:
        process = psutil.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**_own_environment(), **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    return Server(name, port, process, Path(log))


def prepare_to_run() -> None:
    """End as by Ctrl-C when told to stop, so that servers are stopped too; print line by line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def _own_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARSIMONY_")}
    kept["PYTHONPATH"] = str(ROOT)
    return kept


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Trained:
    """Where an installation keeps its models. Its HTTP service is started alone, as often as one
    likes.
    """

    environment: dict[str, str] = field(default_factory=dict)

    def key(self) -> str:
        """A new key, good for predictions."""
        command = [sys.executable, "-m", "service", "keys", "create", "--scopes", "predict"]
        environment = {**_own_environment(), **self.environment}
        made = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=environment, check=True
        )
        found = re.search(r"pk_[0-9a-f]{16}_[0-9a-f]{64}", made.stdout)
        if found is None:
            raise SystemExit(f"no key was made: {made.stdout}{made.stderr}")
        return found[0]

    def api(self, processes: int = 1, settings: Mapping[str, str] | None = None) -> Server:
        """Start the HTTP service alone, in some processes.

        Raises:
            NotThereError: this release has no option for several, or it did not start.
        """
        command: list[str | Path] = [sys.executable, "-m", "service", "api"]
        if processes > 1:
            told = subprocess.run(
                [*command, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
            )
            if "--processes" not in told.stdout:
                raise NotThereError("`parsimony api` has no option --processes yet")
            command += ["--processes", str(processes)]
        port = free_port()
        command += ["--host", "127.0.0.1", "--port", str(port)]
        server = start(
            "parsimony", command, port, environment={**self.environment, **(settings or {})}
        )
        try:
            server.wait_until_answering("/livez", None)
        except NotThereError:
            server.stop()
            raise
        return server


@contextmanager
def trained(networks: Mapping[str, list[int]]) -> Iterator[Trained]:
    """Train models by `POST /v1/jobs`: batch norm, dropout .2 in hidden layers, two epochs.

    Args:
        networks: hidden widths by the model's name; 20 numeric columns in, 10 classes out.
    """
    with tempfile.TemporaryDirectory(
        prefix="parsimony-bench-", ignore_cleanup_errors=True
    ) as folder:
        state = Path(folder)
        settings = {
            "PARSIMONY_DATABASE_URL": f"sqlite:///{state / 'parsimony.db'}",
            "PARSIMONY_ARTEFACTS_URL": str(state / "artefacts"),
        }
        with (
            installation(settings) as url,
            httpx.Client(base_url=url, timeout=90) as client,
        ):
            data = client.post(
                "/v1/datasets", files={"file": ("rows.csv", _csv(TRAINED_ROWS))}
            ).raise_for_status()
            for name, hidden in networks.items():
                job = {
                    "dataset": data.json()["id"],
                    "target": "class",
                    "network": {"kind": "mlp", "hidden": hidden},
                    "regularization": {"batch_norm": {}, "dropout": {"p": 0.2}},
                    "training": {"epochs": 2, "batch_size": 128},
                    "model": name,
                }
                _train(client, job)
        yield Trained({**settings, "PARSIMONY_STATE": str(state / "state")})


def _train(client: httpx.Client, job: dict[str, Any]) -> None:
    answer = client.post("/v1/jobs", json=job)
    if answer.status_code != httpx.codes.ACCEPTED:
        raise SystemExit(f"the job was refused: {answer.text}")
    where, seen = f"/v1/jobs/{answer.json()['id']}", answer.json()
    while seen["state"] in {"queued", "running", "paused"}:
        seen = client.get(where, headers={"Prefer": "wait=30"}).raise_for_status().json()
    if seen["state"] != "succeeded":
        raise SystemExit(f"a job {seen['state']}: {seen['error']}")


def rows(count: int, seed: int = 1) -> np.ndarray:
    """Rows ``[N, 20]`` float32, with three decimals as people's files have."""
    return np.random.default_rng(seed).normal(size=(count, 20)).round(3).astype(np.float32)


def decimals(values: np.ndarray) -> list[list[float]]:
    """Rows as JSON has them."""
    return [[round(value, 3) for value in row] for row in values.tolist()]


def _csv(count: int) -> bytes:
    values = rows(count, seed=0)
    classes = (np.abs(values).sum(1) * 7).astype(int) % len(CLASSES)
    lines = [",".join([*COLUMNS, "class"])]
    lines += [
        ",".join([*(f"{value:.3f}" for value in row), CLASSES[number]])
        for row, number in zip(values.tolist(), classes.tolist(), strict=True)
    ]
    return "\n".join(lines).encode()


def binary_infer(values: np.ndarray) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an inference request with a binary tensor, as tritonclient sends it."""
    tensor = values.astype("<f4").tobytes()
    shape = ",".join(map(str, values.shape))
    head = (
        f'{{"inputs":[{{"name":"rows","shape":[{shape}],"datatype":"FP32",'
        f'"parameters":{{"binary_data_size":{len(tensor)}}}}}],'
        '"parameters":{"binary_data_output":true}}'
    ).encode()
    return head + tensor, {"Inference-Header-Content-Length": str(len(head))}


def resident_bytes(server: Server, *, peak: bool = False) -> int:
    """Resident memory of a server's processes together, now or the most since `forget_peak`."""
    name = "VmHWM" if peak else "VmRSS"
    total = 0
    for member in server.members():
        try:
            status = Path(f"/proc/{member.pid}/status").read_text()
        except OSError:
            continue
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        total += int(found[1]) * 1024 if found else 0
    return total


def forget_peak(server: Server) -> None:
    """Let the peak of resident memory begin anew."""
    for member in server.members():
        Path(f"/proc/{member.pid}/clear_refs").write_text("5")
