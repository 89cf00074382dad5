"""What is common to all layers that are random in training and silent in eval mode."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from worker.regularization.ramp import Ramp, Ramps
from worker.regularization.random_streams import Stream


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
        random: Stream,
    ) -> None:
        super().__init__()
        self.random = random
        self.ramps = Ramps(schedules, "cpu")
        full = amount.view(-1, *[1] * (dimensions - 1))
        self.register_buffer("full", full, persistent=False)
        self.register_buffer("amount", full.clone(), persistent=self.kept)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the amounts of an epoch, counted from 0, of so many."""
        if self.ramps:
            shares = self.ramps.shares(epoch, epochs).view_as(self.full).to(self.full.device)
            self.amount.copy_(self.full * shares)
