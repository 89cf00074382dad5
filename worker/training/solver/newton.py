"""Proximal Newton: few iterations, each with the second derivatives of the loss."""

import torch
from torch import Tensor

from worker.regularization.families import ConvexTerms
from worker.training.solver.method import SolverMethod
from worker.training.solver.model import minimize

NUMBERS = 2**22
"""Entries of the matrices ``[K, P, P]`` that are held at a time."""
INNER = 0.1
"""How much closer to its optimum each iteration solves its model, at least; near it, by the root of
how far it is, so that iterations gain more and more."""
DECREASE = 0.01
"""The share of the decrease that the model promises which a step must bring."""
HALVINGS = 60
ROUNDING = 1e-14
"""Of an objective, relative."""


class Newton(SolverMethod):
    """Proximal Newton for K linear, logistic or softmax regressions of one fold.

    d minimizes ∇f(w)'d + d'Hd/2 + R(w + d), H the second derivative of f; w⁺ = w + t·d with the
    first t of 1, 1/2, 1/4, … by which the objective falls enough. Without kinks d is Newton's step,
    and the least squares are solved by one. Trials are one batch of matrices ``[K, P, P]``; one
    that is solved stays as it is.

    Source: Lee, Sun & Saunders 2014, SIAM J. Optim. 24(3).
    """

    def advance(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """One iteration of every trial that is not solved."""
        point, optimality = state["point"].clone(), state["optimality"].clone()
        open_ = torch.nonzero(optimality > state["tolerance"])[:, 0]
        size = max(1, NUMBERS // point.shape[1] ** 2)
        for some in torch.split(open_, size) if len(open_) else ():
            point[some], optimality[some] = self._advance(
                point[some], optimality[some], state["tolerance"][some], some
            )
        return {"point": point, "optimality": optimality}

    def _advance(
        self, w: Tensor, optimality: Tensor, tolerance: Tensor, some: Tensor
    ) -> tuple[Tensor, Tensor]:
        c = self.weights if self.weights is None or len(self.weights) == 1 else self.weights[some]
        scale, reference = self.scale[some], self.reference[some]
        terms = self.terms[some].scaled(scale)
        u = w * scale
        gradient = self.rows.gradient(w, c) / scale
        bend = self.rows.hessian(w, c) / (scale[:, :, None] * scale[:, None, :])
        left = optimality.clamp(max=1.0)
        closer = left * left.sqrt().clamp(max=INNER)
        goal = torch.maximum(closer, tolerance / 4) * reference
        best, distance = minimize(bend, gradient - _times(bend, u), u, terms, goal)
        direction = best - u
        new = self._search(u, direction, gradient, terms, scale, c)
        after = self.rows.gradient(new / scale, c) / scale
        step = distance[:, None]
        mapping = (new - terms.proximal(new - step * after, step)) / step
        return new / scale, mapping.abs().amax(1) / reference

    def _search(
        self,
        u: Tensor,
        direction: Tensor,
        gradient: Tensor,
        terms: ConvexTerms,
        scale: Tensor,
        c: Tensor | None,
    ) -> Tensor:
        """The first point along a line at which the objective has fallen enough."""
        before = self.rows.loss(u / scale, c) + terms.value(u)
        promised = (gradient * direction).sum(1) + terms.value(u + direction) - terms.value(u)
        share = torch.ones_like(before)
        slack = ROUNDING * before.abs()
        for _ in range(HALVINGS):
            new = u + share[:, None] * direction
            after = self.rows.loss(new / scale, c) + terms.value(new)
            falls = after <= before + DECREASE * share * promised + slack
            if bool(falls.all()):
                break
            share = torch.where(falls, share, share / 2)
        return new


def _times(matrix: Tensor, v: Tensor) -> Tensor:
    return (matrix * v[:, None, :]).sum(2)
