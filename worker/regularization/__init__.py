"""Regularization: one technique a file, its settings and its mathematics together.

Open any technique to see what one is: ``l1`` and ``dropout`` are the shortest. Files that are not
listed here are techniques. To add one: its file, its line in ``regularization``, its test
(docs/architecture.md).

``technique``              what every technique answers: its settings, and where it fits
``families``               a package: one abstract class for each moment of training
``regularization``         the vocabulary: one field a technique
``card``                   a technique's docstring and fields as data, for the API and the
                           documentation
``per_trial``              settings of K trials as tensors, and which weights they act on
``random_streams, seeds``  random numbers by seed and place, whatever the fleet; seeds derived by
                           name
``ramp, profile``          schedules over the epochs; probabilities over the depth
``batch, regions``         a training batch; random boxes, stretches and sets of features

A technique is listed below only where another room asks for it by name.
"""

from worker.regularization.batch import Batch, Classes, widened
from worker.regularization.batch_norm import BatchNorm, BatchNormLayer
from worker.regularization.card import Card, FieldCard, catalogue
from worker.regularization.class_weights import ClassWeights
from worker.regularization.drop_connect import DropConnect
from worker.regularization.dropout import Dropout
from worker.regularization.early_stopping import EarlyStopping
from worker.regularization.l2 import L2
from worker.regularization.layer_norm import LayerNorm, LayerNormLayer
from worker.regularization.per_trial import ParameterIndex, PerTrial, WeightMatrix
from worker.regularization.random_streams import RandomStreams
from worker.regularization.regularization import Regularization, fitting, stacks, techniques
from worker.regularization.seeds import derive_seed
from worker.regularization.shake_drop import ShakeDropLayer
from worker.regularization.shake_shake import ShakeShake, ShakeShakeLayer
from worker.regularization.snapshot_ensemble import SnapshotEnsemble
from worker.regularization.technique import SEARCHED, DataFacts, Memory, Technique

__all__ = [
    "L2",
    "SEARCHED",
    "Batch",
    "BatchNorm",
    "BatchNormLayer",
    "Card",
    "ClassWeights",
    "Classes",
    "DataFacts",
    "DropConnect",
    "Dropout",
    "EarlyStopping",
    "FieldCard",
    "LayerNorm",
    "LayerNormLayer",
    "Memory",
    "ParameterIndex",
    "PerTrial",
    "RandomStreams",
    "Regularization",
    "ShakeDropLayer",
    "ShakeShake",
    "ShakeShakeLayer",
    "SnapshotEnsemble",
    "Technique",
    "WeightMatrix",
    "catalogue",
    "derive_seed",
    "families",
    "fitting",
    "stacks",
    "techniques",
    "widened",
]
