"""Stochastic weight averaging."""

from typing import Annotated, ClassVar, Literal, Self, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.averaging import Numbers, WeightAverage
from worker.regularization.stack import Stack
from worker.regularization.technique import search


@final
class Swa(WeightAverage):
    """Stochastic weight averaging: the plain mean of the weights at the ends of the last epochs.

    A ← A + (w − A) / n at the n-th epoch after the share `start` of all epochs has passed; before
    that the trial is measured with w itself. The mean of points along a wide valley lies nearer
    its middle. Running statistics of batch norm are recomputed for A with a pass over the
    training rows. Works best while the learning rate is still high. Start at .75.

    Shapes: w, A ``[K, P]``.
    Source: Izmailov et al. 2018, arXiv:1803.05407.
    """

    moment: ClassVar[Literal["step", "epoch"]] = "epoch"

    start: Annotated[float, Field(ge=0.0, lt=1.0, json_schema_extra=search(0.5, 0.9))] = 0.75
    """Share of the epochs that pass before averaging begins."""

    @classmethod
    def numbers(cls, stack: Stack[Self], epochs: int) -> Numbers:
        """How many epochs pass first; at least one is averaged."""
        return {"wait": stack.numbers(lambda s: min(int(s.start * epochs), epochs - 1))[:, None]}

    @staticmethod
    def share(numbers: Numbers, moment: int) -> Tensor:
        """1 while it waits, so that A is w; then 1 / n."""
        averaged: Tensor = (moment - numbers["wait"]).clamp(min=1)
        return torch.reciprocal(averaged)
