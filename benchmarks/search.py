"""A search through the whole service: its time beside a textbook's, its memory, its leaderboard.

    python benchmarks/search.py [--repeats 3] [--trials 20000] [--threads 1]

* 256 configurations of λ (L1, log-uniform) and p (dropout) on the owner's problem (1,000 points, of
  which a search trains on 800, 2-50-50-1, Adam .01, batch 32, 50 epochs), from the POST to the
  job's end, polling included; and the textbook loop for its four configurations on all 1,000, in
  the same run, one after the other.
* A search of 20,000 trials (200 points, 2-8-1, 2 epochs): time to the 202, resident memory of the
  service's and the trainers' processes at its start, and the most while it runs; then all pages of
  100 of its leaderboard, and bytes a trial in the database.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import torch
from train import CIRCLE, SPEC, seconds, textbook

from service.installation import installation
from worker.data import load_builtin, prepare
from worker.training import tune_processor

SPACE = {
    "regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True},
    "regularization.dropout.p": {"low": 0.0, "high": 0.8},
}
OWNERS: dict[str, Any] = {
    **SPEC.model_dump(mode="json", include={"dataset", "preprocessing", "training"}),
    "split": {"validation": 0.2},  # a search chooses by these
    "search": {"method": "random", "trials": 256, "space": SPACE},
}
LOOK_SECONDS = 0.05


def follow(client: httpx.Client, body: dict[str, Any], watch: Any = None) -> dict[str, Any]:
    """Post a job and wait for its end; the job, with its time to the 202 and to the end."""
    start = time.perf_counter()
    answer = client.post("/v1/jobs", json=body)
    accepted = time.perf_counter() - start
    job = answer.raise_for_status().json()
    while job["state"] in ("queued", "running"):
        time.sleep(LOOK_SECONDS if watch is None else 0.5)
        if watch is not None:
            watch()
        job = client.get(f"/v1/jobs/{job['id']}").raise_for_status().json()
    if job["state"] != "succeeded":
        raise SystemExit(f"the job {job['state']}: {job['error']}")
    return {**job, "accepted": accepted, "seconds": time.perf_counter() - start}


class Memory:
    """The most resident memory of each kind of process below this one, in MiB."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.most: dict[str, float] = {}

    def look(self) -> None:
        """Measure once."""
        now: dict[str, float] = {}
        for process in psutil.Process().children(recursive=True):
            try:
                line = " ".join(process.cmdline())
                kind = (
                    "trainer" if "worker.runtime.trainer" in line
                    else "service" if "-m service up" in line
                    else "supervisor" if "-m worker.runtime" in line
                    else "redis"
                )  # fmt: skip
                size = process.memory_info().rss / 2**20
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            now[kind] = max(now.get(kind, 0.0), size)
        for kind, size in now.items():
            self.first.setdefault(kind, size)
            self.most[kind] = max(self.most.get(kind, 0.0), size)


def against_textbook(client: httpx.Client, repeats: int) -> None:
    """256 configurations by HTTP beside four in a loop."""
    table, target = load_builtin(CIRCLE)
    prepared = prepare(table, SPEC, target)
    features = torch.from_numpy(prepared.x[0])
    labels = torch.from_numpy(prepared.y[0]).float()[:, None]
    follow(client, {**OWNERS, "search": {**OWNERS["search"], "trials": 4}})  # the worker is warm
    loop, search = [], []
    for _ in range(repeats):
        loop.append(seconds(textbook, features, labels))
        search.append(follow(client, OWNERS)["seconds"])
    print(f"{'seconds':<40}{'median':>9}{'min':>9}{'max':>9}")
    for name, times in (("textbook, 4 configurations", loop), ("search, 256 by HTTP", search)):
        print(f"{name:<40}{statistics.median(times):>9.2f}{min(times):>9.2f}{max(times):>9.2f}")
    ratio = statistics.median(search) / statistics.median(loop)
    print(f"{'search / textbook':<40}{ratio:>9.2f}   (bar: under 10)")


def many(client: httpx.Client, database: Path, trials: int) -> None:
    """A large search: accepted, trained in bounded memory, listed."""
    memory = Memory()
    memory.look()
    before = _bytes(database)
    job = follow(
        client,
        {
            "dataset": {"builtin": "circle", "rows": 200},
            "network": {"kind": "mlp", "hidden": [8]},
            "training": {"epochs": 2, "batch_size": 64},
            "search": {"method": "random", "trials": trials, "space": SPACE},
        },
        memory.look,
    )
    size = _bytes(database) - before
    print(
        f"\n{trials} trials: 202 after {job['accepted']:.2f} s, ended after {job['seconds']:.0f} s"
    )
    print(f"{'database':<40}{size / trials:>9.0f} bytes a trial")
    print(f"{'resident, MiB':<40}{'before':>9}{'most':>9}")
    for kind, most in memory.most.items():
        print(f"{kind:<40}{memory.first.get(kind, 0.0):>9.0f}{most:>9.0f}")
    times, after = [], ""
    while True:
        start = time.perf_counter()
        page = client.get(f"/v1/jobs/{job['id']}/trials?limit=100{after}").raise_for_status()
        times.append((time.perf_counter() - start) * 1000)
        body = page.json()
        if not body["has_more"]:
            break
        after = f"&after={body['data'][-1]['id']}"
    times.sort()
    tail = times[int(0.95 * (len(times) - 1))]
    middle = statistics.median(times)
    print(f"{'milliseconds':<40}{'median':>9}{'p95':>9}{'max':>9}")
    print(f"{'leaderboard page of 100':<40}{middle:>9.1f}{tail:>9.1f}{times[-1]:>9.1f}")
    start = time.perf_counter()
    client.get(f"/v1/jobs/{job['id']}").raise_for_status()
    print(f"{'GET /v1/jobs/{id}':<40}{(time.perf_counter() - start) * 1000:>9.1f}")


def _bytes(database: Path) -> int:
    return sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description="A search through the whole service.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    tune_processor(options.threads)
    print(
        f"torch {torch.__version__}, {options.threads} thread(s), {platform.machine()}, "
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "parsimony.db"
        environment = {
            "PARSIMONY_DATABASE_URL": f"sqlite:///{database}",
            "PARSIMONY_THREADS": str(options.threads),
        }
        with (
            installation(environment) as service,
            httpx.Client(base_url=service, timeout=120) as client,
        ):
            if options.repeats:
                against_textbook(client, options.repeats)
            if options.trials:
                many(client, database, options.trials)


if __name__ == "__main__":
    main()
