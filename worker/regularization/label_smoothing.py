"""Label smoothing."""

from dataclasses import replace
from typing import Annotated, Self, final

import torch
from pydantic import Field

from worker.regularization.batch import Batch, Classes, widened
from worker.regularization.families.batch import TargetTechnique
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import search_range


@final
class LabelSmoothing(TargetTechnique):
    """Moves a share of the target's certainty to all classes: y' = (1 − s)·y + s/C.

    The network is no longer rewarded for ever larger scores, so its probabilities stay calibrated.
    Binary classification counts as two classes: 1 becomes 1 − s/2. The loss cannot fall to 0 with
    it; `train_loss` and `validation_loss` are measured on the true labels.

    When: classes overlap, or some labels are wrong; many classes.
    Start: .1 (0 to .3).
    Badly with: `mixup` and `cutmix`, which soften the target already; a threshold on probabilities
    that was chosen without it.
    Cost: one pass over the target.
    Units: s is a share, as PyTorch's `label_smoothing`.
    Shapes: y class numbers ``[K, B]`` → probabilities ``[K, B, C]`` (binary ``[K, B]``); s ``[K]``.
    Source: Szegedy et al. 2016, arXiv:1512.00567, §7.
    """

    smoothing: Annotated[float, Field(ge=0.0, lt=1.0, json_schema_extra=search_range(0.0, 0.3))] = (
        0.1
    )
    """s: the share of the target that goes to all classes alike."""

    def restrains(self) -> bool:
        """Where it smooths at all."""
        return self.smoothing > 0

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """s, and 1/C (a scalar)."""
        s = stack.numbers(lambda settings: settings.smoothing)
        return {"smoothing": s, "uniform": s.new_tensor(1 / len(classes.names))}

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """(1 − s)·y + s/C."""
        y = batch.soft()
        s = widened(numbers["smoothing"], y)
        return replace(batch, y=torch.lerp(y, numbers["uniform"], s))
