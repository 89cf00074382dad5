"""Many rows at once: 10,000 in one binary request, and a million of a CSV file by one curl.

    python benchmarks/bulk.py [--rows 10000] [--csv-rows 1000000] [--repeats 20] [--threads 1]

**Binary.** One POST of /v2/models/m/infer with an FP32 tensor [10000, 20], binary tensors back, on
one connection: ``request``, what the client waits. In it:

* ``compute``: the model's own work on these rows, measured in this process with as many threads:
  encoding, the network, probabilities and classes (``encode``, ``forward``, ``read_scores``);
* ``copies``: what a bare ASGI server takes that reads the same body and answers as many bytes as
  the real answer has: the bytes through sockets, and little else;
* ``the rest``: request less compute less copies.

They are measured in turn, and shares are medians over the turns of the ratio in the same turn. At
least 80 % of the request are to be compute and copies.

**CSV.** The file is sent by curl as a form, and comes back with the answers' columns appended. The
growth of memory is the peak of the HTTP process's resident memory (reset before) less what it was
before. Beside it a script of pandas and torch, in a process of its own: read_csv, the network,
to_csv; its growth is that since its imports. pandas is needed for that in build/peers/pandas, where
``--peers`` installs it.
"""

import argparse
import http.client
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from _contenders import ENVIRONMENTS, bare, install
from _serving import (
    COLUMNS,
    PEERS,
    NotThereError,
    Server,
    Trained,
    binary_infer,
    decimals,
    forget_peak,
    prepare_to_run,
    resident_bytes,
    rows,
    trained,
)
from _shared import machine

from worker.models import TrainedModel
from worker.storage import models
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database

DISTINCT = 10_000
"""Rows of the CSV file that differ; they are repeated."""


def resident_model(at: Trained) -> TrainedModel:
    """The model, in this process."""
    database = Database(at.environment["PARSIMONY_DATABASE_URL"])
    try:
        with database.read() as session:
            row = models.resolve(session, "m", None)
        content = Artefacts(at.environment["PARSIMONY_ARTEFACTS_URL"]).read(row.path, row.sha256)
        return TrainedModel.load(content, row.position)
    finally:
        database.close()


def compute(model: TrainedModel, values: np.ndarray) -> tuple[float, float]:
    """Milliseconds of all that the model does with rows, and of its network alone."""
    encode = getattr(model, "encode_numbers", None)
    table = None if encode else model.read(decimals(values)).table
    begun = time.perf_counter()
    features = encode(values) if encode else model.encode(table)
    encoded = time.perf_counter()
    scores = model.forward(features)
    forward = time.perf_counter()
    model.read_scores(scores)
    return (time.perf_counter() - begun) * 1000, (forward - encoded) * 1000


