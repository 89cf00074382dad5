"""Early stopping."""

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.stopping import Patience, Stopping
from worker.regularization.stack import Stack


@final
class EarlyStopping(Stopping):
    """Stops a trial whose validation loss has not improved for `patience` epochs.

    An improvement is a loss below best − min_delta. The trial ends with the weights of its best
    epoch unless `restore_best` is false. Without validation rows the training loss is watched,
    which almost never stops and is advised against.

    Shapes: value, best, since ``[K]``.
    Source: Prechelt 1998, Early stopping: but when?, LNCS 1524.
    """

    patience: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Epochs to wait for an improvement."""
    min_delta: Annotated[float, Field(ge=0.0, le=1e6)] = 0.0
    """How much lower the loss must be to count."""
    restore_best: bool = True
    """End with the weights of the best epoch."""

    @classmethod
    def judge(
        cls, value: Tensor, memory: Patience, stack: Stack["EarlyStopping"]
    ) -> tuple[Tensor, Tensor]:
        """Which trials improved, and which have waited long enough."""
        improved = value < memory.best - stack.numbers(lambda s: s.min_delta)
        memory.best = torch.where(improved, value, memory.best)
        memory.since = torch.where(improved, 0, memory.since + 1)
        patience = stack.numbers(lambda s: s.patience, off=float("inf"))
        return improved, memory.since >= patience

    @classmethod
    def restores(cls, stack: Stack["EarlyStopping"]) -> Tensor:
        """The trials that end with their best weights."""
        return stack.on(lambda settings: settings.restore_best)
