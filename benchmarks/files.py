"""A file of rows answered by one curl, beside pandas and torch in a script: time and memory.

    python benchmarks/files.py [--rows 1000000] [--columns 20]

The service is a process of its own; what it takes in memory is read from the system while it
answers. The script reads the file with pandas, standardizes, asks a network of the same size
(20-256-256-10) in plain torch, in blocks of 4,096 rows, and writes the file with the answers
appended. pandas is no dependency of this project: without it, only the service is measured.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil

from service.installation import installation

CLASSES = 10
SCRIPT = """
import sys, time, numpy, pandas, torch
began = time.perf_counter()
torch.set_num_threads(1)
frame = pandas.read_csv(sys.argv[1])
features = frame.to_numpy(dtype=numpy.float32)
features = (features - features.mean(0)) / features.std(0)
width = features.shape[1]
network = torch.nn.Sequential(
    torch.nn.Linear(width, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU(),
    torch.nn.Linear(256, {classes}),
).eval()
with torch.inference_mode():
    parts = [network(part).softmax(1) for part in torch.from_numpy(features).split(4096)]
probabilities = torch.cat(parts).numpy()
frame["prediction"] = probabilities.argmax(1)
for number in range({classes}):
    frame[f"probability_{{number}}"] = probabilities[:, number]
frame.to_csv(sys.argv[2], index=False)
print(time.perf_counter() - began)
"""


class Watch:
    """The most memory that a process holds, and how much it held before."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.before = self.most = process.memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, self._process.memory_info().rss)

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


def table(path: Path, rows: int, columns: int) -> None:
    draw = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(",".join(f"x{n}" for n in range(columns)) + "\n")
        for start in range(0, rows, 50_000):
            numbers = draw.normal(size=(min(50_000, rows - start), columns))
            np.savetxt(file, numbers, fmt="%.5f", delimiter=",")


def train(client: httpx.Client, columns: int) -> None:
    draw = np.random.default_rng(1)
    numbers = draw.normal(size=(4_000, columns)).round(5)
    classes = (numbers[:, :2].sum(1) * 3).round().astype(int) % CLASSES
    lines = [",".join([*(f"x{n}" for n in range(columns)), "y"])]
    lines += [
        ",".join(map(str, [*row, label])) for row, label in zip(numbers, classes, strict=True)
    ]
    content = "\n".join(lines).encode()
    made = client.post("/v1/datasets", files={"file": ("a.csv", content)}, data={"target": "y"})
    job = {
        "dataset": made.json()["id"],
        "network": {
            "kind": "mlp",
            "hidden": [256, 256],
        },
        "regularization": {"dropout": {"p": 0.2}, "batch_norm": {}},
        "training": {"epochs": 2},
        "model": "wide",
    }
    answer = client.post("/v1/jobs", json=job)
    answer.raise_for_status()
    url = f"/v1/jobs/{answer.json()['id']}"
    while (state := client.get(url, headers={"Prefer": "wait=10"}).json()["state"]) != "succeeded":
        assert state in ("queued", "running"), state


def served(folder: Path, source: Path, columns: int) -> None:
    settings = {"PARSIMONY_THREADS": "1"}
    with installation(settings) as url, httpx.Client(base_url=url, timeout=120) as client:
        train(client, columns)
        client.post("/v1/models/wide/predict", json={"instances": [[0.0] * columns]})
        port = int(url.rpartition(":")[2])
        process = next(
            psutil.Process(held.pid)
            for held in psutil.net_connections("tcp")
            if held.laddr and held.laddr.port == port and held.status == "LISTEN" and held.pid
        )
        watch = Watch(process)
        began = time.perf_counter()
        answers = folder / "answers.csv"
        command = ["curl", "-sS", "--fail-with-body", "-F", f"file=@{source}", "-o", str(answers)]
        subprocess.run([*command, f"{url}/v1/models/wide/predict"], check=True)
        seconds = time.perf_counter() - began
        watch.stop()
        with answers.open("rb") as file:
            rows = sum(1 for _ in file) - 1
        print(
            f"{'curl -F file=@rows.csv':<28}{rows:>10,} rows{seconds:>8.1f} s"
            f"{rows / seconds:>10,.0f} rows/s   API process {watch.before / 2**20:,.0f} MB before, "
            f"{(watch.most - watch.before) / 2**20:+,.0f} MB at its peak",
            flush=True,
        )


def scripted(folder: Path, source: Path) -> None:
    command = [sys.executable, "-c", SCRIPT.format(classes=CLASSES)]
    done = subprocess.run(
        [*command, str(source), str(folder / "script.csv")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    if done.returncode:
        print("pandas + torch: not measured:", done.stderr.strip().splitlines()[-1])
        return
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(
        f"{'pandas + torch, a script':<28}{'':>15}{float(done.stdout):>8.1f} s{'':>17}   "
        f"most of any child process: {most / 1024:,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "rows.csv"
        table(source, chosen.rows, chosen.columns)
        load = os.getloadavg()[0]
        print(f"{source.stat().st_size / 1e6:,.0f} MB, load {load:.1f} of {os.cpu_count()} CPUs")
        scripted(folder, source)
        served(folder, source, chosen.columns)


if __name__ == "__main__":
    main()
