"""Predictions beside uploads that mean harm: how long they take, and what it costs in memory.

    python benchmarks/uploads.py [--rounds 4] [--seconds 10]

In turn, a client that asks for one row again and again is alone, and beside eight clients that send
what `tests/bombs.py` makes, and files that take as much memory as files of their size may. Memory
is looked at twenty times a second: that of the HTTP process, and of the process that readers are
forked from with all readers (proportional set size, what is shared counted once).
"""

import argparse
import io
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
from _shared import machine

from service.installation import installation

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.bombs import BOMBS

CLIENTS = 8
ROW = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
JOB = {
    "dataset": {"builtin": "iris"},
    "model": "iris",
    "network": {"kind": "mlp", "hidden": [16]},
    "training": {"epochs": 3},
}
PAUSE_SECONDS = 0.005
LOOK_SECONDS = 0.05
MIB = 2**20


def heavy() -> list[tuple[str, bytes]]:
    """Files that are read, and take what they may."""

    def packed(**arrays: np.ndarray) -> bytes:
        sink = io.BytesIO()
        np.savez_compressed(sink, **arrays)
        return sink.getvalue()

    rows = np.arange(60_000)
    numbers = packed(x=np.zeros((rows.size, 130)), y=rows % 2)
    pixels = packed(x=np.zeros((1_000, 256, 256), np.uint8), y=np.arange(1_000) % 2)
    text = b"a,b,y\n" + b"".join(b"%d.5,%d,%d\n" % (n, n, n % 2) for n in range(55_000))
    return [("numbers.npz", numbers), ("pixels.npz", pixels), ("rows.csv", text)]


class Memory:
    """The most that was seen in use."""

    def __init__(self, api: psutil.Process, forks: Callable[[], list[psutil.Process]]) -> None:
        self._api, self._forks = api, forks
        self.first = self.api = self.last = api.memory_info().rss
        self.readers = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.last = self._api.memory_info().rss
            self.api = max(self.api, self.last)
            self.readers = max(self.readers, sum(map(shared_size, self._forks())))

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()


def shared_size(process: psutil.Process) -> int:
    """Proportional set size; 0 of one that has ended."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


@dataclass
class Uploads:
    """What became of the uploads."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, url: str, files: list[tuple[str, bytes]], first: int, until: float) -> None:
        """Send one after the other, from one of them on, until a moment."""
        with httpx.Client(base_url=url, timeout=120) as client:
            place = first
            while time.monotonic() < until:
                name, data = files[place % len(files)]
                begun = time.monotonic()
                answer = client.post("/v1/datasets", files={"file": (name, data)})
                took = time.monotonic() - begun
                with self.lock:
                    self.statuses[answer.status_code] += 1
                    self.slowest = max(self.slowest, (took, name))
                if answer.status_code == 201:
                    client.delete(answer.headers["location"])
                place += CLIENTS


def predictions(client: httpx.Client, seconds: float) -> list[float]:
    """Milliseconds of each prediction of a time."""
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.perf_counter()
        client.post("/v1/models/iris/predict", json=ROW).raise_for_status()
        took.append(1e3 * (time.perf_counter() - begun))
        time.sleep(PAUSE_SECONDS)
    return took


def line(what: str, took: list[float]) -> str:
    """Quantiles in a row."""
    p50, p99 = np.percentile(took, (50, 99))
    return f"| {what} | {len(took):,} | {p50:.1f} | {p99:.1f} | {max(took):.1f} |"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print(machine(threads=1))
    files = [(bomb.name, bomb.data) for bomb in BOMBS if not bomb.form] + 6 * heavy()
    uploads, alone, beside = Uploads(), [], []
    with installation() as url, httpx.Client(base_url=url, timeout=60) as client:
        wait = {"Prefer": "wait=60"}
        client.post("/v1/jobs", json=JOB, headers=wait).raise_for_status()
        text = files[-1][1]
        client.post("/v1/datasets", files={"file": ("rows.csv", text)}).raise_for_status()
        predictions(client, 2.0)
        api = next(p for p in psutil.Process().children() if "up" in p.cmdline())
        forks = next(p for p in api.children() if "service.reading.forks" in p.cmdline())
        memory = Memory(api, lambda: [forks, *forks.children()])
        for _ in range(options.rounds):
            alone += predictions(client, options.seconds)
            until = time.monotonic() + options.seconds
            clients = [
                threading.Thread(target=uploads.send, args=(url, files, first, until))
                for first in range(CLIENTS)
            ]
            for each in clients:
                each.start()
            beside += predictions(client, options.seconds)
            for each in clients:
                each.join()
        predictions(client, 2.0)
        memory.stop()
    print("\n| predictions | n | p50 ms | p99 ms | max ms |\n| --- | ---: | ---: | ---: | ---: |")
    print(line("alone", alone))
    print(line(f"beside {CLIENTS} uploads at once", beside))
    print(f"\nuploads: {dict(uploads.statuses)}; slowest {uploads.slowest[0]:.1f} s: ", end="")
    print(uploads.slowest[1])
    print(
        f"memory of the HTTP process: {memory.first / MIB:,.0f} MiB before, {memory.api / MIB:,.0f}"
        f" at most, {memory.last / MIB:,.0f} after; of all readers at most "
        f"{memory.readers / MIB:,.0f} MiB"
    )


if __name__ == "__main__":
    main()
