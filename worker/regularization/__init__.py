"""Regularization: one technique a file, its settings and its mathematics together."""

from worker.regularization.batch_norm import BatchNorm
from worker.regularization.catalogue import techniques
from worker.regularization.dropout import Dropout
from worker.regularization.early_stopping import EarlyStopping
from worker.regularization.l1 import L1
from worker.regularization.l2 import L2
from worker.regularization.noise import Noise
from worker.regularization.regularization import Regularization
from worker.regularization.stack import Columns, Stack
from worker.regularization.technique import Technique
from worker.regularization.weight_decay import WeightDecay

__all__ = [
    "L1",
    "L2",
    "BatchNorm",
    "Columns",
    "Dropout",
    "EarlyStopping",
    "Noise",
    "Regularization",
    "Stack",
    "Technique",
    "WeightDecay",
    "techniques",
]
