"""Confidence penalty: certain answers cost."""

from typing import Annotated, ClassVar, final

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from worker.regularization.families.batch import needs_classes
from worker.regularization.families.output import ScorePenalty
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts, search_range


@final
class ConfidencePenalty(ScorePenalty):
    """Rewards the entropy of the predicted probabilities: r = −H(p) = Σ_c p_c·log p_c.

    The network is not asked to be certain, only to be right, so its probabilities stay calibrated.
    As `label_smoothing` it pulls towards all classes alike, but by the divergence the other way
    round, KL(p ‖ uniform), and so hardly where a row is undecided. Binary classification counts as
    two classes. The loss is that of the batch as it is trained on; `train_loss` and
    `validation_loss` are without it.

    When: networks that are too certain; classes that overlap; some labels that are wrong.
    Start: .1 (.01 to 1).
    Badly with: `label_smoothing`, `mixup` and `cutmix`, which soften the answer already.
    Cost: one pass over the scores.
    Units: β, called strength here, weighs nats of entropy against nats of cross-entropy.
    Example: p = (.9, .1) has H = .325; at β = .1 that is .0325 off the loss.

    Shapes: scores ``[K, B, C]`` (binary ``[K, B, 1]``); r ``[K, B]``; β ``[K]``.
    Source: Pereyra et al. 2017, arXiv:1701.06548.
    """

    usual_strengths: ClassVar[tuple[float, float]] = (1e-2, 1.0)

    strength: Annotated[
        float, Field(ge=0.0, le=1e6, json_schema_extra=search_range(1e-2, 1.0, log=True))
    ]
    """β, how much the entropy weighs."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Classes."""
        return needs_classes(self.key(), data)

    @staticmethod
    def value(scores: Tensor) -> Tensor:
        """−H(p), in nats: binary s·σ(s) − log(1 + eˢ), else Σ p·log p."""
        if scores.shape[2] == 1:
            s = scores[..., 0]
            return s * s.sigmoid() - functional.softplus(s)
        logarithms = scores.log_softmax(2)
        return (logarithms.exp() * logarithms).sum(2)

    @staticmethod
    def slope(scores: Tensor) -> Tensor:
        """Binary s·p·(1 − p), else p·(log p + H)."""
        if scores.shape[2] == 1:
            p = scores.sigmoid()
            return scores * p * (1 - p)
        logarithms = scores.log_softmax(2)
        p = logarithms.exp()
        return p * (logarithms - (p * logarithms).sum(2, keepdim=True))
