"""How well a job's time is estimated: the examples of the documentation, estimated and trained.

    python benchmarks/estimate.py [--repeats 3]

Starts the whole service (uvicorn, Celery worker, Redis, SQLite with fsync) on loopback. Each
example is validated, then posted and waited for, one after another. Its real time is from the first
claim of a worker to its end; "busy" is the processor's time of its trainers, which is what it would
take on a machine that does nothing else, but for the waits between two fleets.
"""

import argparse
import os
import platform
import statistics
import time
from datetime import datetime
from typing import Any

import httpx
import psutil

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


def standby() -> psutil.Process:
    """The process that forks our service's trainers, and counts their time once they have ended."""
    for process in psutil.Process().children(recursive=True):
        if "worker.runtime.trainer" in process.cmdline():
            return process
    raise SystemExit("the service has no standby")


def busy_seconds(process: psutil.Process) -> float:
    """Processor time of its trainers that have ended."""
    times = process.cpu_times()
    return float(times.children_user + times.children_system)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with installation({}) as service, httpx.Client(base_url=service, timeout=90) as client:
        real_seconds(client, {"dataset": {"builtin": "iris"}})  # waits for the worker to be warm
        print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {load:.1f} at the start")
        heads = ("low", "estimate", "high", "real", "busy", "e/real", "e/busy", "answer")
        print(f"{'seconds':<12}" + "".join(f"{head:>10}" for head in heads))
        trainers = standby()
        for name, example in JOBS.items():
            job: dict[str, Any] = example["value"]
            begin = time.perf_counter()
            cost = client.post("/v1/jobs/validate", json=job).raise_for_status().json()["estimate"]
            answer = time.perf_counter() - begin
            reals, busies = [], []
            for _ in range(options.repeats):
                before = busy_seconds(trainers)
                reals.append(real_seconds(client, job))
                time.sleep(0.5)  # the last trainer is gone
                busies.append(busy_seconds(trainers) - before)
            real, busy = statistics.median(reals), statistics.median(busies)
            seconds = cost["seconds"]
            figures = [cost["low"], seconds, cost["high"], real, busy]
            figures += [seconds / real, seconds / busy, answer]
            print(f"{name:<12}" + "".join(f"{figure:>10.2f}" for figure in figures), flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
