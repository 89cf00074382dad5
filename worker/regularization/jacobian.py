"""Jacobian regularization: scores that hardly move with the inputs."""

from typing import Annotated, ClassVar, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.output import SlopePenalty
from worker.regularization.technique import Memory, search_range


@final
class Jacobian(SlopePenalty):
    """Small slopes of the scores by the inputs: r = ½·‖J‖²_F, J = ∂s/∂x.

    A network whose scores do not move with small changes of a row answers the same for its
    neighbours. ‖J‖² is estimated without bias by random directions v on the unit sphere of the
    scores, ‖J‖² = O·E‖vᵀJ‖², one backward pass each; with one output it is exact. Scores are
    logits, or the value of a regression, of the network as it is in training, with its dropouts.

    When: answers must be stable under noise and small changes of the features.
    Start: .01 (.001 to 1), with one projection.
    Badly with: `batch_norm`, under which a row's scores depend on the other rows of its batch;
    `adversarial`, which asks for the same against one direction.
    Cost: a second derivative: two to three times the time of a step, and once or twice more for
    each further projection; twice the activations. No backpropagation by hand.
    Units: λ in units of the loss per squared score and inverse squared unit of the features, with
    the paper's ½.
    Shapes: x ``[K, B, …]``; s, v ``[K, B, O]``; r ``[K, B]``; λ ``[K]``.
    Source: Hoffman, Roberts & Yaida 2019, arXiv:1908.02729, algorithm 1.
    """

    usual_strengths: ClassVar[tuple[float, float]] = (1e-3, 1.0)

    strength: Annotated[
        float, Field(ge=0.0, le=1e6, json_schema_extra=search_range(1e-3, 1.0, log=True))
    ]
    """λ, how much it weighs."""
    projections: Annotated[int, Field(ge=1, le=64)] = 1
    """Random directions for each row and step; the mean over them is taken."""

    def directions(self) -> int:
        """As many as there are projections."""
        return self.projections

    def memory(self) -> Memory:
        """The graphs of the backward passes, which the second derivative goes through."""
        return Memory(activations=6 + 4 * self.projections)

    @staticmethod
    def value(x: Tensor, scores: Tensor, direction: Tensor) -> Tensor:
        """½·O·‖∂(v·s)/∂x‖², v the direction at length 1."""
        v = direction / torch.linalg.vector_norm(direction, dim=2, keepdim=True)
        (slope,) = torch.autograd.grad((scores * v).sum(), x, create_graph=True)
        return slope.square().flatten(2).sum(2) * (scores.shape[2] / 2)
