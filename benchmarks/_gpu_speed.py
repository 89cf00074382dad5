"""How fast fleets step on a GPU, beside launched steps and one thread of the machine's processor.

The networks of ``fleet.py``. Their trials have one seed, as in a search, or each its own.
"""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from fleet import Problem, engine

from worker.training import FleetRun
from worker.training.fleet import update
from worker.training.stepping import LaunchedSteps

OWNERS = Problem((2, 50, 50, 1), batch=32, rows=1024)
WIDE = Problem((64, 256, 256, 10), batch=128, rows=1280)
ROUNDS, LEAST = 3, 0.1
MIB = 2**20
HEAD = """
| K | captured: µs a step | and trial | launched: µs a step | CPU thread: µs a step | and trial \
| end of an epoch, ms | until the first step, s | MiB of tensors | held | reckoned |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


@dataclass(frozen=True)
class Table:
    """Fleets of one network that are measured."""

    problem: Problem
    one_seed: bool
    sizes: tuple[int, ...]
    beside: int
    """The largest fleet that is measured on the processor too."""

    @property
    def title(self) -> str:
        """What it is about."""
        return f"{self.problem.name}, {'one seed' if self.one_seed else 'each its own seed'}"


TABLES = (
    Table(OWNERS, one_seed=True, sizes=(1, 16, 64, 256, 1024, 4096), beside=1024),
    Table(OWNERS, one_seed=False, sizes=(64, 1024), beside=1024),
    Table(WIDE, one_seed=True, sizes=(1, 16, 64, 256), beside=64),
)
QUICK = (Table(OWNERS, one_seed=True, sizes=(1, 4), beside=4),)


class Held:
    """The most memory of a GPU that is taken from now on, in bytes, beyond what is taken now."""

    def __init__(self, device: str) -> None:
        gc.collect()
        self.on_gpu = device.startswith("cuda")
        if self.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()

    def tensors(self) -> float:
        """By tensors; NaN on a processor."""
        return torch.cuda.max_memory_allocated() - self._before[0] if self.on_gpu else float("nan")

    def all(self) -> float:
        """With what is kept for the next ones and for graphs."""
        return torch.cuda.max_memory_reserved() - self._before[1] if self.on_gpu else float("nan")


def synchronize(device: str) -> None:
    """Wait for everything that was launched."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds(action: Callable[[], object], device: str, least: float = LEAST) -> float:
    """The median over rounds of the mean time of an action, after one that is not counted."""
    action()
    rounds = []
    for _ in range(ROUNDS):
        synchronize(device)
        count, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < least or count < 2:
            action()
            count += 1
        synchronize(device)
        rounds.append((time.perf_counter() - begin) / count)
    return statistics.median(rounds)


def stepping(run: FleetRun) -> Callable[[], object]:
    """One step after another, epoch by epoch."""
    steps = engine(run)
    return lambda: next(steps)


def line(table: Table, trials: int, device: str) -> str:
    """One row: a fleet of so many trials."""
    members, prepared, reckoned = table.problem.members(trials, one_seed=table.one_seed)
    held = Held(device)
    begin = time.perf_counter()
    run = FleetRun(members, prepared, device)
    act = stepping(run)
    act()
    synchronize(device)
    ready = time.perf_counter() - begin
    chosen = seconds(act, device)
    end = seconds(lambda: run.engine.end_epoch(0), device)
    memory = held.tensors() / MIB, held.all() / MIB
    run.step = LaunchedSteps(run.engine, update)
    launched = seconds(stepping(run), device)
    beside = float("nan")
    if trials <= table.beside:
        beside = seconds(stepping(FleetRun(members, prepared, "cpu")), "cpu")
    each = [chosen * 1e6, chosen / trials * 1e6, launched * 1e6, beside * 1e6]
    numbers = [
        f"{trials:,}",
        f"{each[0]:,.0f}",
        f"{each[1]:,.2f}",
        *(f"{x:,.0f}" for x in each[2:]),
    ]
    numbers += [f"{beside / trials * 1e6:,.1f}", f"{end * 1e3:.1f}", f"{ready:.2f}"]
    numbers += [f"{mib:,.0f}" for mib in (*memory, reckoned * trials / MIB)]
    return "| " + " | ".join(number.replace("nan", "") for number in numbers) + " |"


def report(device: str, *, quick: bool) -> None:
    """Print the tables."""
    for table in QUICK if quick else TABLES:
        print(f"\n{table.title}\n{HEAD}", flush=True)
        for trials in table.sizes:
            print(line(table, trials, device), flush=True)
