"""A schedule over the epochs for a probability or a strength."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from worker.schema import Settings

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Ramp(Settings):
    """What share of a technique's full p or strength applies in an epoch.

    With t from 0 in the first epoch to 1 in the last: `linear` start + (end − start)·t;
    `cosine` start + (end − start)·(1 − cos πt)/2; `constant` stays at `end`.
    """

    kind: Literal["constant", "linear", "cosine"]
    """The curve from `start` to `end`."""
    start: Share = 0.0
    """Share in the first epoch."""
    end: Share = 1.0
    """Share in the last epoch."""

    def share(self, epoch: int, epochs: int) -> float:
        """The share in an epoch, counted from 0, of so many."""
        t = epoch / max(epochs - 1, 1)
        if self.kind == "constant":
            return self.end
        if self.kind == "cosine":
            t = (1 - math.cos(math.pi * t)) / 2
        return self.start + (self.end - self.start) * t


class Ramps:
    """The schedules of K trials: each epoch's shares, computed once for each distinct ramp."""

    def __init__(self, ramps: Sequence[Ramp | None], device: torch.device | str) -> None:
        self._distinct = tuple(dict.fromkeys(ramps))
        numbers = [self._distinct.index(ramp) for ramp in ramps]
        self._member = torch.tensor(numbers, dtype=torch.int64, device=device)

    def __bool__(self) -> bool:
        """Whether any trial has a schedule."""
        return any(ramp is not None for ramp in self._distinct)

    def shares(self, epoch: int, epochs: int) -> Tensor:
        """``[K]``: each trial's share in an epoch, counted from 0; 1 without a schedule."""
        shares = [1.0 if ramp is None else ramp.share(epoch, epochs) for ramp in self._distinct]
        return torch.tensor(shares, device=self._member.device)[self._member]
