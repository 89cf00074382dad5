"""Growth: what 500 small jobs leave behind, on the disk and in the processes.

    python benchmarks/growth.py [--at 100 300 500] [--most 2.0] [--unregistered]

`parsimony up` in a fresh folder; jobs of the owner's network (2-50-50-1, L1, L2, dropout, 1,000
rows of `circle`, batches of 32) are posted over HTTP, some at a time, each with a model's version
registered (without, by `--unregistered`). After so many have ended, once all is quiet:

* resident memory and open descriptors of each process, which must not grow between the last two
  looks: memory by less than 4 MB or 2 % a hundred jobs, descriptors by none; those of the database
  are told apart, since each process keeps up to eight connections, of two descriptors each;
* bytes in the state folder for each ended job, beside those of the models' files: at most twice,
  by what the jobs between the first and the last look added. SQLite's write-ahead log, up to 4 MB
  whatever there is, is no job's.

It exits 1 unless both hold.
"""

import argparse
import itertools
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import torch
from _serving import Server, free_port, prepare_to_run, start
from _shared import machine

JOB: dict[str, Any] = {
    "dataset": {"builtin": "circle", "rows": 1000, "seed": 42},
    "network": {"kind": "mlp", "hidden": [50, 50]},
    "regularization": {
        "l1": {"strength": 1e-4},
        "l2": {"strength": 1e-4},
        "dropout": {"p": 0.2},
    },
    "training": {"epochs": 50, "batch_size": 32},
}
AT_ONCE = 4
"""Jobs that are posted and have not ended."""
QUIET_SECONDS = 90.0
"""Longest wait for the collector to clear up."""
GROWTH_BYTES = 4_000_000
GROWTH_SHARE = 0.02
"""What resident memory may grow by in a hundred jobs: the smaller one counts as noise."""
MEGABYTE = 1e6
LOG = "its write-ahead log"


@dataclass(frozen=True)
class Process:
    """One process at one look."""

    pid: int
    resident: int
    unique: int
    """Bytes that it shares with nobody."""
    descriptors: int
    """Without those of the database."""
    connected: int
    """Those of the database."""


@dataclass(frozen=True)
class Look:
    """What there was after some jobs."""

    jobs: int
    processes: dict[str, Process]
    """By what they are."""
    folder: dict[str, int]
    """Bytes by kind of file."""


def post(client: httpx.Client, count: int, model: str | None) -> None:
    """Post jobs, some at a time, until as many have ended well."""
    waiting: list[str] = []
    for number in range(count):
        answer = client.post("/v1/jobs", json={**JOB, "name": f"small {number}", "model": model})
        waiting.append(answer.raise_for_status().json()["id"])
        if len(waiting) == AT_ONCE or number == count - 1:
            for job in waiting if number == count - 1 else [waiting.pop(0)]:
                _wait(client, job)


def _wait(client: httpx.Client, job: str) -> None:
    seen: dict[str, Any] = {"state": "queued"}
    while seen["state"] in {"queued", "running", "paused"}:
        answer = client.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=30"})
        seen = answer.raise_for_status().json()
    if seen["state"] != "succeeded":
        raise SystemExit(f"a job {seen['state']}: {seen['error']}")


def look(server: Server, state: Path, jobs: int) -> Look:
    """What there is once nothing is left to do."""
    deadline = time.monotonic() + QUIET_SECONDS
    while _unpacked(state) and time.monotonic() < deadline:
        time.sleep(0.5)
    return Look(jobs, dict(_named(server)), _bytes(state))


def _unpacked(state: Path) -> int:
    """What the collector, or a trainer that has ended, still has to clear up."""
    with closing(sqlite3.connect(state / "parsimony.db", timeout=30)) as connection:
        checkpoints, epochs = connection.execute(
            "SELECT (SELECT count(*) FROM checkpoint), (SELECT count(*) FROM epoch_metrics)"
        ).fetchone()
    return int(checkpoints) + int(epochs)


def _named(server: Server) -> Iterator[tuple[str, Process]]:
    """All processes but trainers, which live as long as their fleet."""
    counted: dict[str, int] = defaultdict(int)
    for member in sorted(server.members(), key=lambda each: each.pid):
        with suppress(psutil.NoSuchProcess):
            name = _name(server, member)
            if name == "trainer":
                continue
            memory, connected = member.memory_full_info(), _of_database(member)
            counted[name] += 1
            number = f" {counted[name]}" if counted[name] > 1 else ""
            yield (
                name + number,
                Process(
                    member.pid,
                    memory.rss,
                    memory.uss,
                    member.num_fds() - connected,
                    connected,
                ),
            )


