"""How well a job's time is estimated: the examples of the documentation, estimated and trained.

    python benchmarks/estimate.py [--repeats 3]

Starts the whole service (uvicorn, Celery worker, Redis, SQLite with fsync) on loopback. Each example
is validated, then posted and waited for, one after another; its real time is from the first claim
of a worker to its end. Estimates of the second repeat on are those of probes that are remembered.
"""

import argparse
import os
import platform
import statistics
import time
from datetime import datetime
from typing import Any

import httpx

from service.examples import JOBS
from service.installation import installation


def real_seconds(client: httpx.Client, job: dict[str, Any]) -> float:
    """From the first claim to the end."""
    answer = client.post("/v1/jobs", json=job).raise_for_status().json()
    while answer["state"] not in ("succeeded", "failed", "cancelled"):
        url = f"/v1/jobs/{answer['id']}"
        answer = client.get(url, headers={"Prefer": "wait=30"}).raise_for_status().json()
    if answer["state"] != "succeeded":
        raise SystemExit(f"a job {answer['state']}: {answer['error']}")
    started, finished = map(datetime.fromisoformat, (answer["started_at"], answer["finished_at"]))
    return (finished - started).total_seconds()


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with installation({}) as service, httpx.Client(base_url=service, timeout=90) as client:
        real_seconds(client, {"dataset": {"builtin": "iris"}})  # waits for the worker to be warm
        print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {load:.1f} at the start")
        print(
            f"{'seconds':<14}{'low':>8}{'estimate':>10}{'high':>8}{'real':>8}{'ratio':>8}{'answer':>8}"
        )
        for name, example in JOBS.items():
            job: dict[str, Any] = example["value"]
            begin = time.perf_counter()
            cost = client.post("/v1/jobs/validate", json=job).raise_for_status().json()["estimate"]
            answer = time.perf_counter() - begin
            real = statistics.median(real_seconds(client, job) for _ in range(options.repeats))
            print(
                f"{name:<14}{cost['low']:>8.2f}{cost['seconds']:>10.2f}{cost['high']:>8.2f}"
                f"{real:>8.2f}{cost['seconds'] / real:>8.2f}{answer:>8.2f}",
                flush=True,
            )
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
