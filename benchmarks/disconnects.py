"""A thousand clients that leave in the middle, beside steady ones whose answers are compared.

    python benchmarks/disconnects.py [--disconnects 1000] [--steady 8]

A client leaves at a random moment: within the head, within the body, or while it waits for its
answer; by closing or by a reset. The steady clients send a row each, again and again; each answer
must be what it was before, byte by byte, though rows of different requests are computed together.
Afterwards the server must have no more open descriptors than before.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import struct
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import uvloop
from _client import Pool, raw
from _serving import Server, decimals, prepare_to_run, resident_bytes, rows, trained
from _shared import machine

HEADERS = {"Content-Type": "application/json"}
AT_ONCE = 4
SHORTEST, LONGEST = 0.0001, 0.1
"""Seconds after which a client leaves; their logarithm is drawn evenly."""
SETTLE_SECONDS = 3.0
WARMING = 200
MOMENTS = ("in the head", "in the body", "waiting")


def descriptors(server: Server) -> int:
    """Open descriptors of a server's processes."""
    return sum(len(list(Path(f"/proc/{one.pid}/fd").iterdir())) for one in server.members())


async def settled(server: Server, expected: int) -> int:
    """Open descriptors once they are as few as expected, or have not changed for a while."""
    deadline = time.monotonic() + SETTLE_SECONDS
    found = descriptors(server)
    while found > expected and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        now = descriptors(server)
        if now < found:
            deadline = time.monotonic() + SETTLE_SECONDS
        found = now
    return found


class Steady:
    """Clients that stay."""

    def __init__(self, port: int, count: int) -> None:
        self.pool = Pool(port, count)
        self.requests = [request([row]) for row in decimals(rows(count))]
        self.expected: list[bytes] = []
        self.stopped = False
        self.seconds: list[float] = []
        self.failed = self.different = 0

    async def prepare(self) -> None:
        """What the answers are while nobody disturbs: the same five times."""
        for one in self.requests:
            answers = [await self.pool.ask(one) for _ in range(5)]
            bodies = {answer.body for answer in answers if answer and answer.status == 200}
            if len(bodies) != 1:
                raise SystemExit(f"a row has {len(bodies)} answers: {answers[0]}")
            self.expected += bodies

    async def ask_all(self) -> None:
        """Each row once, at the same time, on as many connections as there will be."""
        await asyncio.gather(*(self.pool.ask(one) for one in self.requests))

    async def ask(self, number: int) -> None:
        """Ask for one row until it is told to stop."""
        while not self.stopped:
            begun = time.monotonic()
            answer = await self.pool.ask(self.requests[number])
            self.seconds.append(time.monotonic() - begun)
            if answer is None or answer.status != 200:
                self.failed += 1
            elif answer.body != self.expected[number]:
                self.different += 1


def request(instances: list[list[float]]) -> bytes:
    """A request to predict."""
    body = json.dumps({"instances": instances}).encode()
    return raw("/v1/models/m/predict", body, HEADERS)


async def leave(port: int, sent: bytes, draw: random.Random) -> str:
    """Connect, send a part or all, and leave; the moment."""
    moment = draw.choice(MOMENTS)
    head = sent.index(b"\r\n\r\n") + 4
    end = {
        "in the head": draw.randrange(0, head),
        "in the body": draw.randrange(head, len(sent)),
        "waiting": len(sent),
    }[moment]
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    if draw.random() < 0.5:  # by a reset instead of an end
        connected = writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.write(sent[:end])
    await asyncio.sleep(SHORTEST * (LONGEST / SHORTEST) ** draw.random())
    writer.transport.abort()
    return moment


async def run(server: Server, options: argparse.Namespace) -> None:
    """Disturb, and print what the steady clients saw."""
    steady = Steady(server.port, options.steady)
    await steady.prepare()
    draw = random.Random(0)
    sent = request(decimals(rows(4, seed=2)))
    moments: Counter[str] = Counter()
    allowed = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with allowed:
            moments[await leave(server.port, sent, draw)] += 1

    # Some beforehand, so that what the server opens for that many at once counts as open.
    await asyncio.gather(*(one() for _ in range(WARMING)), steady.ask_all())
    await settled(server, 0)
    moments.clear()
    before, memory = descriptors(server), resident_bytes(server)
    asking = [asyncio.create_task(steady.ask(number)) for number in range(options.steady)]

    begun = time.monotonic()
    await asyncio.gather(*(one() for _ in range(options.disconnects)))
    took = time.monotonic() - begun
    steady.stopped = True
    await asyncio.gather(*asking)
    after = await settled(server, before)
    said = ", ".join(f"{moments[moment]} {moment}" for moment in MOMENTS)
    print(f"{options.disconnects} clients left within {took:.1f} s: {said}")
    print(
        f"steady clients: {len(steady.seconds):,} answers, {steady.failed} failed, "
        f"{steady.different} different; p50 {np.percentile(steady.seconds, 50) * 1000:.1f} ms, "
        f"p99 {np.percentile(steady.seconds, 99) * 1000:.1f} ms"
    )
    print(
        f"descriptors {before} before, {after} after; resident memory "
        f"{memory / 2**20:.0f} MiB before, {resident_bytes(server) / 2**20:.0f} MiB after"
    )
    for what, reached in (
        ("no steady client disturbed", steady.failed == steady.different == 0),
        ("no descriptor leaked", after <= before),
    ):
        print(f"{what:<34}{'reached' if reached else 'MISSED'}")
    steady.pool.close()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Clients that leave in the middle.")
    parser.add_argument("--disconnects", type=int, default=1000)
    parser.add_argument("--steady", type=int, default=8)
    options = parser.parse_args()
    prepare_to_run()
    print(machine(torch.get_num_threads()))
    with trained({"m": [256, 256]}) as model:
        server = model.api()
        try:
            uvloop.run(run(server, options))
        finally:
            server.stop()
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