def _of_database(member: psutil.Process) -> int:
    """How many descriptors it has of the database's files."""
    names = []
    for link in Path(f"/proc/{member.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(link.readlink().name)
    return sum(name.startswith("parsimony.db") for name in names)


def _name(server: Server, member: psutil.Process) -> str:
    if member.pid == server.process.pid:
        return "up, HTTP service"
    said = " ".join(member.cmdline())
    if "redis" in said:
        return "redis"
    if "worker.runtime.trainer" in said:
        parent = member.parent()
        below = parent is not None and "worker.runtime.trainer" in " ".join(parent.cmdline())
        return "trainer" if below else "standby"
    parent = member.parent()
    return "worker" if parent is not None and parent.pid == server.process.pid else "supervisor"


def _bytes(state: Path) -> dict[str, int]:
    """Of all files, by kind; of the database, those of its pages that hold something."""
    found: dict[str, int] = defaultdict(int)
    for path in state.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                found[_kind(path, state)] += path.stat().st_size
    with closing(sqlite3.connect(state / "parsimony.db", timeout=30)) as connection:
        (result,) = connection.execute("SELECT sum(result_bytes) FROM fleet").fetchone()
        found["models"] = int(result or 0)
    return dict(found)


def _kind(path: Path, state: Path) -> str:
    first = path.relative_to(state).parts[0]
    if first.startswith("parsimony.db"):
        return "database" if path.suffix == ".db" else LOG
    return "artefacts" if first == "artefacts" else "logs and others"


def show(looks: list[Look], most: float) -> bool:
    """Print the tables; whether nothing grew, and what was left is little."""
    print(f"{'resident MB (own), descriptors':<32}", end="")
    print("".join(f"{f'after {each.jobs}':>22}" for each in looks))
    kept = True
    for name in looks[-1].processes:
        cells = []
        for each in looks:
            process = each.processes.get(name)
            cells.append(
                "-"
                if process is None
                else f"{process.resident / MEGABYTE:.1f} ({process.unique / MEGABYTE:.1f}) "
                f"{process.descriptors}+{process.connected}"
            )
        grew = _grew(looks, name)
        kept = kept and not grew
        print(f"{name:<32}" + "".join(f"{cell:>22}" for cell in cells) + (f"  {grew}"))
    pairs = list(itertools.pairwise(looks[1:]))
    print(f"\n{'bytes for each job':<32}", end="")
    print("".join(f"{f'{one.jobs} to {two.jobs}':>22}" for one, two in pairs))
    for kind in sorted(looks[-1].folder):
        row = [_each(one, two, kind) for one, two in pairs]
        print(f"{kind:<32}" + "".join(f"{value:>22,.0f}" for value in row))
    ratios = [_ratio(one, two) for one, two in pairs]
    print(f"{'all, by the files of models':<32}" + "".join(f"{ratio:>22.2f}" for ratio in ratios))
    last = looks[-1].folder
    there = sum(size for kind, size in last.items() if kind != "models")
    print(f"the folder as it is: {there / looks[-1].jobs:,.0f} bytes for each job, ", end="")
    print(f"{there / last['models']:.2f} times its models; log {last.get(LOG, 0):,} bytes")
    return kept and _ratio(looks[1], looks[-1]) <= most


def _each(one: Look, two: Look, kind: str) -> float:
    """Bytes of a kind for each job between two looks."""
    return (two.folder.get(kind, 0) - one.folder.get(kind, 0)) / (two.jobs - one.jobs)


def _ratio(one: Look, two: Look) -> float:
    """Bytes in the folder by those of the models' files, of the jobs between two looks."""
    kinds = {*two.folder} - {"models", LOG}
    return sum(_each(one, two, kind) for kind in kinds) / _each(one, two, "models")


def _grew(looks: list[Look], name: str) -> str:
    """What of a process grew between the last two looks, or nothing."""
    (before, after) = (each.processes.get(name) for each in looks[-2:])
    if before is None or after is None or before.pid != after.pid:
        return "another process"
    said = []
    if after.descriptors > before.descriptors:
        said.append(f"{after.descriptors - before.descriptors} more descriptors")
    hundreds = (looks[-1].jobs - looks[-2].jobs) / 100
    allowed = max(GROWTH_BYTES, GROWTH_SHARE * before.resident) * hundreds
    if after.resident - before.resident > allowed:
        said.append(f"{(after.resident - before.resident) / MEGABYTE:.1f} MB more")
    return ", ".join(said)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="What many small jobs leave behind.")
    parser.add_argument("--at", type=int, nargs="+", default=[100, 300, 500], help="jobs")
    parser.add_argument("--most", type=float, default=2.0, help="bytes left, by those of models")
    parser.add_argument("--keep", type=Path, help="a folder that stays, in place of a fresh one")
    parser.add_argument("--unregistered", action="store_true", help="no job registers a model")
    options = parser.parse_args()
    model = None if options.unregistered else "grown"
    prepare_to_run()
    print(machine(torch.get_num_threads()))
    with tempfile.TemporaryDirectory(prefix="parsimony-growth-") as folder:
        state = options.keep or Path(folder) / "state"
        port = free_port()
        command = [sys.executable, "-m", "service", "up", "--port", str(port)]
        environment = {"PARSIMONY_STATE": str(state)}
        server = start("parsimony", command, port, environment=environment)
        try:
            server.wait_until_answering("/readyz", None)
            with httpx.Client(base_url=server.url, timeout=90) as client:
                post(client, 1, model)
                looks = [look(server, state, 1)]
                begun = time.monotonic()
                for jobs in options.at:
                    post(client, jobs - looks[-1].jobs, model)
                    looks.append(look(server, state, jobs))
                    print(f"{jobs} jobs after {time.monotonic() - begun:.0f} s", flush=True)
        finally:
            server.stop()
        kept = show(looks, options.most)
    print("\nnothing grew" if kept else "\nSOMETHING GREW, OR IS TOO LARGE")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
