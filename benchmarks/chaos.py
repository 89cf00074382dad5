"""Chaos: jobs are posted all along while processes are killed, frozen and cut off; a scorecard.

    python benchmarks/chaos.py [--minutes 4] [--on sqlite postgresql] [--workers 2] [--seed 0]

Real processes: one API, some workers, a Redis, on SQLite and a folder, or on PostgreSQL and an S3
server over HTTP. Each kind of job is trained once undisturbed; then, for some minutes, jobs of
these kinds are posted one after another, with an Idempotency-Key and as a client does that tries
again, while every few seconds one of these happens:

* ``kill -9`` of a trainer, a standby, a supervisor, a worker's parent, Redis, the API;
* FLUSHALL;
* a trainer, or a supervisor with all below it, is stopped for longer than its lease, and wakes.

What has died is started again, as a process manager does it. In the end all jobs have a time to
come to their end, and it is counted:

* accepted, finished; lost (accepted and not there), twice (ended more than once), wrongly failed,
  stuck: all but the first two must be 0;
* stale writes that were fenced: must be some, or no worker ever outlived its lease;
* jobs whose files have the bits of their undisturbed twin's: must be all;
* recovery: from a fault that hit a running job to the next thing that happened to any job.

Each kind of fault must have happened, or the run fails. It exits 1 unless all this holds.
"""

import argparse
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil
import redis
import torch
from _chaos_jobs import JOBS, Client, Rows, wait
from _chaos_place import LEASE_SECONDS, Place, place
from _serving import prepare_to_run
from _shared import machine

from worker.storage.states import TERMINAL, State

FAULT_SECONDS = (2.0, 6.0)
"""Shortest and longest pause between two faults."""
SETTLE_SECONDS = 180.0
"""What jobs have to come to their end when the faults are over."""


@dataclass
class Fault:
    """One thing that happened."""

    kind: str
    at: float
    hit: bool
    """Whether a job was running."""
    recovered: float | None = None
    """Seconds until something happened to a job again."""


class Faults:
    """Does them, and keeps what died alive again."""

    def __init__(self, here: Place, seed: int) -> None:
        self._here, self._random = here, random.Random(seed)
        self._waking: list[tuple[float, list[psutil.Process]]] = []
        self.done: list[Fault] = []
        self.kinds: dict[str, Callable[[], bool]] = {
            "kill trainer": lambda: self._kill(self._trainers),
            "kill standby": lambda: self._kill(self._standbys),
            "kill supervisor": lambda: self._kill(self._supervisors),
            "kill worker": lambda: self._kill_part(self._random.choice(here.workers)),
            "kill redis": lambda: self._kill_part(here.redis),
            "kill api": lambda: self._kill_part(here.api),
            "flushall": self._flush,
            "freeze trainer": lambda: self._freeze(self._trainers, tree=False),
            "freeze supervisor": lambda: self._freeze(self._supervisors, tree=True),
        }
        self._order: list[str] = []

    def next(self, running: bool) -> None:
        """Do one, each kind as often as the others, in a random order."""
        if not self._order:
            self._order = sorted(self.kinds)
            self._random.shuffle(self._order)
        for kind in list(self._order):
            at = time.monotonic()
            if self.kinds[kind]():
                self._order.remove(kind)
                self.done.append(Fault(kind, at, running))
                return

    def mend(self) -> None:
        """Wake what has slept long enough; start again what has ended."""
        now = time.monotonic()
        for due, sleepers in [entry for entry in self._waking if entry[0] <= now]:
            self._waking.remove((due, sleepers))
            _signal(sleepers, signal.SIGCONT)
        self._here.mend()

    def end(self) -> None:
        """Wake all."""
        self._waking = [(0.0, sleepers) for _, sleepers in self._waking]
        self.mend()

    def _below_workers(self, depth: int) -> list[psutil.Process]:
        """Processes at a depth below workers' parents: supervisors, standbys, trainers."""
        found = []
        for worker in self._here.workers:
            for member in worker.members():
                with suppress(psutil.NoSuchProcess):
                    if worker.process in member.parents()[depth - 1 : depth]:
                        found.append(member)
        return found

    def _trainers(self) -> list[psutil.Process]:
        return self._below_workers(3)

    def _standbys(self) -> list[psutil.Process]:
        return self._below_workers(2)

    def _supervisors(self) -> list[psutil.Process]:
        return self._below_workers(1)

    def _kill(self, which: Callable[[], list[psutil.Process]]) -> bool:
        found = which()
        if not found:
            return False
        return _signal([self._random.choice(found)], signal.SIGKILL)

    def _kill_part(self, part: Any) -> bool:
        if not part.is_running:
            return False
        part.kill()
        return True

    def _flush(self) -> bool:
        with suppress(redis.RedisError):
            url = self._here.api.environment["PARSIMONY_REDIS_URL"]
            with redis.Redis.from_url(url, socket_timeout=2) as client:
                client.flushall()
                return True
        return False

    def _freeze(self, which: Callable[[], list[psutil.Process]], *, tree: bool) -> bool:
        found = which()
        if not found:
            return False
        one = self._random.choice(found)
        sleepers = [one]
        with suppress(psutil.NoSuchProcess):
            sleepers += one.children(recursive=True) if tree else []
        if not _signal(sleepers, signal.SIGSTOP):
            return False
        pause = LEASE_SECONDS * self._random.uniform(1.5, 2.5)
        self._waking.append((time.monotonic() + pause, sleepers))
        return True


