"""A schedule over the epochs for a probability or a strength."""

import math
from typing import Annotated, Literal

from pydantic import Field

from worker.regularization.settings import Settings

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
