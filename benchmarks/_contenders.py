"""The servers that `serve.py` measures, and what each is asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from _serving import (
    COLUMNS,
    PEERS,
    ROOT,
    NotThereError,
    Server,
    Trained,
    binary_infer,
    decimals,
    free_port,
    rows,
    start,
)
from _wrk import JSON, Request

ENVIRONMENTS = ROOT / "build" / "peers"
"""Each peer in a virtual environment of its own: they do not agree on their dependencies."""
PACKAGES = {"litserve": "LitServe", "mlserver": "MLServer", "bentoml": "BentoML"}
BARE, PLAIN, THREADS = "bare ASGI", "plain FastAPI, async", "plain FastAPI, threads"
RECORDS, ARRAYS = "/v1/predict, records", "/v1/predict, arrays"
ROW = rows(1)
VALUES = decimals(ROW)[0]
INSTANCES = json.dumps({"instances": [VALUES]}, separators=(",", ":")).encode()
RECORD = json.dumps(
    {"instances": [dict(zip(COLUMNS, VALUES, strict=True))]}, separators=(",", ":")
).encode()
TENSOR = json.dumps(
    {"inputs": [{"name": "rows", "shape": [1, 20], "datatype": "FP32", "data": VALUES}]},
    separators=(",", ":"),
).encode()


@dataclass(frozen=True)
class Contender:
    """A server, and the requests that it is measured by: the same row, in its own form."""

    start: Callable[[int], Server]
    """Starts it in a number of processes."""
    requests: dict[str, Request]
    """By what the row of the table is called."""


def bare(size: int) -> Contender:
    """The ceiling, with an answer of some bytes."""

    def begin(processes: int) -> Server:
        return _script(BARE, sys.executable, "bare.py", processes, str(size))

    return Contender(begin, {BARE: Request("/v1/models/m/predict", INSTANCES, JSON)})


def plain() -> Contender:
    """The server that everyone writes."""

    def begin(processes: int) -> Server:
        return _script(PLAIN, sys.executable, "plain.py", processes)

    return Contender(
        begin,
        {PLAIN: Request("/async", INSTANCES, JSON), THREADS: Request("/threads", INSTANCES, JSON)},
    )


def ours(model: Trained) -> Contender:
    """This server, at each of its doors."""
    binary, headers = binary_infer(ROW)
    predict, infer = "/v1/models/m/predict", "/v2/models/m/infer"
    keyed = {**JSON, "Authorization": f"Bearer {model.key()}"}
    return Contender(
        model.api,
        {
            RECORDS: Request(predict, RECORD, JSON),
            ARRAYS: Request(predict, INSTANCES, JSON),
            f"{ARRAYS}, key": Request(predict, INSTANCES, keyed),
            "/v2/infer, JSON": Request(infer, TENSOR, JSON),
            "/v2/infer, binary": Request(infer, binary, headers),
            "/invocations": Request("/invocations", INSTANCES, JSON),
        },
    )


def peer(package: str) -> Contender:
    """LitServe, MLServer or BentoML, if it is installed in its environment."""
    name = PACKAGES[package]
    folder = ENVIRONMENTS / package / "bin"

    def begin(processes: int) -> Server:
        if not (folder / "python").exists():
            raise NotThereError("not installed; --peers installs it")
        if package == "bentoml":
            port = free_port()
            command: list[str | Path] = [folder / "bentoml", "serve", "bentoml_service:Network"]
            return start(
                name,
                [*command, "--host", "127.0.0.1", "--port", str(port)],
                port,
                environment={"BENTOML_DO_NOT_TRACK": "True", "PROCESSES": str(processes)},
                folder=PEERS,
            )
        script = {"litserve": "litserve_server.py", "mlserver": "mlserver_network.py"}[package]
        return _script(name, folder / "python", script, processes)

    request = {
        "litserve": Request("/predict", INSTANCES, JSON),
        "mlserver": Request("/v2/models/m/infer", TENSOR, JSON),
        "bentoml": Request("/predict", INSTANCES, JSON),
    }[package]
    return Contender(begin, {name: request})


def install(package: str, torch: str) -> None:
    """Install a peer, with torch of this version, unless it is there.

    Raises:
        NotThereError: it does not install here.
    """
    folder = ENVIRONMENTS / package
    done = folder / "installed"
    if done.exists():
        return
    print(f"installing {package} in {folder} …", flush=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    for command in ([sys.executable, "-m", "venv", folder], [*pip, package, f"torch=={torch}"]):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            said = ended.stderr.strip().splitlines()
            raise NotThereError(f"does not install: {said[-1] if said else '?'}"[:160])
    done.touch()


def ask(server: Server, request: Request) -> httpx.Response:
    """One answer, for a look at it.

    Raises:
        NotThereError: there is none, or it is no success.
    """
    try:
        answer = httpx.post(
            server.url + request.path, content=request.body, headers=request.headers, timeout=30
        )
    except httpx.TransportError as error:
        raise NotThereError(f"no answer: {error}") from error
    if answer.status_code != httpx.codes.OK:
        raise NotThereError(f"answers {answer.status_code}: {answer.text[:80]}")
    return answer


def _script(
    name: str, python: str | os.PathLike[str], script: str, processes: int, *further: str
) -> Server:
    port = free_port()
    command: list[str | Path] = [str(python), script, str(port), str(processes), *further]
    return start(name, command, port, environment={"PYTHONPATH": str(PEERS)}, folder=PEERS)