class Client:
    """One connection that is kept."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[float, int]:
        """Milliseconds until the whole answer is here, and its bytes.

        Raises:
            NotThereError: it is no success.
        """
        begun = time.perf_counter()
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        milliseconds = (time.perf_counter() - begun) * 1000
        if answer.status != http.client.OK:
            raise NotThereError(f"{path} answers {answer.status}: {content[:100]!r}")
        return milliseconds, len(content)


def binary(model: Trained, server: Server, options: argparse.Namespace) -> None:
    """Print where the time of a binary request goes."""
    values = rows(options.rows)
    body, headers = binary_infer(values)
    client = Client(server)
    _, size = client.post("/v2/models/m/infer", body, headers)
    inside = resident_model(model)
    echo = bare(size).start(1)
    try:
        echo.wait_until_answering("/", b"")
        copying = Client(echo)
        compute(inside, values)
        found: list[tuple[float, float, float, float]] = []
        for _ in range(options.repeats):
            whole, _ = client.post("/v2/models/m/infer", body, headers)
            copies, _ = copying.post("/v2/models/m/infer", body, headers)
            work, network = compute(inside, values)
            found.append((whole, work, network, copies))
    finally:
        echo.stop()
    print(f"\n{options.rows:,} rows in one binary request: {len(body):,} bytes, {size:,} back")
    print(f"{'':<30}{'ms':>9}{'of request':>12}")
    for name, part in (
        ("request", lambda f: f[0]),
        ("compute", lambda f: f[1]),
        ("  of it the network", lambda f: f[2]),
        ("copies", lambda f: f[3]),
        ("the rest", lambda f: f[0] - f[1] - f[3]),
    ):
        milliseconds = statistics.median(map(part, found))
        share = statistics.median(part(one) / one[0] for one in found)
        print(f"{name:<30}{milliseconds:>9.2f}{share:>12.0%}")
    reached = statistics.median((one[1] + one[3]) / one[0] for one in found)
    print(
        f"{'compute and copies, at least 80 %':<42}{reached:>8.0%}  "
        f"{'reached' if reached >= 0.8 else 'MISSED'}"
    )


def write_csv(path: Path, count: int) -> None:
    """A file of rows."""
    lines = [",".join(f"{value:.3f}" for value in row) for row in decimals(rows(DISTINCT))]
    with path.open("w") as file:
        file.write(",".join(COLUMNS) + "\n")
        for start in range(0, count, DISTINCT):
            file.write("\n".join(lines[: count - start]) + "\n")


def csv(server: Server, options: argparse.Namespace, folder: Path) -> None:
    """Print what a large file takes, here and in a script."""
    source, answers = folder / "rows.csv", folder / "answers.csv"
    write_csv(source, options.csv_rows)
    before = resident_bytes(server)
    forget_peak(server)
    curl = ["curl", "-sS", "-F", f"file=@{source}", "-o", str(answers), "-w", "%{http_code}"]
    begun = time.perf_counter()
    done = subprocess.run(
        [*curl, f"{server.url}/v1/models/m/predict"], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begun
    growth = resident_bytes(server, peak=True) - before
    print(f"\n{options.csv_rows:,} rows of CSV, {source.stat().st_size / 2**20:.0f} MiB")
    print(f"{'':<30}{'seconds':>9}{'rows/s':>11}{'memory grew by MiB':>20}")
    if done.stdout != "200":
        said = answers.read_text()[:150] if answers.exists() else done.stderr.strip()
        print(f"{'curl':<30}answers {done.stdout}: {said}")
    else:
        with answers.open("rb") as file:
            count = sum(1 for _ in file) - 1
        _line("curl", seconds, options.csv_rows, growth / 2**20)
        print(f"{'  rows in the answer':<30}{count:>9,}")
        with answers.open() as file:
            print(f"  its second line: {[next(file), next(file)][1].strip()}")
    python = ENVIRONMENTS / "pandas" / "bin" / "python"
    if not python.exists():
        print(f"{'pandas and torch':<30}not installed; --peers installs it")
        return
    script = [str(python), str(PEERS / "pandas_script.py"), str(source), str(answers)]
    begun = time.perf_counter()
    done = subprocess.run(
        [*script, str(options.threads)], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        print(f"{'pandas and torch':<30}failed: {done.stderr.strip()[-100:]}")
        return
    own, grown = map(float, done.stdout.split())
    _line("pandas and torch", own, options.csv_rows, grown)
    _line("  with its start", seconds, options.csv_rows, grown)


def _line(name: str, seconds: float, count: int, grown: float) -> None:
    print(f"{name:<30}{seconds:>9.1f}{count / seconds:>11,.0f}{grown:>20.0f}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Many rows at once.")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--csv-rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", action="store_true", help="install pandas for the script")
    options = parser.parse_args()
    prepare_to_run()
    if shutil.which("curl") is None:
        raise SystemExit("This benchmark sends a file by curl, which is not installed.")
    if options.peers:
        install("pandas", torch.__version__.partition("+")[0])
    torch.set_num_threads(options.threads)
    print(machine(options.threads))
    with trained({"m": [256, 256]}) as model, tempfile.TemporaryDirectory() as folder:
        server = model.api(settings={"PARSIMONY_THREADS": str(options.threads)})
        try:
            try:
                binary(model, server, options)
            except NotThereError as error:
                print(f"\nbinary: {error}")
            sys.stdout.flush()
            csv(server, options, Path(folder))
        finally:
            server.stop()
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
