"""How long a job waits: from POST to 202, and from 202 to the first training step.

    python benchmarks/latency.py [--posts 200] [--starts 20]

Starts the whole service (uvicorn, Celery worker, Redis, SQLite with fsync) on loopback. Posts are
the owner's comparison of four, sent one after another by one client on one connection, to a service
whose worker trains other jobs meanwhile; their jobs are cancelled at once. Starts are single jobs,
each posted when the one before has ended, so that a warm standby waits for it.

The peer is the same road without training: ``GET /livez`` on the same connection.
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

from service.installation import installation
from worker.storage import jobs
from worker.storage.database import Database

TRAINING: dict[str, Any] = {
    "epochs": 5,
    "batch_size": 32,
    "optimizer": {"kind": "adam", "learning_rate": 0.01},
}
PLAIN: dict[str, Any] = {"dataset": {"builtin": "circle"}, "training": TRAINING}
COMPARISON: dict[str, Any] = {
    **PLAIN,
    "training": {**TRAINING, "epochs": 50},
    "compare": [
        {"name": "none", "regularization": {}},
        {"name": "L1", "regularization": {"l1": {"strength": 0.01}}},
        {"name": "L2", "regularization": {"l2": {"strength": 0.01}}},
        {"name": "dropout", "regularization": {"dropout": {"p": 0.5}}},
    ],
}


def live(client: httpx.Client) -> float:
    """Milliseconds of the shortest answer there is."""
    start = time.perf_counter()
    client.get("/livez").raise_for_status()
    return (time.perf_counter() - start) * 1000


def post(client: httpx.Client) -> float:
    """Milliseconds from POST to 202; the job is cancelled afterwards."""
    start = time.perf_counter()
    answer = client.post("/v1/jobs", json=COMPARISON)
    milliseconds = (time.perf_counter() - start) * 1000
    answer.raise_for_status()
    # 409 when it has ended already: the worker may be that fast.
    client.post(f"/v1/jobs/{answer.json()['id']}/cancel")
    return milliseconds


def first_step(client: httpx.Client, database: Database) -> float:
    """Milliseconds from the 202 to the end of the first training step."""
    answer = client.post("/v1/jobs", json=PLAIN)
    accepted = time.time()
    job = answer.raise_for_status().json()["id"]
    ended = client.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=60"}).raise_for_status().json()
    if ended["state"] != "succeeded":
        raise SystemExit(f"a job {ended['state']}: {ended['error']}")
    with database.read() as session:
        at = jobs.first_step_at(session, job)
    return float(at.timestamp() - accepted) * 1000


def row(name: str, values: list[float]) -> str:
    """Median, tail and extremes of some milliseconds."""
    ordered = sorted(values)
    tail = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return (
        f"{name:<28}{len(values):>5}{statistics.median(values):>9.1f}{tail:>9.1f}"
        f"{ordered[0]:>9.1f}{ordered[-1]:>9.1f}"
    )


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description="How long a job waits.")
    parser.add_argument("--posts", type=int, default=200)
    parser.add_argument("--starts", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'parsimony.db'}"
        database = Database(url)
        with (
            installation({"PARSIMONY_DATABASE_URL": url}) as service,
            httpx.Client(base_url=service, timeout=90) as client,
        ):
            first_step(client, database)  # waits for the worker to be warm
            starts = [first_step(client, database) for _ in range(options.starts)]
            alive = [live(client) for _ in range(options.posts)]
            posts = [post(client) for _ in range(options.posts)]
        database.close()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"{'milliseconds':<28}{'n':>5}{'p50':>9}{'p95':>9}{'min':>9}{'max':>9}")
    print(row("GET /livez", alive))
    print(row("POST to 202", posts))
    print(row("202 to first training step", starts))


if __name__ == "__main__":
    main()
