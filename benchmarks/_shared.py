"""What benchmarks share: where real data lies, drawn data, and the line about the machine."""

import argparse
import os
import platform
import statistics
from pathlib import Path

import numpy as np
import psutil
import torch

from worker.data import Table
from worker.data.table import categorical, images, numeric

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
"""The data sets are no part of the product: none is needed to build, test or run it."""


def arguments(description: str | None, repeats: int) -> argparse.ArgumentParser:
    """The options that every benchmark on real data has."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="folder of the data sets")
    parser.add_argument("--repeats", type=int, default=repeats, help="seeds")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def present(path: Path, what: str) -> Path:
    """The path, or the end of the program: its data are not here."""
    if not path.exists():
        raise SystemExit(
            f"There is no {what} at {os.path.normpath(path)}. The data sets are not part of the "
            "product; name the folder that holds them as the first argument."
        )
    return path


def drawn_table(rows: int, shape: tuple[int, ...]) -> Table:
    """Noise of this shape, numbers or images, and a target of two classes, always the same."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, *shape)).astype(np.float32)
    y = rng.integers(0, 2, rows).astype(np.int32)
    columns = (
        [numeric(f"x{n}", column) for n, column in enumerate(x.T.astype(float))]
        if len(shape) == 1
        else [images("pixels", x)]
    )
    return Table.of([*columns, categorical("y", ["0", "1"], y)])


def machine(threads: int) -> str:
    """What the figures were made on."""
    return (
        f"torch {torch.__version__}, {threads} thread(s), {platform.machine()}, "
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    )


def spread(values: list[float]) -> str:
    """Mean, standard deviation (over n − 1) and extremes of some percentages."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):>8.2f}{deviation:>7.2f}{min(values):>8.2f}{max(values):>8.2f}"


def listener(port: int | None) -> psutil.Process:
    """The process that answers."""
    for process in psutil.Process().children(recursive=True):
        if any(c.laddr and c.laddr.port == port for c in process.net_connections("tcp")):
            return process
    raise SystemExit("nobody listens")
