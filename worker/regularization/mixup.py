"""Mixup."""

from typing import Annotated, Self, final

import torch
from pydantic import Field

from worker.regularization.batch import Batch, Classes, partners, widened
from worker.regularization.families.augmentation import Augmentation
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import search_range


@final
class Mixup(Augmentation):
    """Trains on points between two rows: x' = λx + (1 − λ)x₂, y' = λy + (1 − λ)y₂.

    λ ~ Beta(α, α) is drawn for each batch and trial; x₂ is another row of the batch. The loss is
    the mixed cross-entropy λ·L(y) + (1 − λ)·L(y₂): the network is asked to be linear between
    rows. Small α keeps λ near 0 or 1; 1 makes it uniform.

    When: few rows, noisy labels; any data.
    Start: .2 (0 to 1).
    Badly with: `cutmix` (one mixture is enough) and `label_smoothing` (the target is soft
    already); hard-label measures of the training batches, which no longer have a label.
    Cost: two passes over the batch; a fifth of the time of a small network.
    Units: α is the magnitude of Kadra et al. 2021, and PyTorch's and timm's alpha.
    Shapes: x ``[K, B, …]``, y' probabilities ``[K, B, C]`` (binary and regression ``[K, B]``);
    λ, α ``[K]``.
    Source: Zhang et al. 2018, arXiv:1710.09412.
    """

    alpha: Annotated[float, Field(ge=0.0, le=100.0, json_schema_extra=search_range(0.0, 1.0))] = 0.2
    """α, the magnitude; 0 mixes nothing."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """α."""
        return {"alpha": stack.numbers(lambda settings: settings.alpha)}

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """λx + (1 − λ)x₂ with λ ~ Beta(α, α)."""
        share = random.beta(numbers["alpha"])  # 1 − λ, which has the same distribution
        x = torch.lerp(batch.x, partners(batch.x), widened(share, batch.x))
        return batch.mixed(x, share)
