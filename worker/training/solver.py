"""Linear networks solved to the optimum: proximal gradient with momentum, all trials at once."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from worker.regularization.families import Penalties
from worker.spec import OptimizerSpec, SolverSpec, TaskKind
from worker.training.fleet_data import FleetData

CURVATURE: dict[TaskKind, float] = {"regression": 2.0, "binary": 0.25, "multiclass": 0.5}
"""The largest second derivative of a row's loss by its scores."""
POWER_ITERATIONS = 200
BLOCK = 16
"""Columns of a matrix product."""
SAFETY = 1.02
"""Power iteration comes from below, and a step beyond 1 / L may diverge."""


class Solver:
    """FISTA with adaptive restart for K linear, logistic or softmax regressions.

    u⁺ = prox_{ηR}(v − η·∇f(v)), v⁺ = u⁺ + β·(u⁺ − u), η = 1/L, L the curvature of the mean loss
    times the largest eigenvalue of X'X/n (by power iteration). Where (v − u⁺)·(u⁺ − u) > 0 the
    momentum has turned uphill, and that trial's starts again. Every penalty takes its proximal
    step, whatever its `method`; the intercept pays only where `biases` was asked for. float64
    throughout, and all rows at every step. Trials of one fold are one matrix product.

    Shapes: X with a column of ones ``[n, F + 1]``; u, v ``[K, (F + 1)·O]``; η, t ``[K, 1]``.
    Source: Beck & Teboulle 2009; restart: O'Donoghue & Candès 2015, arXiv:1204.3982.
    """

    def __init__(
        self, specs: Sequence[SolverSpec], data: FleetData, w: Tensor, penalties: Penalties
    ) -> None:
        self._task, self._proximal_step = data.task, penalties.joint_step()
        self._folds = [_Fold(data, fold, w) for fold in range(len(data.parts["train"]))]
        self._members = [torch.nonzero(data.fold == fold)[:, 0] for fold in range(len(self._folds))]
        self._tolerance = torch.tensor([spec.tolerance for spec in specs], device=w.device)
        self.iterations = specs[0].iterations
        self.point = torch.zeros_like(w, dtype=torch.float64)  # convex: any start will do
        self.ahead = self.point.clone()
        self.momentum = torch.ones(len(w), 1, dtype=torch.float64, device=w.device)
        self.optimality = torch.full_like(self.momentum[:, 0], torch.inf)
        self.rate = torch.empty_like(self.momentum)
        self._scale = torch.empty_like(self.optimality)
        for fold, members in zip(self._folds, self._members, strict=True):
            self.rate[members] = 1 / (SAFETY * fold.curvature())
            self._scale[members] = fold.gradient(self.point[:1]).abs().max()
        self._scale.clamp_(min=torch.finfo(torch.float32).tiny)

    def step(self, w: Tensor) -> None:
        """One iteration of every trial; w ``[K, P]`` is set to the newest point."""
        gradient = torch.empty_like(self.ahead)
        for fold, members in zip(self._folds, self._members, strict=True):
            gradient[members] = fold.gradient(self.ahead[members])
        new = self._proximal_step(self.ahead - self.rate * gradient, self.rate)
        back, forth = self.ahead - new, new - self.point
        torch.amax(back.abs(), dim=1, out=self.optimality)
        self.optimality /= self.rate[:, 0] * self._scale
        go_on = ((back * forth).sum(1, keepdim=True) <= 0).double()
        following = (1 + (1 + 4 * self.momentum.square()).sqrt()) / 2
        torch.addcmul(new, go_on * (self.momentum - 1) / following, forth, out=self.ahead)
        self.momentum.copy_(1 + go_on * (following - 1))
        self.point.copy_(new)
        w.copy_(new)

    def loss(self) -> Tensor:
        """The data loss at the newest point, ``[K]``."""
        losses = torch.empty_like(self.optimality)
        for fold, members in zip(self._folds, self._members, strict=True):
            losses[members] = fold.loss(self.point[members])
        return losses

    def converged(self) -> Tensor:
        """``[K]`` bool: no entry of the gradient mapping exceeds the tolerance.

        The mapping (v − u⁺)/η is 0 at the optimum alone; it is measured in units of the largest
        entry of the gradient at w = 0, which is the smallest λ that makes a lasso empty.
        """
        return self.optimality <= self._tolerance

    def memory(self) -> dict[str, Tensor]:
        """What is remembered between steps, by name; one row a trial."""
        return {
            "point": self.point,
            "ahead": self.ahead,
            "momentum": self.momentum,
            "optimality": self.optimality,
        }


