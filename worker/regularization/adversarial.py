"""Adversarial training."""

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.augmentation import Attack
from worker.regularization.technique import search_range


@final
class Adversarial(Attack):
    """Trains on rows moved where it hurts, beside the rows: x' = x + ε·sign(∂L/∂x).

    "Fast gradient sign method". The loss is the mean of both, ½L(x) + ½L(x'), so a small change of
    the features can no longer change the answer. Running averages of batch normalization see the
    clean rows alone.

    When: answers must be stable under small changes of the features.
    Start: .05 for standardized features (.001 to .3).
    Badly with: `noise` and `image_noise` of similar size, which it outdoes; an ε as large as the
    distance between classes.
    Cost: a second forward and backward pass; twice the time.
    Units: ε in the unit of the features after preprocessing: standard deviations.
    Shapes: x, ∂L/∂x ``[K, B, …]``; ε ``[K]``.
    Source: Goodfellow et al. 2015, arXiv:1412.6572.
    """

    epsilon: Annotated[
        float, Field(ge=0.0, le=100.0, json_schema_extra=search_range(1e-3, 0.3, log=True))
    ] = 0.05
    """ε: how far each feature moves, in its unit after preprocessing."""

    @staticmethod
    def perturb(x: Tensor, gradient: Tensor, epsilon: Tensor) -> Tensor:
        """x + ε·sign(∂L/∂x)."""
        return torch.addcmul(x, gradient.sign(), epsilon)
