"""Overload: what is answered, and how fast the rest is refused, when too much is asked.

    python benchmarks/overload.py [--seconds 5] [--deadline 1] [--rows 64] [--levels 1 3 10]

Open loop: requests begin by a schedule (exponential gaps, the same each run), whether or not
earlier ones were answered, as those of many independent users do. A closed loop, in which each
client waits for its answer, slows down with the server and never overloads it. Latency counts from
the moment at which a request was due until this client noticed the answer, so a client that falls
behind cannot hide it.

This client shares the processors with the server, and is late where both together take all there
are. So of refusals there are two figures: all of that time, and the server's part of it, from the
moment at which the request was given to the kernel to that at which the kernel had the last byte of
the answer, by its own timestamp. The difference is this client's, and in the table too: by how much
it was behind in sending (99 %), and how long answers lay in the kernel until it noticed them
(99 %). What this client and the server took of the processors stands beside it (1 is one whole
processor).

The capacity is measured by a closed loop of 8 clients first. Then 1, 3 and 10 times as much, on

* a network 20-1024-1024-10 with some rows a request, whose computing is the limit;
* a network 20-256-256-10 with one row a request, where HTTP itself is. There this client is the
  limit beyond some thousand requests a second, on as few processors: see the column ``sent/s``.

Goodput is answers 200 within the deadline, a second. Refusals are 503 with Retry-After; every other
answer, a refusal without Retry-After and a lost connection are faults. Late are 200s past the
deadline. Unsent are requests for which all connections of this client waited for an answer. The
server has its default settings, by which what it accepts is answered within a second; --deadline
is only what this client judges by, unless --header names the request header by which it is told to
the server too.
"""

import argparse
import gc
import json
import os
import time
from dataclasses import dataclass

import numpy as np
import torch
from _client import raw
from _load import Asked, Generator
from _serving import Server, decimals, prepare_to_run, rows, trained
from _shared import machine

CLIENTS = 8
MOST_CONNECTIONS = 900
"""Below what the server keeps by default: its own limit on connections is not the subject."""
MOST_SENT = 20_000
"""Requests a second that this client does not try to exceed."""


@dataclass(frozen=True)
class Load:
    """What one level brought."""

    name: str
    offered: float
    """Requests a second that were to be sent."""
    sent: float
    """Requests a second that were sent."""
    good: list[float]
    """Seconds of each answer 200 within the deadline."""
    late: int
    refused: list[float]
    """Seconds of each refusal with Retry-After."""
    refused_by_server: list[float]
    """The server's part of each of them."""
    faults: int
    unsent: int
    """Requests for which this client had no connection."""
    behind: float
    """Milliseconds by which this client was late in sending, 99th percentile."""
    unnoticed: float
    """Milliseconds for which answers lay in the kernel, 99th percentile."""
    seconds: float
    client: float
    """Part of one processor that this client took."""
    server: float
    """Part of one processor that the server took."""

    @property
    def goodput(self) -> float:
        """Answers within the deadline, a second."""
        return len(self.good) / self.seconds


def judged(
    name: str,
    asked: list[Asked],
    deadline: float,
    scheduled: float,
    seconds: float,
    worked: tuple[float, float],
) -> Load:
    """Sort what came back: sent over some scheduled seconds, answered over some more."""
    sent = [one for one in asked if one.sent]
    right = [one for one in sent if one.status == 200]
    refused = [one for one in sent if one.status == 503 and one.retry_after]
    good = [one.seconds for one in right if one.seconds <= deadline]
    return Load(
        name=name,
        offered=len(asked) / scheduled,
        sent=len(sent) / scheduled,
        good=good,
        late=len(right) - len(good),
        refused=[one.seconds for one in refused],
        refused_by_server=[one.of_server for one in refused],
        faults=len(sent) - len(right) - len(refused),
        unsent=len(asked) - len(sent),
        behind=percentile([one.behind for one in sent], 99),
        unnoticed=percentile([one.unnoticed for one in sent if one.status], 99),
        seconds=seconds,
        client=worked[0] / seconds,
        server=worked[1] / seconds,
    )


def percentile(seconds: list[float], percent: float) -> float:
    """In milliseconds; not a number if there are none."""
    return float(np.percentile(seconds, percent)) * 1000 if seconds else float("nan")


def schedule(rate: float, seconds: float) -> list[float]:
    """Moments of requests: exponential gaps, the same each run."""
    gaps = np.random.default_rng(0).exponential(1 / rate, round(rate * seconds))
    return np.cumsum(gaps).tolist()


