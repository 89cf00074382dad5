"""How much faster two workers finish a job than one.

    python benchmarks/spread.py [--repeats 3] [--fleets 8] [--epochs 30]

A comparison of 8 networks of different widths, and so of 8 fleets, through the whole service: HTTP,
Celery, Redis, SQLite with fsync. Each worker trains with one thread. ``parsimony up --workers 1``
and ``--workers 2`` take turns, and each is warm before the clock starts. The time is that between
the job's first claim and its end, as the service itself says.
"""

import argparse
import os
import platform
import random
import statistics
from datetime import datetime
from typing import Any

import httpx

from service.installation import installation


def job(fleets: int, epochs: int) -> dict[str, Any]:
    """Fleets that take about as long as each other, 16 trials each."""
    return {
        "dataset": {"builtin": "circle"},
        "training": {
            "epochs": epochs,
            "batch_size": 32,
            "optimizer": {"kind": "adam", "learning_rate": 0.01},
        },
        "regularization": {"dropout": {"p": 0.2}},
        "repeats": 16,
        "compare": [
            {"name": f"{64 + n}", "network": {"kind": "mlp", "hidden": [64 + n, 64]}}
            for n in range(fleets)
        ],
    }


def seconds(client: httpx.Client, spec: dict[str, Any]) -> float:
    """From the job's start to its end."""
    found = client.post("/v1/jobs", json=spec).raise_for_status().json()
    while found["state"] in ("queued", "running"):
        answer = client.get(f"/v1/jobs/{found['id']}", headers={"Prefer": "wait=60"})
        found = answer.raise_for_status().json()
    if found["state"] != "succeeded":
        raise SystemExit(f"the job {found['state']}: {found['error']}")
    begin, end = (datetime.fromisoformat(found[name]) for name in ("started_at", "finished_at"))
    return (end - begin).total_seconds()


def measure(workers: int, fleets: int, epochs: int) -> float:
    """Of a service that has so many workers, all of them warm."""
    settings = {"PARSIMONY_WORKERS": str(workers), "PARSIMONY_THREADS": "1"}
    with installation(settings) as url, httpx.Client(base_url=url, timeout=120) as client:
        seconds(client, job(2 * workers, 1))
        return seconds(client, job(fleets, epochs))


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description="How much faster two workers are than one.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--fleets", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.repeats):
        for workers in random.sample(list(found), len(found)):
            found[workers].append(measure(workers, options.fleets, options.epochs))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"a job of {options.fleets} fleets, one thread a worker")
    print(f"{'workers':>7}{'n':>4}{'seconds':>9}{'min':>8}{'max':>8}")
    for workers, values in found.items():
        median = statistics.median(values)
        print(f"{workers:>7}{len(values):>4}{median:>9.2f}{min(values):>8.2f}{max(values):>8.2f}")
    ratio = statistics.median(found[1]) / statistics.median(found[2])
    pairs = ", ".join(f"{one / two:.2f}" for one, two in zip(found[1], found[2], strict=True))
    print(f"two workers are {ratio:.2f} times as fast as one (by pairs: {pairs})")


if __name__ == "__main__":
    main()
