"""Requests a second, and how long an answer takes: this server, a bare one, and its peers.

    python benchmarks/serve.py [--seconds 1] [--rounds 3] [--connections 1 32] [--processes 1 2]
                               [--peers | --no-peers]

One row of 20 numbers a request, a network 20-256-256-10 with batch norm and dropout .2 in hidden
layers; one server process, then two. Contenders:

* ``bare ASGI``: uvicorn with uvloop and httptools; reads the body and answers fixed bytes, as many
  as this server's answer has. Nothing written in Python on such a server is faster: the ceiling;
* ``plain FastAPI``: the server that everyone writes, with pydantic and torch, by ``async def`` and
  by ``def``, which the framework runs in threads;
* this server at each of its doors, its model trained here through ``POST /v1/jobs``;
* LitServe, MLServer and BentoML as their documentation begins, where they are installed:
  ``--peers`` installs them below build/, ``--no-peers`` leaves them out.

Requests come from wrk on the same machine, and a shared machine's speed drifts by half. So all
servers are up at once, each round measures all in turn, ratios are of the same round, and figures
are medians over the rounds. The processor time for an answer, of all of a server's processes,
drifts least; the kernel counts it in hundredths of a second.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from _contenders import (
    ARRAYS,
    BARE,
    PACKAGES,
    PLAIN,
    RECORDS,
    Contender,
    ask,
    bare,
    install,
    ours,
    peer,
    plain,
)
from _serving import NotThereError, Server, Trained, prepare_to_run, trained
from _shared import machine
from _wrk import Request, Sample, find, measure

WARM_SECONDS = 1.0


@dataclass
class Row:
    """A row of the table: a server, a request, and what was measured."""

    name: str
    server: Server
    request: Request
    samples: list[Sample] = field(default_factory=list)

    def median(self, of: Callable[[Sample], float]) -> float:
        """Over the rounds."""
        return statistics.median(of(sample) for sample in self.samples)

    def against(self, other: "Row", of: Callable[[Sample], float] = lambda s: s.rate) -> float:
        """The median over the rounds of the ratio in the same round."""
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(of(mine) / of(theirs) for mine, theirs in pairs)


class Absent(list[tuple[str, str]]):
    """What could not be measured, and why."""


@contextmanager
def standing(contenders: list[Contender], processes: int, absent: Absent) -> Iterator[list[Row]]:
    """All servers up and asked once, with a row for each request."""
    with ExitStack() as stack:
        started: list[tuple[Contender, Server]] = []
        for contender in contenders:
            try:
                server = contender.start(processes)
            except NotThereError as error:
                absent += [(name, str(error)) for name in contender.requests]
                continue
            stack.callback(server.stop)
            started.append((contender, server))
        rows: list[Row] = []
        for contender, server in started:
            for name, request in contender.requests.items():
                try:
                    server.wait_until_answering(request.path, request.body)
                    ask(server, request)
                    measure(server, request, 8, WARM_SECONDS)
                except NotThereError as error:
                    absent.append((name, str(error)))
                else:
                    rows.append(Row(name, server, request))
        yield rows


def idle(rows: list[Row]) -> float:
    """The share of a processor that servers take while nobody asks."""
    servers = {row.server.port: row.server for row in rows}.values()
    before = sum(server.processor_seconds() for server in servers)
    time.sleep(2.0)
    return (sum(server.processor_seconds() for server in servers) - before) / 2.0


def table(rows: list[Row], connections: int, processes: int) -> None:
    """Print what was measured."""
    title = f"{processes} process{'es' * (processes > 1)}, {connections} connection(s)"
    print(
        f"\n{title:<26}{'requests/s':>11}{'least':>8}{'most':>8}{'p50 ms':>9}{'p99 ms':>9}"
        f"{'of bare':>9}{'µs CPU':>8}{'errors':>8}"
    )
    ceiling = next((row for row in rows if row.name == BARE), None)
    for row in rows:
        rates = [sample.rate for sample in row.samples]
        share = f"{row.against(ceiling):.0%}" if ceiling else ""
        print(
            f"{row.name:<26}{row.median(lambda s: s.rate):>11,.0f}{min(rates):>8,.0f}"
            f"{max(rates):>8,.0f}{row.median(lambda s: s.p50):>9.2f}"
            f"{row.median(lambda s: s.p99):>9.2f}{share:>9}"
            f"{row.median(lambda s: s.processor):>8.0f}"
            f"{sum(sample.errors for sample in row.samples):>8}"
        )


def bars(rows: list[Row]) -> None:
    """Print what was to be reached by one process with the most connections, and whether it was."""
    by_name = {row.name: row for row in rows}
    if not {BARE, PLAIN, RECORDS, ARRAYS} <= set(by_name):
        print("\nThe bars cannot be judged: a server is missing.")
        return
    ceiling, written = by_name[BARE], by_name[PLAIN]
    arrays, records = by_name[ARRAYS], by_name[RECORDS]
    failed = sum(sample.errors for row in rows for sample in row.samples)
    print("\nBars, one process, most connections")
    for what, found, least in (
        ("arrays, share of bare", arrays.against(ceiling), 0.35),
        ("arrays, share of bare (aim)", arrays.against(ceiling), 0.50),
        ("arrays, times plain async", arrays.against(written), 2.0),
        ("records, share of bare", records.against(ceiling), 0.25),
    ):
        print(f"{what:<34}{found:>8.2f}  at least {least:<6}{_verdict(found >= least)}")
    for row in (arrays, records):
        ratio = row.against(written, lambda sample: sample.p99)
        what = f"p99 of {row.name.split(', ')[1]} / plain async's"
        print(f"{what:<34}{ratio:>8.2f}  at most  {1.0:<6}{_verdict(ratio <= 1.0)}")
    print(f"{'errors':<34}{failed:>8}  at most  {0:<6}{_verdict(failed == 0)}")


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def run(model: Trained, options: argparse.Namespace, packages: list[str], absent: Absent) -> None:
    """All tables."""
    with ExitStack() as stack:
        server = model.api()
        stack.callback(server.stop)
        size = len(ask(server, ours(model).requests[ARRAYS]).content)
    contenders = [bare(size), plain(), ours(model), *map(peer, packages)]
    judged: list[Row] = []
    for processes in options.processes:
        missing = Absent()
        with standing(contenders, processes, missing) as rows:
            print(f"\nIdle servers take {idle(rows):.1%} of a processor.")
            for connections in options.connections:
                for row in rows:
                    row.samples = []
                for _ in range(options.rounds):
                    for row in rows:
                        sample = measure(row.server, row.request, connections, options.seconds)
                        row.samples.append(sample)
                table(rows, connections, processes)
                if (processes, connections) == (1, max(options.connections)):
                    judged = [Row(row.name, row.server, row.request, row.samples) for row in rows]
        for name, why in missing:
            print(f"{name:<26}{why}")
        absent += missing
    bars(judged)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="How fast predictions are served.")
    parser.add_argument("--seconds", type=int, default=1, help="of each measurement, whole")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        help="install LitServe, MLServer and BentoML; without it those that are installed run",
    )
    options = parser.parse_args()
    prepare_to_run()
    find()
    absent = Absent()
    packages = [] if options.peers is False else list(PACKAGES)
    if options.peers:
        for package in PACKAGES:
            try:
                install(package, torch.__version__.partition("+")[0])
            except NotThereError as error:
                absent.append((PACKAGES[package], str(error)))
    print(machine(torch.get_num_threads()))
    with trained({"m": [256, 256]}) as model:
        run(model, options, packages, absent)
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
