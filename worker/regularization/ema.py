"""Exponential moving average of the weights."""

from typing import Annotated, ClassVar, Literal, Self, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.averaging import WeightAverage
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.technique import search_range


@final
class Ema(WeightAverage):
    """Exponential moving average of the weights: A ← β·A + (1 − β)·w after every step.

    Training goes on with w; the trial is measured and ends with A, which lags about 1 / (1 − β)
    steps behind and has less of the noise of the last batches. A starts as the weights after the
    first step; with `warmup`, β at step t is min(decay, (1 + t) / (10 + t)), so that a short
    training is not held back by its beginning. Running statistics of batch norm are recomputed
    for A.

    When: batches are small or the learning rate stays high, so that the last steps are noisy.
    Start: .99 for hundreds of steps; .999 for thousands.
    Badly with: `swa` and `lookahead`, which average the same path again; a decay whose 1 / (1 − β)
    steps are more than there are.
    Cost: a copy of the weights and one pass over them a step; with `batch_norm` a pass over the
    training rows an epoch; nothing at prediction.
    Units: β is the share that stays, timm's and Keras's; PyTorch's `get_ema_multi_avg_fn` too.
    Shapes: w, A ``[K, P]``; β ``[K, 1]``.
    Source: Polyak & Juditsky 1992; warm-up: TensorFlow's ExponentialMovingAverage.
    """

    moment: ClassVar[Literal["step", "epoch"]] = "step"

    decay: Annotated[float, Field(ge=0.0, lt=1.0, json_schema_extra=search_range(0.9, 0.9999))] = (
        0.99
    )
    """β, how much of the average stays at each step."""
    warmup: bool = True
    """Begin with a smaller β."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], epochs: int) -> Numbers:
        """β, and the bound that warm-up puts on it."""
        return {
            "decay": stack.numbers(lambda settings: settings.decay)[:, None],
            "free": stack.numbers(lambda settings: 1.0 - settings.warmup)[:, None],
        }

    @staticmethod
    def share(numbers: Numbers, moment: int) -> Tensor:
        """1 − β."""
        if moment == 1:
            return torch.ones_like(numbers["decay"])
        bound = numbers["free"] + (1 + moment) / (10 + moment)
        return 1 - torch.minimum(numbers["decay"], bound)
