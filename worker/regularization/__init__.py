"""Regularization: one technique a file, its settings and its mathematics together.

What other rooms may use. A technique is listed where another room asks for it by name; most need no
line here, for what a job names is read off the fields of ``Regularization``.
"""

from worker.regularization.adversarial import Adversarial
from worker.regularization.alpha_dropout import AlphaDropout
from worker.regularization.batch_norm import BatchNorm
from worker.regularization.class_weights import ClassWeights
from worker.regularization.color_jitter import ColorJitter
from worker.regularization.cutmix import Cutmix
from worker.regularization.cutout import Cutout
from worker.regularization.drop_connect import DropConnect
from worker.regularization.dropout import Dropout
from worker.regularization.early_stopping import EarlyStopping
from worker.regularization.elastic_net import ElasticNet
from worker.regularization.ema import Ema
from worker.regularization.erasing import Erasing
from worker.regularization.flip import Flip
from worker.regularization.group_lasso import GroupLasso
from worker.regularization.image_noise import ImageNoise
from worker.regularization.l1 import L1
from worker.regularization.l2 import L2
from worker.regularization.label_smoothing import LabelSmoothing
from worker.regularization.layer_norm import LayerNorm
from worker.regularization.lookahead import Lookahead
from worker.regularization.max_norm import MaxNorm
from worker.regularization.mixup import Mixup
from worker.regularization.noise import Noise
from worker.regularization.per_trial import ParameterIndex, PerTrial, WeightMatrix
from worker.regularization.random_crop import RandomCrop
from worker.regularization.regularization import Regularization, stacks, techniques
from worker.regularization.rotation import Rotation
from worker.regularization.shake_drop import ShakeDrop
from worker.regularization.shake_shake import ShakeShake
from worker.regularization.snapshot_ensemble import SnapshotEnsemble
from worker.regularization.spatial_dropout import SpatialDropout
from worker.regularization.stochastic_depth import StochasticDepth
from worker.regularization.swa import Swa
from worker.regularization.technique import Technique
from worker.regularization.weight_decay import WeightDecay

__all__ = [
    "L1",
    "L2",
    "Adversarial",
    "AlphaDropout",
    "BatchNorm",
    "ClassWeights",
    "ColorJitter",
    "Cutmix",
    "Cutout",
    "DropConnect",
    "Dropout",
    "EarlyStopping",
    "ElasticNet",
    "Ema",
    "Erasing",
    "Flip",
    "GroupLasso",
    "ImageNoise",
    "LabelSmoothing",
    "LayerNorm",
    "Lookahead",
    "MaxNorm",
    "Mixup",
    "Noise",
    "ParameterIndex",
    "PerTrial",
    "RandomCrop",
    "Regularization",
    "Rotation",
    "ShakeDrop",
    "ShakeShake",
    "SnapshotEnsemble",
    "SpatialDropout",
    "StochasticDepth",
    "Swa",
    "Technique",
    "WeightDecay",
    "WeightMatrix",
    "stacks",
    "techniques",
]
