"""A probe: the engine of a fleet at work on a few rows, timed and weighed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from worker.data import Prepared
from worker.spec import Trial
from worker.training.engine import Engine
from worker.training.fleet import update
from worker.training.outcome import Finals
from worker.training.stepping import stepping

MOST_STEPS = 200


@dataclass(frozen=True)
class Probe:
    """What a fleet was found to take."""

    step_seconds: float
    """Of one training step: a batch, or an iteration of a solver over the training rows."""
    measure_seconds: float
    """Of measuring all rows that it was given."""
    state_bytes: int
    """Weights, gradient, optimizer, averages, best and final weights, of all trials."""


def probe(trials: Sequence[Trial], prepared: Prepared, seconds: float) -> Probe:
    """Build the engine, train it for a few steps and measure once, on the CPU.

    It stops after so many seconds, but not before the first step and the measuring are done: who
    calls sees to it that these are small.
    """
    engine = Engine(trials, prepared, "cpu")
    held = [*engine.state.tensors.values(), engine.parameters.gradient]
    held += [*engine.eval_weights.tensors.values(), *Finals(engine).tensors.values()]
    engine.start_epoch(0)
    step = stepping(engine, update)
    times: list[float] = []
    while not times or (sum(times) < seconds and len(times) <= MOST_STEPS):
        begin = perf_counter()
        step(0)
        times.append(perf_counter() - begin)
    begin = perf_counter()
    with torch.no_grad():
        engine.measure()
    return Probe(
        step_seconds=median(times[1:] or times),  # the first one also warms up
        measure_seconds=perf_counter() - begin,
        state_bytes=_bytes(held),
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    """The memory behind tensors, each piece counted once."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({storage.data_ptr(): int(storage.nbytes()) for storage in storages}.values())
