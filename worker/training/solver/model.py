"""The second-order model of a loss with penalties, minimized: a quadratic with kinks."""

import torch
from torch import Tensor

from worker.regularization.families import ConvexTerms

ROUNDS = 60
STEPS, GROWTH, MOST_STEPS = 20, 1.25, 1_000
"""Gradient steps of the first round, by which columns come and go, how many more there are in each
further one, and the most. They follow from the round alone, not from the company."""
POLISHES = 4
"""Newton steps of a round, each of which may find that some columns leave."""
POWER_ITERATIONS = 30
SAFETY = 1.1
"""Power iteration comes from below."""
DAMPING = 1e-10
"""Added to the diagonal, relative: a direction in which nothing bends is not gone along."""
WIDE = 128
"""From so many columns on, matrices are taken one by one."""


def minimize(
    bend: Tensor, slope: Tensor, u: Tensor, terms: ConvexTerms, goal: Tensor
) -> tuple[Tensor, Tensor]:
    """argmin over v of v'Hv/2 + q'v + R(v), ``[K, P]``, and the length of a gradient step ``[K]``.

    In rounds: on the columns that are not 0, the smooth function that the model is there is
    minimized by Newton's step; then come proximal gradient steps with momentum, by which columns
    leave and enter. Each keeps what is smaller, so that the model falls in every round; once the
    columns and signs are those of the minimum, one Newton step of a quadratic is exact.

    Args:
        bend: H ``[K, P, P]``.
        slope: q ``[K, P]``.
        u: where to begin, ``[K, P]``.
        terms: R.
        goal: ``[K]``, the largest entry of the gradient mapping at which a trial is done.
    """
    model = _Model(bend, slope, terms)
    v = u
    done = torch.zeros_like(goal, dtype=torch.bool)
    for number in range(ROUNDS):
        for _ in range(POLISHES):
            v = torch.where(done[:, None], v, model.polished(v))
            done = done | (model.optimality(v) <= goal)
            if bool(done.all()):
                break
        if bool(done.all()):
            break
        if number == ROUNDS - 1:
            break
        steps = min(MOST_STEPS, int(STEPS * GROWTH**number))
        v = torch.where(done[:, None], v, model.descended(v, steps))
    return v, model.step[:, 0]