def build_solver(
    specs: Sequence[OptimizerSpec], data: FleetData, w: Tensor, penalties: Penalties
) -> Solver | None:
    """The solver of a fleet that asks for one; all its trials name the same kind."""
    solvers = [spec for spec in specs if isinstance(spec, SolverSpec)]
    return Solver(solvers, data, w, penalties) if solvers else None


def product(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right``, ``[n, m]`` and ``[m, C]``, a block of columns at a time.

    How many columns a matrix has may change their last bits; between blocks of one size they agree,
    so that a trial is solved alike in any fleet.
    """
    (inner, columns), rows = right.shape, len(left)
    blocks = -(-columns // BLOCK)
    padded = right.new_zeros(inner, blocks * BLOCK)
    padded[:, :columns] = right
    stacked = padded.view(inner, blocks, BLOCK).transpose(0, 1).contiguous()  # [b, m, BLOCK]
    products = torch.bmm(left.expand(blocks, *left.shape), stacked)
    return products.transpose(0, 1).reshape(rows, blocks * BLOCK)[:, :columns]


class _Fold:
    """The training rows of one fold, and the smooth part f of the loss on them."""

    def __init__(self, data: FleetData, fold: int, w: Tensor) -> None:
        rows = data.parts["train"][fold]
        x = data.x[rows].flatten(1).double()
        self._x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        self._task = data.task
        self._outputs = w.shape[1] // self._x.shape[1]
        y = data.y[rows]
        if self._task == "multiclass":
            self._y = functional.one_hot(y, self._outputs).double()[:, None]  # [n, 1, O]
        else:
            self._y = y.double()[:, None, None]
        self._gram: Tensor | None = None
        if self._task == "regression" and self._x.shape[1] <= len(self._x):
            self._gram = self._x.mT @ self._x / len(self._x)
            self._moment = self._x.mT @ self._y[:, 0] / len(self._x)

    def curvature(self) -> float:
        """An upper bound of the second derivative of f in any direction."""
        direction = torch.ones_like(self._x[0])
        direction += torch.linspace(0, 1, len(direction), device=direction.device)
        largest = torch.ones_like(direction[0])
        for _ in range(POWER_ITERATIONS):
            image = self._x.mT @ (self._x @ direction) / len(self._x)
            largest = torch.linalg.vector_norm(image)
            direction = image / largest
        return CURVATURE[self._task] * float(largest)

    def _scores(self, w: Tensor) -> Tensor:
        """``[n, K, O]``."""
        stacked = w.view(len(w), -1, self._outputs).transpose(0, 1).flatten(1)  # [F + 1, K·O]
        return product(self._x, stacked).view(-1, len(w), self._outputs)

    def gradient(self, w: Tensor) -> Tensor:
        """∇f ``[K, P]`` at w ``[K, P]``."""
        if self._gram is not None:
            return 2 * (product(self._gram, w.mT).mT - self._moment[:, 0])
        scores = self._scores(w)
        if self._task == "multiclass":
            residual = scores.softmax(-1) - self._y
        elif self._task == "binary":
            residual = scores.sigmoid() - self._y
        else:
            residual = 2 * (scores - self._y)
        gradient = product(self._x.mT, residual.flatten(1)) / len(self._x)  # [F + 1, K·O]
        return gradient.view(-1, *residual.shape[1:]).transpose(0, 1).flatten(1)

    def loss(self, w: Tensor) -> Tensor:
        """f ``[K]`` at w ``[K, P]``."""
        scores = self._scores(w)
        if self._task == "multiclass":
            rows = scores.logsumexp(-1) - (scores * self._y).sum(-1)
        elif self._task == "binary":
            rows = (functional.softplus(scores) - scores * self._y)[..., 0]
        else:
            rows = (scores - self._y).square()[..., 0]
        return rows.mean(0)
