"""Reading: an upload of numbers and categories beside what pyarrow, pandas and polars take.

    python benchmarks/data.py [--rows 100000 1000000] [--columns 25] [--repeats 2] [--peers PYTHON]

The service has a file of CSV uploaded; beside it, in turn, those of the others that the interpreter
``--peers`` has read the file from the disk and write it as Parquet, each in a process of its own,
so that the most memory is its own too. Of an upload the processor time is the reader's and that of
the HTTP process; the memory is the reader's. Shown are the least times, the processor's and by the
clock: the others may have had the processors too.

Another process asks `/livez` every 10 ms meanwhile, and sees how long a sleep of these 10 ms lasts:
as much the machine keeps anybody waiting. Then a job is validated that the service has not seen.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as pacsv
from _shared import machine

from service.installation import installation

MIB = 2**20
LOOK_SECONDS = 0.01
MEASURED = """
import json, resource, sys, time
{imports}
begun = time.perf_counter()
{work}
used = resource.getrusage(resource.RUSAGE_SELF)
wall = time.perf_counter() - begun
print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
PEERS = {
    "pyarrow": (
        "import pyarrow.csv, pyarrow.parquet",
        "pyarrow.parquet.write_table(pyarrow.csv.read_csv(sys.argv[1]), sys.argv[1] + '.parquet')",
    ),
    "pandas": (
        "import pandas",
        "pandas.read_csv(sys.argv[1]).to_parquet(sys.argv[1] + '.parquet')",
    ),
    "polars": (
        "import polars",
        "polars.read_csv(sys.argv[1]).write_parquet(sys.argv[1] + '.parquet')",
    ),
}
ASKED = """
import http.client, json, select, sys, time
host, port = sys.argv[1].removeprefix("http://").split(":")
connection = http.client.HTTPConnection(host, int(port))
answers, sleeps = [0.0], [0.0]
print("asking", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    begun = time.perf_counter()
    time.sleep(0.01)
    woken = time.perf_counter()
    connection.request("GET", "/livez")
    connection.getresponse().read()
    sleeps.append(woken - begun - 0.01)
    answers.append(time.perf_counter() - woken)
print(json.dumps([1e3 * value for kind in (answers, sleeps) for value in (
    sorted(kind)[int(0.99 * len(kind))], max(kind))]))
"""


@dataclass
class Figures:
    """Of each repeat."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def add(self, wall: float, processor: float, memory: float) -> None:
        """One more."""
        self.wall.append(wall)
        self.processor.append(processor)
        self.memory.append(memory)

    def line(self, rows: int, name: str, waits: str = " | ") -> str:
        """As a row of the table."""
        return (
            f"| {rows:,} | {name} | {min(self.wall):.2f} | {min(self.processor):.2f} | "
            f"{max(self.memory):,.0f} | {waits} |"
        )


def write(path: Path, rows: int, columns: int) -> None:
    """A file of which 7 in 10 columns are fractions, 2 whole numbers, and 1 and the last texts."""
    chance = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "black"])
    table: dict[str, np.ndarray] = {}
    for number in range(columns - 1):
        if number % 10 < 7:
            table[f"x{number}"] = chance.normal(size=rows).round(6)
        elif number % 10 < 9:
            table[f"k{number}"] = chance.integers(0, 1_000, rows)
        else:
            table[f"c{number}"] = words[chance.integers(0, 4, rows)]
    table["y"] = np.array(["no", "yes"])[chance.integers(0, 2, rows)]
    pacsv.write_csv(pa.table(table), path, pacsv.WriteOptions(quoting_style="none"))


def peer(python: str, name: str, path: Path) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, imports included in the latter, and MiB."""
    imports, work = PEERS[name]
    program = MEASURED.format(imports=imports, work=work)
    done = subprocess.run(
        [python, "-c", program, str(path)], capture_output=True, check=True, text=True
    )
    wall, processor, memory = json.loads(done.stdout)
    return wall, processor, memory


def peers_of(python: str) -> list[str]:
    """Those that an interpreter has."""
    return [
        name
        for name, (imports, _) in PEERS.items()
        if not subprocess.run([python, "-c", imports], capture_output=True).returncode
    ]


class Watch:
    """What an upload costs: the waits of others, the readers' processor time and memory."""

    def __init__(self, url: str, api: psutil.Process) -> None:
        self._api = api
        self._before = self._taken()
        self.memory = self.processor = 0.0
        self.waits = [0.0] * 4
        """The 99th percentile and the longest of `/livez`, then of how much too long sleeps are, in
        milliseconds."""
        self._stop = threading.Event()
        self._asks = subprocess.Popen(
            [sys.executable, "-c", ASKED, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._asks.stdout is not None
        self._asks.stdout.readline()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _taken(self) -> float:
        times = self._api.cpu_times()
        return times.user + times.system

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for forks in self._api.children():
                if "service.reading.forks" not in forks.cmdline():
                    continue
                for reader in forks.children():
                    try:
                        used, times = reader.memory_info(), reader.cpu_times()
                    except psutil.NoSuchProcess:
                        continue
                    self.memory = max(self.memory, used.rss / MIB)
                    self.processor = max(self.processor, times.user + times.system)

    def stop(self) -> None:
        """Look no more."""
        self.processor += self._taken() - self._before
        self._stop.set()
        self._thread.join()
        told, _ = self._asks.communicate("enough")
        self.waits = json.loads(told)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--columns", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--peers", default=sys.executable, help="an interpreter that has them")
    options = parser.parse_args()
    print(machine(threads=2))
    names = peers_of(options.peers)
    print(
        "\n| rows | | s | processor s | MiB at most | /livez ms, p99 and most | sleeps, the same |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder, installation() as url:
        api = next(p for p in psutil.Process().children() if "up" in p.cmdline())
        with httpx.Client(base_url=url, timeout=600) as client:
            client.post("/v1/datasets", files={"file": ("a.csv", b"x,y\n1,2\n")})
            before = api.memory_info().rss
            uploads, jobs = 0, []
            for rows in options.rows:
                path = Path(folder) / f"{rows}.csv"
                write(path, rows, options.columns)
                own, others = Figures(), {name: Figures() for name in names}
                waits = [0.0] * 4
                for _ in range(options.repeats):
                    watch = Watch(url, api)
                    begun = time.perf_counter()
                    with path.open("rb") as file:
                        answer = client.post(
                            "/v1/datasets", files={"file": file}, data={"target": "y"}
                        )
                    wall = time.perf_counter() - begun
                    watch.stop()
                    answer.raise_for_status()
                    uploads += 1
                    own.add(wall, watch.processor, watch.memory)
                    waits = [max(pair) for pair in zip(waits, watch.waits, strict=True)]
                    begun = time.perf_counter()
                    spec = {"dataset": answer.json()["id"], "training": {"epochs": 1}}
                    client.post("/v1/jobs/validate", json=spec).raise_for_status()
                    jobs.append((rows, time.perf_counter() - begun))
                    for name, figures in others.items():
                        figures.add(*peer(options.peers, name, path))
                told = "{:.0f}, {:.0f} | {:.0f}, {:.0f}".format(*waits)
                print(own.line(rows, "upload", told), flush=True)
                for name, figures in others.items():
                    print(figures.line(rows, name), flush=True)
            grown = api.memory_info().rss - before
    print(
        f"\nThe HTTP process grew by {grown / MIB:,.0f} MiB, by {uploads} uploads and as many jobs."
    )
    for rows in options.rows:
        least = min(seconds for known, seconds in jobs if known == rows)
        print(f"Of {rows:,} rows a first job was checked in {least:.2f} s.")


if __name__ == "__main__":
    main()
