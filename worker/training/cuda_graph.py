"""Steps on a GPU at the price of one launch: captured once as a CUDA graph, then replayed.

A small network's step is a hundred kernels of microseconds each; started one by one, a GPU waits
for its launches most of the time. What a graph replays is fixed, so everything that changes from
step to step (rows, learning rates, the step's number) is read from tensors, filled beforehand.
"""

import logging
from typing import Protocol

import torch
from torch import Generator, Tensor

from worker.training.shared import Shared

logger = logging.getLogger(__name__)

WARM_UP = 3
"""Steps before the capture: kernels are chosen and memory is found in the first ones."""


class Steps(Protocol):
    """What can be captured: updates that ask the host nothing, and the state they change."""

    generator: Generator

    def update(self, rows: Tensor, rate: Shared, number: int | Tensor) -> None:
        """One update of every trial."""

    def rows(self) -> dict[str, Tensor]:
        """Everything that an update changes."""

    def load(self, rows: dict[str, Tensor]) -> None:
        """Put it back."""


class GraphedSteps:
    """The steps of one program, a graph for each number of rows (the last batch may be smaller).

    ``w`` are its weights ``[K, P]``, on the device.
    """

    def __init__(self, program: Steps, w: Tensor) -> None:
        self._program = program
        self._rate = w.new_zeros(len(w), 1, dtype=torch.float64)
        self._number = torch.zeros((), dtype=torch.float64, device=w.device)
        self._graphs: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._works = True

    def start_epoch(self, rate: Shared) -> None:
        """Take the learning rates of an epoch."""
        self._rate.copy_(torch.as_tensor(rate, dtype=self._rate.dtype))

    def step(self, rows: Tensor, number: int) -> None:
        """One update of every trial, on rows ``[K, B]`` or ``[1, B]``."""
        self._number.fill_(number)
        if self._works and rows.shape not in self._graphs:
            self._capture(rows)
        if not self._works:
            self._program.update(rows, self._rate, self._number)
            return
        graph, held = self._graphs[rows.shape]
        held.copy_(rows)
        graph.replay()

    def _capture(self, rows: Tensor) -> None:
        """Record a step. What the warm-up changed is put back; recording itself changes nothing."""
        program, held = self._program, rows.clone()
        before = {name: tensor.clone() for name, tensor in program.rows().items()}
        state = program.generator.get_state()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                program.update(held, self._rate, self._number)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(program.generator)
        try:
            with torch.cuda.graph(graph):
                program.update(held, self._rate, self._number)
            self._graphs[rows.shape] = graph, held
        except RuntimeError as error:
            # Some technique asks the host after all. The fleet trains all the same, by launches.
            logger.warning("steps are not captured as a CUDA graph: %s", error)
            self._works = False
        program.load(before)
        program.generator.set_state(state)
