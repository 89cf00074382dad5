"""Lookahead: k steps forward, one step back."""

from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field
from torch import Tensor

from worker.regularization.families.averaging import WeightAverage
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.technique import search_range


@final
class Lookahead(WeightAverage):
    """Slow weights A follow the fast ones: after every k steps A ← A + α·(w − A), then w ← A.

    Any optimizer makes the k fast steps; its moments go on. The trial is measured and ends with
    the slow weights.

    When: training is unstable, or the learning rate hard to choose.
    Start: k = 5 (5 to 10), α = .5 (.5 to .8).
    Badly with: `ema` and `swa`, which average the same path again; trainings of a few steps.
    Cost: a copy of the weights, and one pass over them every k steps; nothing at prediction.
    Units: k in steps; α is a share, the paper's.
    Shapes: w, A ``[K, P]``; α, k ``[K, 1]``.
    Source: Zhang et al. 2019, arXiv:1907.08610, algorithm 1.
    """

    moment: ClassVar[Literal["step", "epoch"]] = "step"
    returns: ClassVar[bool] = True

    steps: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=search_range(5, 10))] = 5
    """k, fast steps between two slow ones."""
    step_size: Annotated[float, Field(gt=0.0, le=1.0, json_schema_extra=search_range(0.5, 0.8))] = (
        0.5
    )
    """α, how far the slow weights go towards the fast ones."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], epochs: int) -> Numbers:
        """k and α."""
        return {
            "steps": stack.numbers(lambda settings: settings.steps, off=1)[:, None],
            "step_size": stack.numbers(lambda settings: settings.step_size)[:, None],
        }

    @staticmethod
    def share(numbers: Numbers, moment: int) -> Tensor:
        """α after every k steps, 0 between."""
        return numbers["step_size"] * (moment % numbers["steps"] == 0)

    def period(self) -> int:
        """k."""
        return self.steps
