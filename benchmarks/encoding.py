"""Encoding: a table's columns to the network's inputs, and a job from its 202 to its end.

    python benchmarks/encoding.py [--rows 100000 1000000] [--columns 25] [--jobs 2] [--settings …]

First `prepare` on a table in memory, of which 8 in 10 columns are numbers, every other one with
missing cells, 4 categories of 20 and one dates, beside the least that NumPy can do for the same
matrix column by column. Then the same rows as a Parquet file are uploaded to a service of its own,
and jobs of one epoch of 64 units are posted on them, one after another; the second one finds what
the first has encoded. Of a trainer are shown its processor seconds, the most that was resident, of
it what others share or a file backs, and the resident memory beside the size of the matrix.
"""

import argparse
import io
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from _shared import machine
from numpy.typing import NDArray

from service.installation import installation
from worker.data import Prepared, Table, prepare, read_table
from worker.spec import JobSpec

MIB = 2**20
LOOK_SECONDS = 0.01
SPEC = {
    "target": "y",
    "columns": {},
    "network": {"kind": "mlp", "hidden": [64]},
    "training": {"epochs": 1, "batch_size": 256},
}
CATEGORIES = 20


def frame(rows: int, columns: int, seed: int = 0) -> pa.Table:
    """Made data of `columns` columns and a target."""
    chance = np.random.default_rng(seed)
    made: dict[str, pa.Array] = {}
    words = pa.array([f"word {number:02d}" for number in range(CATEGORIES)])
    first = chance.normal(size=rows)
    for number in range(columns):
        if number % 25 in (4, 9, 14, 19):
            codes = pa.array(chance.integers(0, CATEGORIES, rows, dtype=np.int32))
            made[f"c{number}"] = pa.DictionaryArray.from_arrays(codes, words)
        elif number % 25 == 24:
            days = chance.integers(18_000, 20_000, rows, dtype=np.int32)
            made[f"d{number}"] = pa.array(days).cast(pa.date32())
        else:
            values = chance.normal(size=rows) * 10.0 ** (number % 5 - 2) + number
            if number % 2:
                values[chance.random(rows) < 0.1] = np.nan
            made[f"x{number}"] = pa.array(first if number == 0 else values)
    made["y"] = pa.array(np.where(first + chance.normal(size=rows) > 0, "yes", "no"))
    return pa.table(made)


