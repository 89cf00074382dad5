"""Ways of stepping: launched one by one, captured as a CUDA graph, or a solver's iterations.

A fleet chooses its way once, by ``stepping``. On a GPU a small network's step is a hundred kernels
of microseconds each; started one by one, a GPU waits for its launches most of the time. What a
graph replays is fixed, so all that changes from step to step (rows, rates, the step's number and
its random numbers) is read from tensors that are filled before.
"""

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from worker.training.engine import Engine
from worker.training.numbers import PerTrialNumber
from worker.training.solver.solver import Solver

logger = logging.getLogger(__name__)

WARM_UP = 3
"""Steps before the capture: kernels are chosen and memory is found in the first ones."""

Update = Callable[[Engine, Tensor, PerTrialNumber, Any], None]
"""An engine, rows ``[K, B]`` of its data, η and the step's number (from 1): one step."""
Step = Callable[[int], None]
"""Takes the step on an epoch's batch, counted from 0."""


def stepping(engine: Engine, update: Update) -> Step:
    """The way in which an engine steps."""
    if engine.solver is not None:
        return SolverSteps(engine, engine.solver)
    if engine.parameters.values.is_cuda:
        return CapturedSteps(engine, update)
    return LaunchedSteps(engine, update)


class LaunchedSteps:
    """Every step launches its kernels."""

    def __init__(self, engine: Engine, update: Update) -> None:
        self._engine, self._update = engine, update
        self._by_hand = engine.loss.is_by_hand

    def __call__(self, batch: int) -> None:
        """One update of every trial, then of its averages."""
        engine = self._engine
        streams = engine.streams
        number = streams.epoch * streams.steps + batch + 1
        streams.start_step(batch)
        # By hand, nothing is written down for autograd. Numbers that are held outlive a step.
        with torch.inference_mode(self._by_hand and not streams.fixed):
            self._update(engine, engine.batch(batch), engine.rate, number)
        engine.averages.take(engine.parameters.values, "step", number)


class SolverSteps:
    """Every step is an iteration over all training rows."""

    def __init__(self, engine: Engine, solver: Solver) -> None:
        self._engine, self._solver = engine, solver

    @torch.no_grad()
    def __call__(self, batch: int) -> None:
        """One iteration; the objective is that of the epoch's last."""
        engine, w = self._engine, self._engine.parameters.values
        self._solver.step(w)
        if batch == engine.batches - 1:
            objective = self._solver.loss() + engine.penalties.value(w)
            engine.objective.copy_(objective * engine.batches)


class CapturedSteps:
    """Steps are captured once for each number of rows (a last batch may be smaller), and replayed.

    What averages take in is decided by the host, step by step, and is launched after each replay.
    Where a step cannot be captured, steps are launched.
    """

    def __init__(self, engine: Engine, update: Update) -> None:
        self._engine, self._update = engine, update
        w = engine.parameters.values
        self._rate = w.new_zeros(len(w), 1, dtype=torch.float64)
        self._number = torch.zeros((), dtype=torch.float64, device=w.device)
        self._graphs: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._works = True

    def __call__(self, batch: int) -> None:
        """One update of every trial, then of its averages."""
        engine = self._engine
        index = engine.batch(batch)
        number = engine.streams.epoch * engine.streams.steps + batch + 1
        if isinstance(engine.rate, float):  # a copy from the host would wait for the last step
            self._rate.fill_(engine.rate)
        else:
            self._rate.copy_(engine.rate)
        self._number.fill_(number)
        engine.streams.start_step(batch)
        if self._works and index.shape not in self._graphs:
            self._capture(index)
        if self._works:
            graph, held = self._graphs[index.shape]
            held.copy_(index)
            graph.replay()
        else:
            self._update(engine, index, self._rate, self._number)
        engine.averages.take(engine.parameters.values, "step", number)

    def _capture(self, index: Tensor) -> None:
        """Record a step. What the warm-up changed is put back; recording itself changes nothing."""
        engine, held = self._engine, index.clone()
        before = engine.state.clone()
        with torch.cuda.device(index.device):  # streams are the present device's
            here, side = torch.cuda.current_stream(), side_stream(index.device)
            side.wait_stream(here)
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    self._update(engine, held, self._rate, self._number)
            here.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph, stream=side):
                    self._update(engine, held, self._rate, self._number)
                self._graphs[index.shape] = graph, held
            except RuntimeError as error:
                # Some technique asks the host after all. The fleet trains all the same, launched.
                torch.cuda.set_stream(here)  # a capture that fails stays on its own stream
                logger.warning("steps are not captured as a CUDA graph: %s", error)
                self._works = False
        engine.state.load(before)


@lru_cache
def side_stream(device: torch.device) -> torch.cuda.Stream:
    """The stream on which a device's steps are captured.

    One for all fleets of a process: cuBLAS keeps tens of MiB for each stream that it has seen.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
