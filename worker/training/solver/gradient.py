"""Proximal gradient with momentum: many cheap iterations."""

from collections.abc import Iterator

import torch
from torch import Tensor

from worker.regularization.families import ConvexTerms
from worker.training.solver.method import SolverMethod
from worker.training.solver.rows import TrainingRows

POWER_ITERATIONS = 200
SAFETY = 1.02
"""Power iteration comes from below, and a step beyond 1 / L may diverge."""


class ProximalGradient(SolverMethod):
    """FISTA with adaptive restart for K linear, logistic or softmax regressions of one fold.

    u⁺ = prox_{ηR}(v − η·∇f(v)), v⁺ = u⁺ + β·(u⁺ − u), η = 1/L in units of the columns' root mean
    square s (η/s² for a weight), L the curvature of a row's loss times the largest eigenvalue of
    X'CX/n (by power iteration), X with columns divided by s, C = diag(c) the weights of the rows.
    Where (v − u⁺)·(u⁺ − u) > 0 the momentum has turned uphill, and that trial's starts again.
    Trials are one matrix product.

    Shapes: X with a column of ones ``[n, F + 1]``; u, v, η ``[K, (F + 1)·O]``; t ``[K, 1]``.
    Source: Beck & Teboulle 2009; restart: O'Donoghue & Candès 2015, arXiv:1204.3982.
    """

    def __init__(self, rows: TrainingRows, terms: ConvexTerms, weights: Tensor | None) -> None:
        super().__init__(rows, terms, weights)
        if rows.steepest is None:
            raise TypeError("the curvature of this loss has no bound to take steps by")
        rate = torch.empty_like(self.scale[:, :1])
        for some, own in self._alike():
            scale = self.scale[some[0], :: rows.outputs]
            largest = rows.steepness(scale, own, POWER_ITERATIONS)
            rate[some] = 1 / (SAFETY * rows.steepest * largest)
        self._rate = rate
        self._step = rate / self.scale.square()

    def advance(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """One iteration of every trial."""
        point, ahead, momentum = state["point"], state["ahead"], state["momentum"]
        gradient = self.rows.gradient(ahead, self.weights)
        new = self.terms.proximal(ahead - self._step * gradient, self._step)
        back, forth = (ahead - new) * self.scale, (new - point) * self.scale
        optimality = back.abs().amax(1) / (self._rate[:, 0] * self.reference)
        go_on = ((back * forth).sum(1, keepdim=True) <= 0).double()
        following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        return {
            "point": new,
            "ahead": torch.addcmul(new, go_on * (momentum - 1) / following, new - point),
            "momentum": 1 + go_on * (following - 1),
            "optimality": optimality,
        }

    def _alike(self) -> Iterator[tuple[list[int], Tensor | None]]:
        """The trials by what their step follows from, with one trial's row weights ``[n]``.

        A step must not depend on the company: a trial without weights is one of a fleet without.
        """
        numbers: dict[tuple[bytes, bytes], list[int]] = {}
        for trial, scale in enumerate(self.scale):
            own = None if self.weights is None else self.weights[trial % len(self.weights)]
            c = b"" if own is None else own.cpu().numpy().tobytes()
            numbers.setdefault((scale.cpu().numpy().tobytes(), c), []).append(trial)
        for some in numbers.values():
            own = None if self.weights is None else self.weights[some[0] % len(self.weights)]
            yield some, None if own is None or bool((own == 1).all()) else own
