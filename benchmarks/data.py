"""Reading: an upload of numbers and categories beside what pyarrow and pandas take for the same.

    python benchmarks/data.py [--rows 100000 1000000] [--columns 25] [--repeats 2]

The service has a file of CSV uploaded; beside it, in turn, pyarrow, and pandas where it is
installed, read the file from the disk and write it as Parquet, each in a process of its own, so
that the most memory is its own too. `/livez` is asked every 10 ms meanwhile. Shown are the least
times, the processor's and by the clock: the others may have had the processors too.
"""

import argparse
import importlib.util
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
}


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

    def line(self, rows: int, name: str, livez: str = "") -> str:
        """As a row of the table."""
        return (
            f"| {rows:,} | {name} | {min(self.wall):.2f} | {min(self.processor):.2f} | "
            f"{max(self.memory):,.0f} | {livez} |"
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


def peer(name: str, path: Path) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, imports included in the latter, and MiB."""
    imports, work = PEERS[name]
    program = MEASURED.format(imports=imports, work=work)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, check=True, text=True
    )
    wall, processor, memory = json.loads(done.stdout)
    return wall, processor, memory


class Watch:
    """What an upload costs: the slowest /livez, the readers' processor time and memory."""

    def __init__(self, url: str, api: psutil.Process) -> None:
        self._url, self._api = url, api
        self.slowest = self.memory = self.processor = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._ask, self._look)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url) as client:
            while not self._stop.wait(LOOK_SECONDS):
                begun = time.perf_counter()
                client.get("/livez")
                self.slowest = max(self.slowest, time.perf_counter() - begun)

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
        self._stop.set()
        for thread in self._threads:
            thread.join()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--columns", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    print(machine(threads=2))
    names = [name for name in PEERS if importlib.util.find_spec(name)]
    print("\n| rows | | s | processor s | MiB at most | slowest /livez ms |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder, installation() as url:
        api = next(p for p in psutil.Process().children() if "up" in p.cmdline())
        with httpx.Client(base_url=url, timeout=600) as client:
            client.post("/v1/datasets", files={"file": ("a.csv", b"x,y\n1,2\n")})
            before = api.memory_info().rss
            for rows in options.rows:
                path = Path(folder) / f"{rows}.csv"
                write(path, rows, options.columns)
                own, others = Figures(), {name: Figures() for name in names}
                slowest = 0.0
                for _ in range(options.repeats):
                    watch = Watch(url, api)
                    begun = time.perf_counter()
                    with path.open("rb") as file:
                        answer = client.post("/v1/datasets", files={"file": file})
                    wall = time.perf_counter() - begun
                    watch.stop()
                    answer.raise_for_status()
                    own.add(wall, watch.processor, watch.memory)
                    slowest = max(slowest, watch.slowest)
                    for name, figures in others.items():
                        figures.add(*peer(name, path))
                print(own.line(rows, "upload", f"{1e3 * slowest:.0f}"), flush=True)
                for name, figures in others.items():
                    print(figures.line(rows, name), flush=True)
            grown = api.memory_info().rss - before
    print(f"\nThe HTTP process grew by {grown / MIB:,.0f} MiB.")


if __name__ == "__main__":
    main()
