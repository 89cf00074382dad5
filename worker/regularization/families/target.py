"""Targets: what the loss asks for, and how much each row counts."""

from typing import ClassVar

from worker.regularization.families.batch import BatchTechnique


class TargetTechnique(BatchTechnique):
    """Changes the target or the weight of a row, never its features. Classification only."""

    family: ClassVar[str] = "target"