class _Model:
    """m(v) = v'Hv/2 + q'v + R(v) of K trials."""

    def __init__(self, bend: Tensor, slope: Tensor, terms: ConvexTerms) -> None:
        self._bend, self._slope, self._terms = bend, slope, terms
        self._smooth = terms.smooth()
        rows = bend.abs().sum(2).amax(1)
        whole = bend.square().flatten(1).sum(1).sqrt()
        bound = torch.minimum(rows, whole)[:, None]
        tiny = torch.finfo(torch.float32).tiny
        self._sure = 1 / bound.clamp(min=tiny)
        """1 / L, L a bound of H's largest eigenvalue, ``[K, 1]``."""
        trials, columns = len(slope), slope.shape[1]
        v = torch.linspace(1, 2, columns, dtype=slope.dtype, device=slope.device)
        v = v.expand(trials, columns)
        for _ in range(POWER_ITERATIONS):
            image = self._times(v)
            largest = image.square().sum(1, keepdim=True).sqrt().clamp(min=tiny)
            v = image / largest
        self.step = 1 / torch.minimum(bound, SAFETY * largest).clamp(min=tiny)
        """The same with L as it most likely is."""
        self._damping = (DAMPING * bend.diagonal(dim1=1, dim2=2).amax(1)).clamp(min=1e-30)

    def gradient(self, v: Tensor) -> Tensor:
        """Hv + q."""
        return self._times(v) + self._slope

    def value(self, v: Tensor) -> Tensor:
        """m ``[K]``."""
        half = (v * (self._times(v) / 2 + self._slope)).sum(1)
        return half + self._terms.value(v)

    def mapping(self, v: Tensor) -> Tensor:
        """(v − prox(v − ηg)) / η, 0 at the minimum alone."""
        return (v - self._forward(v)) / self.step

    def optimality(self, v: Tensor) -> Tensor:
        """The largest entry of the mapping, ``[K]``."""
        return self.mapping(v).abs().amax(1)

    def descended(self, v: Tensor, steps: int) -> Tensor:
        """v after gradient steps with momentum, where that is lower."""
        point, ahead, momentum = v, v, torch.ones_like(self.step)
        for _ in range(steps):
            new = self._forward(ahead)
            uphill = ((ahead - new) * (new - point)).sum(1, keepdim=True) > 0
            following = (1 + (1 + 4 * momentum * momentum).sqrt()) / 2
            go_on = torch.where(uphill, torch.zeros_like(momentum), (momentum - 1) / following)
            ahead = new + go_on * (new - point)
            momentum = torch.where(uphill, torch.ones_like(momentum), following)
            point = new
        # Momentum may have gone up, and L may have been too small; a sure step never goes up.
        sure = self._terms.proximal(v - self._sure * self.gradient(v), self._sure)
        return torch.where((self.value(point) <= self.value(v))[:, None], point, sure)

    def polished(self, v: Tensor) -> Tensor:
        """v after Newton's step on the columns that are not 0, if that is better."""
        step = self._newton(v)
        flips = (v * (v + step) < 0) & ~self._smooth
        whole = torch.where(flips, torch.zeros_like(v), v + step)
        reach = torch.where(flips, -v / step, torch.full_like(v, torch.inf)).amin(1, keepdim=True)
        first = v + reach.clamp(max=1.0) * step
        first = torch.where(flips & (-v / step <= reach), torch.zeros_like(v), first)
        for candidate in (first, whole):
            lower = self.value(candidate) < self.value(v)
            closer = self.optimality(candidate) < self.optimality(v) / 2
            v = torch.where((lower | closer)[:, None], candidate, v)
        return v

    def _forward(self, v: Tensor) -> Tensor:
        return self._terms.proximal(v - self.step * self.gradient(v), self.step)

    def _newton(self, v: Tensor) -> Tensor:
        """The step to the minimum of the smooth function that m is on the columns that act."""
        terms = self._terms
        acts = (v != 0) | self._smooth
        gradient = self.gradient(v) + terms.absolute * v.sign() + 2 * terms.square * v
        diagonal = 2 * terms.square + self._damping[:, None]
        block: Tensor | None = None
        if terms.has_groups():
            norms = terms.norms(v)
            pull = terms.group / norms
            gradient = gradient + pull * v
            diagonal = diagonal + torch.where(acts, pull, torch.zeros_like(pull))
            same = (terms.number[:, :, None] == terms.number[:, None, :]) & (
                terms.group[:, :, None] > 0
            )
            away = (pull / norms.square())[:, :, None] * v[:, :, None] * v[:, None, :]
            block = torch.where(same, away, torch.zeros_like(away))
        gradient = torch.where(acts, gradient, torch.zeros_like(gradient))
        if v.shape[1] < WIDE:
            both = acts[:, :, None] & acts[:, None, :]
            matrix = self._bend if block is None else self._bend - block
            matrix = torch.where(both, matrix, torch.zeros_like(matrix))
            on_diagonal = torch.where(acts, diagonal, torch.ones_like(diagonal))
            matrix = matrix + torch.diag_embed(on_diagonal)
            return -_solve(matrix, gradient)
        step = torch.zeros_like(v)
        for k in range(len(v)):
            some = torch.nonzero(acts[k])[:, 0]
            whole = self._bend[k % len(self._bend)]
            whole = whole if block is None else whole - block[k]
            matrix = whole[some][:, some] + torch.diag(diagonal[k][some])
            step[k][some] = -_solve(matrix[None], gradient[k][some][None])[0]
        return step

    def _times(self, v: Tensor) -> Tensor:
        if v.shape[1] < WIDE:
            return (self._bend * v[:, None, :]).sum(2)
        bend = self._bend.expand(len(v), -1, -1)
        return torch.stack([torch.mv(bend[k], v[k].clone()) for k in range(len(v))])


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """x of Mx = r, ``[K, P]``; where M is not positive to rounding, with more on its diagonal."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    extra = 1e-8
    while bool(failed.any()) and extra < 1:
        more = matrix.diagonal(dim1=1, dim2=2).abs().amax(1) * extra
        raised = matrix + torch.diag_embed(more[:, None].expand_as(right))
        again, still = torch.linalg.cholesky_ex(raised)
        factor = torch.where((failed > 0)[:, None, None], again, factor)
        failed = torch.where(failed > 0, still, failed)
        extra *= 100
    return torch.cholesky_solve(right[..., None], factor)[..., 0]
