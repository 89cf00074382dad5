"""Hundreds of watchers of one job: does each hear every event, in order, and how soon?

    python benchmarks/watchers.py [--watchers 500] [--events 400]

The job wishes for a GPU that is not there, so that it waits; pausing and resuming it writes lines
into its log. Half of the watchers leave in the middle, at moments of their own, and come back with
`Last-Event-ID`. A line's delay is the time from when it is written, before its commit, to when a
watcher has it; server, database and all watchers share this machine.
"""

import argparse
import asyncio
import random
import time
from datetime import datetime
from urllib.parse import urlsplit

import httpx
import numpy as np
import orjson
from _shared import listener, machine

from service.installation import installation

SPEC = {"dataset": {"builtin": "circle"}, "device": "gpu", "name": "watched"}
GAP_SECONDS = 0.05
"""Between two requests that write lines."""


class Watcher:
    """One reader of the stream, which may leave once and come back."""

    def __init__(self, address: str, job_id: str, leaves_after: int | None) -> None:
        self._host, self._port = urlsplit(address).hostname, urlsplit(address).port
        self._job_id, self._leaves_after = job_id, leaves_after
        self.ids: list[int] = []
        self.delays: list[float] = []
        self.connections = 0
        self.ended = False
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Read until the job has ended."""
        while not self.ended:
            await self._connection()

    async def _connection(self) -> None:
        self.connections += 1
        reader, writer = await asyncio.open_connection(self._host, self._port)
        last = f"Last-Event-ID: {self.ids[-1]}\r\n" if self.ids else ""
        writer.write(
            f"GET /v1/jobs/{self._job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Accept: text/event-stream\r\n{last}\r\n".encode()
        )
        behind = bool(self.ids)  # what it has missed meanwhile says nothing about delays
        number = 0
        try:
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    number = int(line[4:])
                elif line.startswith(b"event: job"):
                    behind = False
                    self.ready.set()
                elif line.startswith(b"event: end"):
                    self.ended = True
                    return
                elif line.startswith(b"data: ") and number:
                    self._have(number, line[6:], behind or not self.ready.is_set())
                    number = 0
                    if self._leaves_after is not None and len(self.ids) >= self._leaves_after:
                        self._leaves_after = None
                        return
        finally:
            writer.close()

    def _have(self, number: int, data: bytes, late: bool) -> None:
        self.ids.append(number)
        if not late:
            written = datetime.fromisoformat(orjson.loads(data)["created_at"]).timestamp()
            self.delays.append(time.time() - written)


async def write(address: str, job_id: str, events: int) -> list[int]:
    """Have so many lines written, then end the job; the ids of all its lines."""
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        path = f"/v1/jobs/{job_id}"
        for number in range(events // 2):
            verb = "resume" if number % 2 else "pause"
            (await client.post(f"{path}/{verb}")).raise_for_status()
            await asyncio.sleep(GAP_SECONDS)
        (await client.post(f"{path}/cancel")).raise_for_status()
        found: list[int] = []
        while True:
            after = found[-1] if found else 0
            page = (await client.get(f"{path}/events?after={after}&limit=100")).json()
            found += [line["id"] for line in page["data"]]
            if not page["has_more"]:
                return found


async def watched(address: str, job_id: str, count: int, events: int) -> None:
    """Watch, and say what was heard."""
    draw = random.Random(1)
    watchers = [
        Watcher(address, job_id, draw.randrange(2, max(3, events // 2)) if number % 2 else None)
        for number in range(count)
    ]
    tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
    await asyncio.gather(*(watcher.ready.wait() for watcher in watchers))
    server = listener(urlsplit(address).port)
    before, begun = sum(server.cpu_times()[:2]), time.monotonic()
    ids = await write(address, job_id, events)
    await asyncio.gather(*tasks)
    lasted = time.monotonic() - begun
    used = sum(server.cpu_times()[:2]) - before
    delays = np.concatenate([watcher.delays for watcher in watchers]) * 1000
    wrong = sum(watcher.ids != ids for watcher in watchers)
    again = sum(watcher.connections - 1 for watcher in watchers)
    print(f"{len(ids)} lines in {lasted:.0f} s to {count} watchers, {again} of which came back")
    print(f"watchers that missed a line, heard one twice or out of order: {wrong}")
    middle, late, last = np.percentile(delays, [50, 99, 100])
    print(
        f"delay: p50 {middle:.0f} ms, p99 {late:.0f} ms, longest {last:.0f} ms, n {delays.size:,}"
    )
    print(f"the server's processor time: {used:.1f} s, {100 * used / lasted:.0f} % of a core")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=500)
    parser.add_argument("--events", type=int, default=400)
    given = parser.parse_args()
    print(machine(1))
    with installation({"PARSIMONY_LOG_LEVEL": "error"}) as address:
        job_id = httpx.post(f"{address}/v1/jobs", json=SPEC).json()["id"]
        asyncio.run(watched(address, job_id, given.watchers, given.events))


if __name__ == "__main__":
    main()
