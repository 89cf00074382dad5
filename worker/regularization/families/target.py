"""Targets: what the loss asks for, and how much each row counts."""

from typing import ClassVar

from worker.regularization.families.batch import BatchTechnique
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts


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