def levels(server: Server, request: bytes, options: argparse.Namespace, most: int) -> list[Load]:
    """The capacity, then each level."""
    generator = Generator(server.port, request, most)
    generator.closed_loop(CLIENTS, 2.0)  # warms up
    gc.collect()
    gc.disable()
    before = worked(server)
    asked = generator.closed_loop(CLIENTS, options.seconds)
    seconds = options.seconds
    found = [
        judged(
            f"{CLIENTS} clients", asked, options.deadline, seconds, seconds, since(before, server)
        )
    ]
    capacity = max(1.0, found[0].goodput)
    for factor in options.levels:
        rate = min(MOST_SENT, factor * capacity)
        moments = schedule(rate, options.seconds)
        before = worked(server)
        asked = generator.open_loop(moments)
        both = since(before, server)
        took = seconds_until_answered(asked, seconds)
        found.append(judged(f"{factor:g} x capacity", asked, options.deadline, seconds, took, both))
        gc.collect()
        generator.closed_loop(1, 0.5)  # lets the queue drain
    gc.enable()
    generator.close()
    return found


def worked(server: Server) -> tuple[float, float]:
    """Seconds of the processors that this client and the server have taken so far."""
    return time.process_time(), server.processor_seconds()


def since(before: tuple[float, float], server: Server) -> tuple[float, float]:
    """What they took since then."""
    client, other = worked(server)
    return client - before[0], other - before[1]


def seconds_until_answered(asked: list[Asked], scheduled: float) -> float:
    """From the first request to the last answer: a queue that has filled is still being answered
    after the last request.
    """
    last = max(one.noticed for one in asked)
    return max(scheduled, (last - asked[0].due) * 1e-9)


def table(title: str, found: list[Load]) -> None:
    """Print it."""
    print(
        f"\n{title}\n{'':<14}{'sent/s':>8}{'good/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'late':>6}"
        f"{'refused/s':>11}{'p50 ms':>8}{'p99 ms':>8}{'server p99':>12}{'faults':>8}{'unsent':>8}"
        f"{'behind ms':>11}{'unnoticed':>11}{'client':>8}{'server':>8}"
    )
    for load in found:
        print(
            f"{load.name:<14}{load.sent:>8,.0f}{load.goodput:>8,.0f}"
            f"{percentile(load.good, 50):>8.1f}{percentile(load.good, 99):>8.1f}{load.late:>6}"
            f"{len(load.refused) / load.seconds:>11,.0f}{percentile(load.refused, 50):>8.1f}"
            f"{percentile(load.refused, 99):>8.1f}{percentile(load.refused_by_server, 99):>12.1f}"
            f"{load.faults:>8}{load.unsent:>8}{load.behind:>11.1f}{load.unnoticed:>11.1f}"
            f"{load.client:>8.2f}{load.server:>8.2f}"
        )


def bars(found: list[Load]) -> None:
    """Print what was to be reached, and whether it was."""
    peak = max(load.goodput for load in found)
    for load in found[1:]:
        if load.offered < 1.5 * peak:
            continue  # no overload
        share = load.goodput / peak
        p99 = percentile(load.refused, 99)
        of_server = percentile(load.refused_by_server, 99)
        for what, value, reached in (
            ("goodput / peak, at least .9", f"{share:.2f}", share >= 0.9),
            ("p99 of refusals, under 50 ms", f"{p99:.1f}", p99 < 50),
            ("  without this client's lag", f"{of_server:.1f}", of_server < 50),
            ("accepted past their deadline, 0", str(load.late), load.late == 0),
            ("faults and unsent, 0", str(load.faults + load.unsent), not load.faults + load.unsent),
        ):
            print(f"{load.name:<14}{what:<34}{value:>8}  {'reached' if reached else 'MISSED'}")


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description="What happens beyond the capacity.")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each level")
    parser.add_argument("--deadline", type=float, default=1.0, help="seconds")
    parser.add_argument("--header", help="request header that tells the server the deadline")
    parser.add_argument("--rows", type=int, default=64, help="of a request to the large network")
    parser.add_argument("--levels", type=float, nargs="+", default=[1.0, 3.0, 10.0])
    parser.add_argument("--connections", type=int, default=MOST_CONNECTIONS)
    options = parser.parse_args()
    prepare_to_run()
    print(machine(torch.get_num_threads()))
    headers = {"Content-Type": "application/json"}
    if options.header:
        headers[options.header] = f"{options.deadline:g}"
    with trained({"small": [256, 256], "large": [1024, 1024]}) as model:
        server = model.api()
        try:
            for name, count in (("large", options.rows), ("small", 1)):
                body = json.dumps({"instances": decimals(rows(count))}).encode()
                request = raw(f"/v1/models/{name}/predict", body, headers)
                found = levels(server, request, options, options.connections)
                table(f"{name} network, {count} row(s) a request, {len(body):,} bytes", found)
                bars(found)
        finally:
            server.stop()
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
