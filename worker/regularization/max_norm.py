"""Max-norm."""

from typing import Annotated, Self, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.constraint import Constraint
from worker.regularization.per_trial import ParameterIndex, PerTrial
from worker.regularization.technique import search_range

MARGIN = 1e-6
"""How far inside the bound a projection lands, relatively: float32 rounds, the bound holds."""


@final
class MaxNorm(Constraint):
    """The norm of the weights that enter a unit is at most c: w_u ← w_u·min(1, c / ‖w_u‖).

    Projected after every step, so it holds whatever the learning rate: large rates and dropout
    go well with it. Biases are free.

    When: large learning rates, momentum and `dropout`.
    Start: 3 (3 to 4); 2 for wide layers.
    Badly with: `batch_norm` and `layer_norm`, which undo the size of the weights; `weight_decay`
    and `l2` so strong that the bound is never reached.
    Cost: two passes over the weights a step; nothing at prediction.
    Units: c in the unit of the weights, as Keras's `MaxNorm` and `torch.renorm`.
    Shapes: w_u one column of W ``[K, in, out]``; of a convolution, one filter; c ``[K]``.
    Source: Srebro & Shraibman 2005; with dropout: Srivastava et al. 2014, JMLR 15.
    """

    norm: Annotated[float, Field(gt=0.0, le=1e6, json_schema_extra=search_range(0.5, 5.0))] = 3.0
    """c, the largest Euclidean norm of a unit's incoming weights."""

    @classmethod
    def limits(cls, stack: PerTrial[Self], index: ParameterIndex) -> tuple[Tensor, ...]:
        """c for each layer that is asked for."""
        return tuple(
            torch.tensor(
                [
                    settings.norm
                    if settings is not None
                    and (settings.layers is None or matrix.layer in settings.layers)
                    else float("inf")
                    for settings in stack.members
                ],
                device=stack.device,
            )
            for matrix in index.matrices
        )

    @staticmethod
    def project(block: Tensor, limit: Tensor) -> None:
        """w_u·min(1, c / ‖w_u‖)."""
        bound = limit.view(-1, *[1] * (block.dim() - 1))
        axes = tuple(range(1, block.dim() - 1))
        norm = torch.linalg.vector_norm(block, dim=axes, keepdim=True)
        outside = norm > bound
        block *= torch.where(outside, bound * (1 - MARGIN) / norm, 1.0)
