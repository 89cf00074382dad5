"""What is common to all layers that are random in training and silent in eval mode."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from worker.regularization.ramp import Ramp, Ramps


class RandomLayer(nn.Module):
    """A layer with an amount for each trial: a probability, or a standard deviation.

    ``amount`` is what applies in this epoch, ``[K, 1, …]``; a trial with a schedule has a share of
    its full amount, set when the epoch starts.
    """

    kept: ClassVar[bool] = False
    """Whether the amount is needed in eval mode, and so is saved with the weights."""

    amount: Tensor
    full: Tensor

    def __init__(
        self,
        amount: Tensor,
        schedules: Sequence[Ramp | None],
        dimensions: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.ramps = Ramps(schedules, "cpu")
        full = amount.view(-1, *[1] * (dimensions - 1))
        self.register_buffer("full", full, persistent=False)
        self.register_buffer("amount", full.clone(), persistent=self.kept)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the amounts of an epoch, counted from 0, of so many."""
        if self.ramps:
            shares = self.ramps.shares(epoch, epochs).view_as(self.full).to(self.full.device)
            self.amount.copy_(self.full * shares)

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Numbers drawn evenly from [low, high)."""
        draw = torch.empty(tuple(shape), device=self.amount.device)
        return draw.uniform_(low, high, generator=self.generator)
