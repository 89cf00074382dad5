"""Which techniques hold a network back noticeably."""

from worker.regularization import LabelSmoothing, Regularization, SnapshotEnsemble, Swa
from worker.regularization.families.augmentation import Attack, Augmentation
from worker.regularization.families.branch import BranchDropout, BranchMerge
from worker.regularization.families.constraint import Constraint
from worker.regularization.families.dropout import ActivationDropout, WeightDropout
from worker.regularization.families.noise import NoiseTechnique
from worker.regularization.families.penalty import WeightTechnique
from worker.regularization.families.stopping import Stopping
from worker.regularization.technique import Technique

WEAK_STRENGTH, WEAK_P = 1e-4, 0.1


def restrains(techniques: Regularization, *, validated: bool) -> bool:
    """Whether any of the techniques that are on does; ``validated``: there are validation rows.

    Normalization, class weights, ema and lookahead do not count, nor stopping that watches the
    training rows, nor strengths below 1e-4 and p below .1.
    """
    return any(
        _restrains(technique, validated=validated) for _, technique in techniques.techniques()
    )


def _restrains(technique: Technique, *, validated: bool) -> bool:
    match technique:
        case WeightTechnique():
            return technique.strength >= WEAK_STRENGTH
        case ActivationDropout():
            p = technique.p if isinstance(technique.p, tuple) else (technique.p,)
            return max(*p, technique.input_p) >= WEAK_P
        case WeightDropout() | BranchDropout():
            return max(technique.rates(1)) >= WEAK_P
        case Stopping():
            return validated
        case LabelSmoothing():
            return technique.smoothing > 0
        case Augmentation() | Attack() | BranchMerge() | Constraint() | NoiseTechnique():
            return True
        case Swa() | SnapshotEnsemble():
            return True
        case _:
            return False
