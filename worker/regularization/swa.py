"""Stochastic weight averaging."""

from typing import Annotated, ClassVar, Literal, Self, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.averaging import WeightAverage
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.technique import search_range


@final
class Swa(WeightAverage):
    """Stochastic weight averaging: A ← A + (w − A) / n at the end of each of the last epochs.

    A is the plain mean of the weights at the ends of the n epochs since the share `start` of all
    epochs has passed; before that the trial is measured with w itself. The mean of points along a
    wide valley lies nearer its middle. Running statistics of batch norm are recomputed for A with
    a pass over the training rows.

    When: the end of a training whose learning rate is still high.
    Start: .75 (.5 to .9).
    Badly with: `ema` and `lookahead`, which average the same path again; a learning rate that
    falls to 0, after which there is nothing to average; `early_stopping` before it begins.
    Cost: a copy of the weights and one pass over them an epoch; with `batch_norm` a pass over the
    training rows an epoch; nothing at prediction.
    Units: start is a share of the epochs.
    Shapes: w, A ``[K, P]``.
    Source: Izmailov et al. 2018, arXiv:1803.05407.
    """

    moment: ClassVar[Literal["step", "epoch"]] = "epoch"

    start: Annotated[float, Field(ge=0.0, lt=1.0, json_schema_extra=search_range(0.5, 0.9))] = 0.75
    """Share of the epochs that pass before averaging begins."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], epochs: int) -> Numbers:
        """How many epochs pass first; at least one is averaged."""
        return {"wait": stack.numbers(lambda s: min(int(s.start * epochs), epochs - 1))[:, None]}

    def restrains(self) -> bool:
        """The mean of many points lies beside every one of them."""
        return True

    @staticmethod
    def share(numbers: Numbers, moment: int) -> Tensor:
        """1 while it waits, so that A is w; then 1 / n."""
        averaged: Tensor = (moment - numbers["wait"]).clamp(min=1)
        return torch.reciprocal(averaged)
