"""A probe: the engine of a fleet at work on a few rows, timed and weighed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from time import thread_time

import torch
from torch import Tensor

from worker.data import Prepared
from worker.spec import Trial
from worker.training.engine import Engine
from worker.training.fleet import update
from worker.training.outcome import Finals
from worker.training.stepping import stepping

MOST_STEPS = 200
MOST_EPOCHS = 20


@dataclass(frozen=True)
class Probe:
    """What a fleet was found to take."""

    step_seconds: float
    """Of one training step: a batch, or an iteration of a solver over the training rows."""
    epoch_seconds: float
    """Of what an epoch takes beside its steps: its order, and measuring all rows given here."""
    state_bytes: int
    """Weights, gradient, optimizer, averages, best and final weights, of all trials."""


def probe(trials: Sequence[Trial], prepared: Prepared, seconds: float) -> Probe:
    """Build the engine, train it for a few steps and measure, on the CPU.

    It stops after so many seconds, but not before the first step and the measuring are done: who
    calls sees to it that these are small. It has one thread, as the calling thread alone has
    meanwhile, and counts that thread's own time on the processor: so it does not slow others down,
    and their work does not count.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        engine = Engine(trials, prepared, "cpu")
        held = [*engine.state.tensors.values(), engine.parameters.gradient]
        held += [*engine.eval_weights.tensors.values(), *Finals(engine).tensors.values()]
        engine.start_epoch(0)
        step = stepping(engine, update)
        steps = _times(lambda: step(0), seconds, MOST_STEPS)

        def between_epochs() -> None:
            engine.end_epoch(0)
            engine.start_epoch(1)

        epochs = _times(between_epochs, seconds / 3, MOST_EPOCHS)
    finally:
        torch.set_num_threads(before)
    return Probe(step_seconds=median(steps), epoch_seconds=median(epochs), state_bytes=_bytes(held))


def _times(work: Callable[[], None], seconds: float, most: int) -> list[float]:
    """How long some work takes, again and again; the first time also warms up."""
    times: list[float] = []
    while not times or (sum(times) < seconds and len(times) <= most):
        begin = thread_time()
        work()
        times.append(thread_time() - begin)
    return times[1:] or times


def _bytes(tensors: Iterable[Tensor]) -> int:
    """The memory behind tensors, each piece counted once."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({storage.data_ptr(): int(storage.nbytes()) for storage in storages}.values())
