"""Chaos: jobs are posted all along while processes are killed, frozen and cut off; a scorecard.

    python benchmarks/chaos.py [--minutes 4] [--on sqlite postgresql] [--workers 2] [--seed 0]

Real processes: one API, some workers, a Redis, on SQLite and a folder, or on PostgreSQL and an S3
server over HTTP. Each kind of job is trained once undisturbed; then, for some minutes, jobs of
these kinds are posted one after another, with an Idempotency-Key and as a client does that tries
again, while every few seconds one of these happens:

* ``kill -9`` of a trainer, a standby, a supervisor, a worker's parent, Redis, the API;
* FLUSHALL;
* a trainer that is at work is stopped for longer than a lease, and wakes;
* so is a supervisor whose fleet runs, with all below it: its fleet is taken from it meanwhile, and
  what it writes when it wakes must be refused.

What has died is started again, as a process manager does it. In the end all jobs have a time to
come to their end, and it is counted:

* accepted, finished; lost (accepted and not there), twice (ended more than once), wrongly failed,
  stuck: all but the first two must be 0;
* stale writes that were fenced: must be some, or no worker ever outlived its lease;
* jobs whose files have the bits of their undisturbed twin's: must be all;
* recovery: from a fault that hit a running fleet until it runs again under a new token, has ended,
  or (after a freeze) went on; of Redis and the API, which run no fleet, until anything happened to
  any job.

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
from _chaos_jobs import JOBS, Client, Pulse, Rows, wait
from _chaos_place import LEASE_SECONDS, Place, place
from _serving import prepare_to_run
from _shared import machine

from worker.storage.states import TERMINAL, State

FAULT_SECONDS = (2.0, 6.0)
"""Shortest and longest pause between two faults."""
FREEZE_LEASES = (2.5, 4.0)
"""How long what is frozen sleeps: whoever watched its lease may be killed meanwhile, and who comes
after waits for a whole lease."""
SERVES = ("kill redis", "kill api", "flushall")
"""What these hit runs no fleet."""
RETRY_SECONDS = 0.1
"""Until the next look where nothing was there to be hit."""
UNDISTURBED_SECONDS = 900.0
SETTLE_SECONDS = 180.0
"""When the faults are over, jobs are stuck if nothing happens to any for so long."""


@dataclass
class Fault:
    """One thing that happened."""

    kind: str
    at: float
    hit: dict[str, Pulse]
    """The fleets that it hit, as they were."""
    event: int
    """The last event before it."""
    recovered: float | None = None
    """Seconds until these ran again."""

    @property
    def froze(self) -> bool:
        """Whether what it hit may go on under the same token."""
        return self.kind.startswith("freeze")

    def is_over(self, rows: Rows) -> bool:
        """Whether what it hit goes on."""
        if self.kind in SERVES:
            return rows.latest() > self.event
        now = rows.pulses([*self.hit])
        return all(now[fleet].went_on(was, frozen=self.froze) for fleet, was in self.hit.items())


class Faults:
    """Does them, and keeps what died alive again."""

    def __init__(self, here: Place, rows: Rows, seed: int) -> None:
        self._here, self._rows, self._random = here, rows, random.Random(seed)
        self._owners: set[int] = set()
        """Numbers of the processes that the fault at hand hit."""
        self._waking: list[tuple[float, list[psutil.Process]]] = []
        self.done: list[Fault] = []
        self.kinds: dict[str, Callable[[], bool]] = {
            "kill trainer": lambda: self._kill(self._trainers()),
            "kill standby": lambda: self._kill(self._standbys()),
            "kill supervisor": lambda: self._kill(self._below_workers(1)),
            "kill worker": lambda: self._kill_part(self._random.choice(here.workers)),
            "kill redis": lambda: self._kill_part(here.redis),
            "kill api": lambda: self._kill_part(here.api),
            "flushall": self._flush,
            "freeze trainer": lambda: self._freeze(self._trainers(), tree=False),
            "freeze supervisor": lambda: self._freeze(self._holders(), tree=True),
        }
        self._order: list[str] = []

    def next(self) -> bool:
        """Do one, each kind as often as the others, in a random order; false where none can be."""
        if not self._order:
            self._order = sorted(self.kinds)
            self._random.shuffle(self._order)
        for kind in list(self._order):
            at, event, running = time.monotonic(), self._rows.latest(), self._rows.running()
            self._owners = set()
            if self.kinds[kind]():
                self._order.remove(kind)
                hit = {
                    fleet: pulse for fleet, pulse in running.items() if pulse.pid in self._owners
                }
                self.done.append(Fault(kind, at, running if kind in SERVES else hit, event))
                return True
        return False

    def watch(self) -> None:
        """Note what has recovered."""
        for fault in self.done:
            if fault.hit and fault.recovered is None and fault.is_over(self._rows):
                fault.recovered = time.monotonic() - fault.at

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
        """Those of fleets that run."""
        return [each for each in self._below_workers(3) if self._owned(each) & self._running()]

    def _standbys(self) -> list[psutil.Process]:
        return self._below_workers(2)

    def _holders(self) -> list[psutil.Process]:
        """Supervisors whose fleet runs."""
        return [each for each in self._below_workers(1) if each.pid in self._running()]

    def _running(self) -> set[int]:
        return {pulse.pid for pulse in self._rows.running().values()}

    def _owned(self, process: psutil.Process) -> set[int]:
        """The numbers of a process, of those above it and of those below it."""
        with suppress(psutil.NoSuchProcess):
            family = [process, *process.parents(), *process.children(recursive=True)]
            return {member.pid for member in family}
        return set()

    def _kill(self, found: list[psutil.Process]) -> bool:
        if not found:
            return False
        one = self._random.choice(found)
        self._owners = self._owned(one)
        return _signal([one], signal.SIGKILL)

    def _kill_part(self, part: Any) -> bool:
        if not part.is_running:
            return False
        self._owners = self._owned(part.process)
        part.kill()
        return True

    def _flush(self) -> bool:
        with suppress(redis.RedisError):
            url = self._here.api.environment["PARSIMONY_REDIS_URL"]
            with redis.Redis.from_url(url, socket_timeout=2) as client:
                client.flushall()
                return True
        return False

    def _freeze(self, found: list[psutil.Process], *, tree: bool) -> bool:
        if not found:
            return False
        one = self._random.choice(found)
        self._owners = self._owned(one)
        sleepers = [one]
        with suppress(psutil.NoSuchProcess):
            sleepers += one.children(recursive=True) if tree else []
        if not _signal(sleepers, signal.SIGSTOP):
            return False
        pause = LEASE_SECONDS * self._random.uniform(*FREEZE_LEASES)
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
            wait(rows, [job], UNDISTURBED_SECONDS)
            state, why = rows.state(job)
            if state != State.SUCCEEDED:
                raise RuntimeError(f"the undisturbed {name} {state}: {why}")
            twins[name] = rows.hashes(job)
        print(
            f"\n{kind}: {len(JOBS)} undisturbed jobs in {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        client.accepted.clear()
        faults = _disturb(here, rows, client, options)
        open_jobs = [posted.job for posted in client.accepted]
        settling = moved = time.monotonic()
        latest = rows.latest()
        while rows.open(open_jobs) and time.monotonic() < moved + SETTLE_SECONDS:
            if rows.latest() != latest:
                latest, moved = rows.latest(), time.monotonic()
            faults.mend()
            faults.watch()
            time.sleep(0.1)
        kept = _scorecard(here, rows, client, faults, twins, time.monotonic() - settling)
        if options.keep_logs:
            print(here.said())
        return kept


def _disturb(here: Place, rows: Rows, client: Client, options: argparse.Namespace) -> Faults:
    faults = Faults(here, rows, options.seed)
    pauses = random.Random(options.seed + 1)
    ended = threading.Event()
    posting = threading.Thread(target=client.keep_posting, args=(ended, options.seed + 2))
    posting.start()
    until = time.monotonic() + 60 * options.minutes
    due = time.monotonic() + 3.0
    try:
        while time.monotonic() < until:
            faults.mend()
            faults.watch()
            if time.monotonic() >= due:
                done = faults.next()
                due = time.monotonic() + (pauses.uniform(*FAULT_SECONDS) if done else RETRY_SECONDS)
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
    trainers, supervisors = said.count(": stale"), said.count("was taken from this worker")
    fenced = trainers + supervisors
    counted = Counter(fault.kind for fault in faults.done)
    missing = sorted(set(faults.kinds) - set(counted))
    events = rows.events()
    print(f"accepted {len(states)}, finished {len(finished)}, all ended {settled:.0f} s after it")
    print(f"lost {lost}, twice {twice}, wrongly failed {len(failed)}, stuck {stuck}")
    print(f"stale writes fenced {fenced}: {trainers} of trainers, {supervisors} of supervisors")
    print(f"identical to undisturbed twins {same}/{len(finished)}")
    told = ", ".join(f"{status or 'no answer'}: {n}" for status, n in client.refused.items())
    print(f"other answers to POST: {told or 'none'}; the slowest answer {client.slowest:.1f} s")
    kinds = ("resumed", "crashed", "lease_lost", "released", "checkpoint_damaged", "waiting")
    print("events: " + ", ".join(f"{kind} {events[kind]}" for kind in kinds))
    print(f"{'fault':<20}{'times':>6}{'hit a fleet':>12}{'recovery p50 s':>16}{'max s':>8}")
    for kind in faults.kinds:
        took = sorted(
            fault.recovered
            for fault in faults.done
            if fault.kind == kind and fault.hit and fault.recovered is not None
        )
        middle = f"{took[len(took) // 2]:.1f}" if took else "-"
        most = f"{took[-1]:.1f}" if took else "-"
        hit = sum(fault.kind == kind and bool(fault.hit) for fault in faults.done)
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
