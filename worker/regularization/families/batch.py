"""What acts on a training batch, between the data and the forward pass."""

from abc import abstractmethod
from typing import Self

from torch import Generator, Tensor

from worker.regularization.batch import Batch, Classes
from worker.regularization.stack import Stack
from worker.regularization.technique import Technique

Numbers = dict[str, Tensor]
"""A technique's settings over the fleet, ``[K]`` each unless said; neutral where it is off."""


class BatchTechnique(Technique):
    """Changes the rows or the targets of a training batch. Metrics are measured without it."""

    @classmethod
    @abstractmethod
    def numbers(cls, stack: Stack[Self], classes: Classes) -> Numbers:
        """What ``alter`` needs of the settings, once for all steps."""

    @staticmethod
    @abstractmethod
    def alter(batch: Batch, numbers: Numbers, generator: Generator) -> Batch:
        """The batch as it is trained on. A trial without it keeps its own, bit by bit."""
