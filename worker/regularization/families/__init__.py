"""The families of techniques: one abstract class for each moment of training.

Beside it stands what applies the techniques of a whole fleet at that moment.

In the loss:

``strength``              what has a strength λ, and its schedule
``penalty, convex``       penalties of the weights; what a solver needs of them
``output, target``        penalties of the outputs; targets that are softened, rows that are
                          weighted

At the update:

``decay, constraint``     weights shrink; weights are projected
``averaging, stopping``   means over the path of the weights; the end of a trial

In a layer:

``random_layer``          layers that are random in training and silent in eval mode
``dropout, branch``       units or weights are dropped; residual branches are shaken or dropped
``normalization, noise``  activations of one scale; random disturbance

On a batch:

``batch, augmentation``   what acts on a batch; changed and mixed rows
"""

from worker.regularization.families.augmentation import Attack
from worker.regularization.families.averaging import Averages, WeightAverage
from worker.regularization.families.batch import BatchTechnique
from worker.regularization.families.branch import BranchDropout, BranchMerge
from worker.regularization.families.constraint import Constraint, Constraints
from worker.regularization.families.convex import ConvexTerms
from worker.regularization.families.decay import Decay, Decays
from worker.regularization.families.dropout import ActivationDropout, DropoutLayer, WeightDropout
from worker.regularization.families.noise import Distribution, NoiseLayer, NoiseTechnique, Place
from worker.regularization.families.normalization import Kept, Normalization, NormalizationLayer
from worker.regularization.families.output import OutputPenalties, OutputPenalty
from worker.regularization.families.penalty import (
    EntryTechnique,
    Penalties,
    Penalty,
    ProximalPenalty,
    WeightTechnique,
    is_proximal,
)
from worker.regularization.families.random_layer import RandomLayer
from worker.regularization.families.stopping import Stopping, StoppingState
from worker.regularization.families.strength import StrengthTechnique

__all__ = [
    "ActivationDropout",
    "Attack",
    "Averages",
    "BatchTechnique",
    "BranchDropout",
    "BranchMerge",
    "Constraint",
    "Constraints",
    "ConvexTerms",
    "Decay",
    "Decays",
    "Distribution",
    "DropoutLayer",
    "EntryTechnique",
    "Kept",
    "NoiseLayer",
    "NoiseTechnique",
    "Normalization",
    "NormalizationLayer",
    "OutputPenalties",
    "OutputPenalty",
    "Penalties",
    "Penalty",
    "Place",
    "ProximalPenalty",
    "RandomLayer",
    "Stopping",
    "StoppingState",
    "StrengthTechnique",
    "WeightAverage",
    "WeightDropout",
    "WeightTechnique",
    "is_proximal",
]
