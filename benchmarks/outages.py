"""Outages, one at a time, beside running and newly posted jobs: what is answered, what is lost.

    python benchmarks/outages.py [--seconds 90] [--only "S3 refused" …] [--workers 2]

For each: jobs are posted before it, all along it, and after it. It shall be seen that

* every POST is answered or refused within 2 s, and what was answered 202 is there (no false 202);
* `/readyz` names the part within 10 s;
* no job fails, and all come to their end by themselves after it;
* a job that waits says for what.

Some need a user who may mount, a PostgreSQL or an S3 server; what cannot be done is said.
"""

import argparse
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import torch
from _chaos_jobs import JOBS, Client, Rows
from _chaos_outages import OUTAGES, CannotBeDoneError, Outage
from _chaos_place import Place, place
from _serving import prepare_to_run
from _shared import machine

from worker.storage.states import State

SETTLE_SECONDS = 120.0
"""After an outage jobs have come to a stand when nothing happens to any for so long: pauses grow up
to a minute."""
KINDS = sorted(set(JOBS) - {"long"})
"""Those that are posted: others would only wait for their turn."""
LONGEST_ANSWER, LONGEST_SILENCE = 2.0, 10.0


@dataclass
class Watch:
    """What the service says all along."""

    here: Place
    outage: Outage
    jobs: list[str]
    named: float | None = None
    """Seconds after which `/readyz` named the part."""
    waited_for: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Of `/readyz`."""

    def run(self, ended: threading.Event) -> None:
        """Ask until it is over."""
        begun = time.monotonic()
        while not ended.wait(0.5):
            asked = time.monotonic()
            with suppress(httpx.TransportError):
                answer = httpx.get(f"{self.here.url}/readyz", timeout=15)
                self.slowest = max(self.slowest, time.monotonic() - asked)
                if self.named is None and self.outage.part in unfit(answer):
                    self.named = time.monotonic() - begun
            for job in self.jobs[-3:]:
                with suppress(httpx.TransportError):
                    answer = httpx.get(f"{self.here.url}/v1/jobs/{job}", timeout=15)
                    if answer.status_code == httpx.codes.OK and answer.json().get("waiting_for"):
                        self.waited_for[answer.json()["waiting_for"]] += 1


def unfit(answer: httpx.Response) -> set[str]:
    """The parts that `/readyz` says cannot be used, whatever its status."""
    return set(answer.json().get("failed", ()))


def run(here: Place, outage: Outage, rows: Rows, seconds: float) -> bool:
    """One outage; whether all was kept."""
    before = Client(here.url)
    for kind in ("plain", "folds"):
        before.post(kind, time.monotonic() + 60)
    client = Client(here.url, patience=1)
    ended = threading.Event()
    jobs = [posted.job for posted in before.accepted]
    watch = Watch(here, outage, jobs)
    begun = time.monotonic()
    with outage.begin(here):
        watching = threading.Thread(target=watch.run, args=(ended,))
        watching.start()
        number = 0
        while time.monotonic() - begun < seconds:
            here.mend()
            job = client.post(KINDS[number % len(KINDS)], time.monotonic() + 0.01)
            if job is not None:
                jobs.append(job)
                number += 1
            time.sleep(2.0 if job is None else 6.0)
        ended.set()
        watching.join()
    over = time.monotonic()
    after = Client(here.url)
    after.post("plain", time.monotonic() + 60)
    promised = [posted.job for one in (before, client, after) for posted in one.accepted]
    seen, moved = rows.latest(), time.monotonic()
    while time.monotonic() < moved + SETTLE_SECONDS and rows.open(promised):
        here.mend()
        if (latest := rows.latest()) != seen:
            seen, moved = latest, time.monotonic()
        time.sleep(0.5)
    states = [rows.state(job) for job in promised]
    false = sum(state is None for state, _ in states)
    failed = [why for state, why in states if state == State.FAILED]
    stuck = sum(state not in (State.SUCCEEDED, State.FAILED, None) for state, _ in states)
    in_time = client.slowest <= LONGEST_ANSWER
    told_in_time = watch.named is not None and watch.named <= LONGEST_SILENCE
    kept = not (false or failed or stuck) and in_time and told_in_time
    told = "never" if watch.named is None else f"{watch.named:.1f} s"
    refused = ", ".join(f"{status or 'no answer'} × {n}" for status, n in client.refused.items())
    print(
        f"{outage.name:<32}{len(client.accepted):>9}{refused or '-':>22}{client.slowest:>9.2f}"
        f"{false:>7}{len(failed):>7}{stuck:>7}{told:>9}{time.monotonic() - over:>9.0f}"
        f"  {'kept' if kept else 'MISSED'}",
        flush=True,
    )
    for why in failed[:3]:
        print(f"    failed: {why}")
    for why, times in watch.waited_for.most_common(2):
        print(f"    waited for {why!r} ({times} times seen)")
    return kept


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="One part of the place is lost for a while.")
    parser.add_argument("--seconds", type=float, default=90.0, help="of each outage")
    parser.add_argument("--only", nargs="+", default=[], help="names of outages")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    prepare_to_run()
    print(machine(torch.get_num_threads()))
    print(
        f"{'outage of ' + format(options.seconds, 'g') + ' s':<32}{'accepted':>9}"
        f"{'other answers':>22}{'slowest':>9}{'false':>7}{'failed':>7}{'stuck':>7}{'told':>9}"
        f"{'after s':>9}"
    )
    kept = True
    for kind in ("sqlite", "postgresql"):
        chosen = [
            each
            for each in OUTAGES
            if each.on == kind and (not options.only or each.name in options.only)
        ]
        if not chosen:
            continue
        with place(kind, options.workers) as here:
            rows = Rows(here.database_url)
            for outage in chosen:
                try:
                    kept = run(here, outage, rows, options.seconds) and kept
                except CannotBeDoneError as error:
                    print(f"{outage.name:<32}cannot be done here: {error}")
    print("\nall was kept" if kept else "\nNOT ALL WAS KEPT")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
