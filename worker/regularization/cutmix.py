"""CutMix."""

from typing import Annotated, Self, final

import torch
from pydantic import Field

from worker.regularization.batch import Batch, Classes, partners
from worker.regularization.families.augmentation import Augmentation, Probability
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.regions import region
from worker.regularization.technique import search_range


@final
class Cutmix(Augmentation):
    """Swaps a part of each row for another's: x' = (1 − M) ⊙ x + M ⊙ x₂, y' = (1 − a)·y + a·y₂.

    a is the exact share of M. M is a box of a share s ~ Beta(α, α) of an image, a stretch of a
    series, or s·F of the F features; one M for each batch and trial. Acts on a batch with
    probability p.

    When: images with an object in them; tables with many features that say the same.
    Start: p = .5, α = 1.
    Badly with: `mixup` (one mixture is enough) and `label_smoothing` (the target is soft
    already); data where one feature decides alone.
    Cost: two passes over the batch; a quarter of the time of a small network.
    Units: p and s are shares; one-hot columns are features of their own.
    Shapes: x ``[K, B, …]``; M ``[K, 1, …]``; p, α, a ``[K]``; y' as for `mixup`.
    Source: Yun et al. 2019, arXiv:1905.04899; on features: Kadra et al. 2021, arXiv:2106.11189.
    """

    p: Probability = 0.5
    """Probability that a batch is mixed."""
    alpha: Annotated[float, Field(gt=0.0, le=100.0, json_schema_extra=search_range(0.2, 2.0))] = 1.0
    """α; 1 makes every share equally likely."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """p and α."""
        return {
            "p": stack.numbers(lambda settings: settings.p),
            "alpha": stack.numbers(lambda settings: settings.alpha, off=1.0),
        }

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """(1 − M) ⊙ x + M ⊙ x₂."""
        share = random.at("share").beta(numbers["alpha"])
        share = share * (random.at("p").uniform(None) < numbers["p"])
        mask = region(batch.x.shape[2:], share, random.at("region"))[:, None]
        x = torch.lerp(batch.x, partners(batch.x), mask)
        return batch.mixed(x, mask.flatten(1).mean(1))
