"""What acts on a training batch, between the data and the forward pass."""

from abc import abstractmethod
from typing import Self

from worker.regularization.batch import Batch, Classes
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import Technique


class BatchTechnique(Technique):
    """Changes the rows or the targets of a training batch. Metrics are measured without it."""

    @classmethod
    @abstractmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """What ``alter`` needs of the settings, once for all steps."""

    @staticmethod
    @abstractmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """The batch as it is trained on. A trial without it keeps its own, bit by bit."""