def plainly(prepared: Prepared, table: Table) -> NDArray[np.float32]:
    """The matrix of numbers and categories alone: constants known, nothing checked."""
    encoder = prepared.encoders[0]
    x = np.zeros(prepared.x.shape[1:], dtype=np.float32)
    train = prepared.splits[0].train
    place = 0
    for column, width in zip(encoder.columns, encoder.widths, strict=True):
        values = table.values[column.name]
        if column.kind == "numeric":
            known = values[train]
            missing = np.isnan(known)
            if missing.any():
                known = known[~missing]
                values = np.where(
                    np.isnan(values), np.partition(known, len(known) // 2)[len(known) // 2], values
                )
            seen = values[train]
            x[:, place] = (values - seen.mean()) / seen.std()
        elif column.kind == "categorical":
            x[np.arange(len(x)), place + values] = 1.0
        place += width
    return x


def in_process(rows: int, columns: int, repeats: int) -> None:
    """`prepare` beside plain NumPy."""
    sink = io.BytesIO()
    pq.write_table(frame(rows, columns), sink)
    table = read_table(io.BytesIO(sink.getvalue()), "made.parquet")
    spec = JobSpec.model_validate({**SPEC, "dataset": f"ds_{'0' * 24}"})
    own: list[float] = []
    plain: list[float] = []
    for _ in range(repeats):
        begun = time.process_time()
        prepared = prepare(table, spec)
        own.append(time.process_time() - begun)
        begun = time.process_time()
        plainly(prepared, table)
        plain.append(time.process_time() - begun)
        size = prepared.x.nbytes / MIB
        del prepared
    print(
        f"| {rows:,} | {size:,.0f} | {statistics.median(own):.2f} | "
        f"{statistics.median(plain):.2f} |",
        flush=True,
    )


@dataclass
class Peak:
    """The most that a trainer had, MiB, and its processor seconds."""

    resident: float = 0.0
    private: float = 0.0
    """Of it what is its own: neither shared with the process that it was forked from nor backed by
    a file."""
    processor: float = 0.0


class Watch:
    """Looks at the trainers of a service."""

    def __init__(self, service: psutil.Process) -> None:
        self._service, self.peak = service, Peak()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for process in self._trainers():
                try:
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    times = process.cpu_times()
                except (OSError, psutil.Error):
                    continue
                held = {
                    line.split(":")[0]: int(line.split()[1]) / 1024
                    for line in status.splitlines()
                    if line.startswith(("VmHWM", "RssAnon"))
                }
                self.peak.resident = max(self.peak.resident, held.get("VmHWM", 0.0))
                self.peak.private = max(self.peak.private, held.get("RssAnon", 0.0))
                self.peak.processor = max(self.peak.processor, times.user + times.system)

    def _trainers(self) -> list[psutil.Process]:
        """Forks of standbys: the processes that train, or wait for a fleet."""
        try:
            below = self._service.children(recursive=True)
            standbys = [p for p in below if "worker.runtime.trainer" in p.cmdline()]
            pids = {p.pid for p in standbys}
            return [p for p in standbys if p.ppid() in pids]
        except psutil.Error:
            return []

    def stop(self) -> Peak:
        """Look no more."""
        self._stop.set()
        self._thread.join()
        return self.peak


def jobs(rows: int, columns: int, count: int, settings: Sequence[str], batch: int) -> None:
    """Jobs on an uploaded data set, one after another."""
    values = dict(pair.split("=", 1) for pair in settings)
    with tempfile.TemporaryDirectory() as folder, installation(values) as url:
        service = next(p for p in psutil.Process().children() if "up" in p.cmdline())
        path = Path(folder) / "made.parquet"
        pq.write_table(frame(rows, columns), path)
        with httpx.Client(base_url=url, timeout=600) as client:
            with path.open("rb") as file:
                answer = client.post("/v1/datasets", files={"file": file})
            answer.raise_for_status()
            dataset = answer.json()["id"]
            training = {**SPEC["training"], "batch_size": batch}
            for number in range(count):
                watch = Watch(service)
                spec = {**SPEC, "dataset": dataset, "training": {**training, "seed": number}}
                posted = client.post("/v1/jobs", json=spec)
                posted.raise_for_status()
                begun = time.perf_counter()
                job = posted.json()
                while job["state"] not in ("succeeded", "failed", "cancelled"):
                    found = client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=30"})
                    job = found.raise_for_status().json()
                seconds = time.perf_counter() - begun
                peak = watch.stop()
                print(
                    f"| {rows:,} | {number + 1} | {job['state']} | {seconds:.1f} | "
                    f"{peak.processor:.1f} | {peak.resident:,.0f} | {peak.private:,.0f} |",
                    flush=True,
                )


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--columns", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--settings", nargs="*", default=[], help="as PARSIMONY_…=… of the service")
    options = parser.parse_args()
    print(machine(threads=2))
    if options.repeats:
        print("\n| rows | matrix MiB | prepare, processor s | plain NumPy |")
        print("| ---: | ---: | ---: | ---: |")
        for rows in options.rows:
            in_process(rows, options.columns, options.repeats)
    if options.jobs:
        print(
            "\n| rows | job | | s from 202 | trainer's processor s | resident MiB | its own MiB |"
        )
        print("| ---: | ---: | --- | ---: | ---: | ---: | ---: |")
        for rows in options.rows:
            jobs(rows, options.columns, options.jobs, options.settings, options.batch)


if __name__ == "__main__":
    main()
