"""The vocabulary: every technique that a job may name, each at most once."""

from collections.abc import Iterator

from worker.regularization.batch_norm import BatchNorm
from worker.regularization.dropout import Dropout
from worker.regularization.early_stopping import EarlyStopping
from worker.regularization.l1 import L1
from worker.regularization.l2 import L2
from worker.regularization.noise import Noise
from worker.regularization.settings import Settings
from worker.regularization.technique import Technique
from worker.regularization.weight_decay import WeightDecay


class Regularization(Settings):
    """The techniques of one trial, keyed by name. One that is not named is off."""

    l1: L1 | None = None
    l2: L2 | None = None
    weight_decay: WeightDecay | None = None
    dropout: Dropout | None = None
    batch_norm: BatchNorm | None = None
    noise: Noise | None = None
    early_stopping: EarlyStopping | None = None

    def techniques(self) -> Iterator[tuple[str, Technique]]:
        """The techniques that are on, by name."""
        for name in type(self).model_fields:
            technique = getattr(self, name)
            if technique is not None:
                yield name, technique
