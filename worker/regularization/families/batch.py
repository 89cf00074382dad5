"""What acts on a training batch, between the data and the forward pass: on rows, or on targets."""

from abc import abstractmethod
from typing import ClassVar, Self

from worker.regularization.batch import Batch, Classes
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts, Technique


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


class TargetTechnique(BatchTechnique):
    """Changes the target or the weight of a row, never its features. Classification only."""

    family: ClassVar[str] = "target"

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Classes."""
        return needs_classes(self.key(), data)


def needs_classes(technique: str, data: DataFacts) -> Misfit | None:
    """The misfit of what acts on classes, where the target has none."""
    if data.classes:
        return None
    return Misfit(
        f"{technique} acts on classes, and the target is a number; leave it out, or set task."
    )