def _signal(processes: list[psutil.Process], number: signal.Signals) -> bool:
    done = False
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
            done = True
    return done


def run(kind: str, options: argparse.Namespace) -> bool:
    """One place, for some minutes; whether all was kept."""
    with place(kind, options.workers) as here:
        rows, client = Rows(here.database_url), Client(here.url)
        twins: dict[str, list[str | None]] = {}
        begun = time.monotonic()
        for name in JOBS:
            job = client.post(name, time.monotonic() + 120)
            if job is None:
                raise RuntimeError(f"the undisturbed {name} was not accepted")
            wait(rows, [job], 240.0)
            state, why = rows.state(job)
            if state != State.SUCCEEDED:
                raise RuntimeError(f"the undisturbed {name} {state}: {why}")
            twins[name] = rows.hashes(job)
        print(f"\n{kind}: four undisturbed jobs in {time.monotonic() - begun:.0f} s", flush=True)
        client.accepted.clear()
        faults = _disturb(here, rows, client, options)
        open_jobs = [posted.job for posted in client.accepted]
        settling = time.monotonic()
        while rows.open(open_jobs) and time.monotonic() < settling + SETTLE_SECONDS:
            faults.mend()
            time.sleep(0.5)
        kept = _scorecard(here, rows, client, faults, twins, time.monotonic() - settling)
        if options.keep_logs:
            print(here.said())
        return kept


def _disturb(here: Place, rows: Rows, client: Client, options: argparse.Namespace) -> Faults:
    faults = Faults(here, options.seed)
    pauses = random.Random(options.seed + 1)
    ended = threading.Event()
    posting = threading.Thread(target=client.keep_posting, args=(ended, options.seed + 2))
    posting.start()
    until = time.monotonic() + 60 * options.minutes
    due = time.monotonic() + 3.0
    watched: Fault | None = None
    seen = 0
    try:
        while time.monotonic() < until:
            faults.mend()
            now = time.monotonic()
            if watched is not None and watched.recovered is None and rows.latest() > seen:
                watched.recovered = now - watched.at
            if now >= due:
                seen, before = rows.latest(), len(faults.done)
                faults.next(rows.running())
                watched = faults.done[-1] if len(faults.done) > before else watched
                due = time.monotonic() + pauses.uniform(*FAULT_SECONDS)
            time.sleep(0.05)
    finally:
        ended.set()
        posting.join()
        faults.end()
    return faults


def _scorecard(
    here: Place,
    rows: Rows,
    client: Client,
    faults: Faults,
    twins: dict[str, list[str | None]],
    settled: float,
) -> bool:
    states = {posted.job: rows.state(posted.job) for posted in client.accepted}
    lost = sum(state is None for state, _ in states.values())
    failed = [why for state, why in states.values() if state == State.FAILED]
    stuck = sum(state is not None and state not in TERMINAL for state, _ in states.values())
    finished = [posted for posted in client.accepted if states[posted.job][0] == State.SUCCEEDED]
    twice = sum(rows.finished_twice(posted.job) for posted in client.accepted)
    same = sum(rows.hashes(posted.job) == twins[posted.kind] for posted in finished)
    said = here.said()
    fenced = said.count(": stale") + said.count("was taken from this worker")
    counted = Counter(fault.kind for fault in faults.done)
    missing = sorted(set(faults.kinds) - set(counted))
    events = rows.events()
    print(f"accepted {len(states)}, finished {len(finished)}, all ended {settled:.0f} s after it")
    print(f"lost {lost}, twice {twice}, wrongly failed {len(failed)}, stuck {stuck}")
    print(f"stale writes fenced {fenced}; identical to undisturbed twins {same}/{len(finished)}")
    told = ", ".join(f"{status or 'no answer'}: {n}" for status, n in client.refused.items())
    print(f"other answers to POST: {told or 'none'}; the slowest answer {client.slowest:.1f} s")
    kinds = ("resumed", "crashed", "lease_lost", "released", "checkpoint_damaged", "waiting")
    print("events: " + ", ".join(f"{kind} {events[kind]}" for kind in kinds))
    print(f"{'fault':<20}{'times':>6}{'with a job':>12}{'recovery p50 s':>16}{'max s':>8}")
    for kind in faults.kinds:
        took = sorted(
            fault.recovered
            for fault in faults.done
            if fault.kind == kind and fault.hit and fault.recovered is not None
        )
        middle = f"{took[len(took) // 2]:.1f}" if took else "-"
        most = f"{took[-1]:.1f}" if took else "-"
        hit = sum(fault.kind == kind and fault.hit for fault in faults.done)
        print(f"{kind:<20}{counted[kind]:>6}{hit:>12}{middle:>16}{most:>8}")
    for why in failed:
        print(f"failed: {why}")
    if missing:
        print(f"never happened: {', '.join(missing)}")
    return (
        not (lost or twice or failed or stuck or missing)
        and fenced > 0
        and same == len(finished) == len(states) > 0
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Jobs among kills, freezes and outages.")
    parser.add_argument("--minutes", type=float, default=4.0, help="of faults, in each place")
    parser.add_argument("--on", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-logs", action="store_true", help="print all logs at the end")
    options = parser.parse_args()
    prepare_to_run()
    print(machine(torch.get_num_threads()))
    kept = [run(kind, options) for kind in options.on]
    print("\nall was kept" if all(kept) else "\nNOT ALL WAS KEPT")
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
