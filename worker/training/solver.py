"""Linear networks solved to the optimum: proximal gradient with momentum, all trials at once."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from worker.regularization import Classes, ClassWeights, Regularization, stacks
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

    u⁺ = prox_{ηR}(v − η·∇f(v)), v⁺ = u⁺ + β·(u⁺ − u), η = 1/L, L the curvature of a row's loss
    times the largest eigenvalue of X'CX/n (by power iteration), C = diag(c) the weights of the
    rows, of mean 1: all 1 unless `class_weights` says otherwise. Where (v − u⁺)·(u⁺ − u) > 0 the
    momentum has turned uphill, and that trial's starts again. Every penalty takes its proximal
    step, whatever its `method`; the intercept pays only where `biases` was asked for. float64
    throughout, and all rows at every step. Trials of one fold are one matrix product.

    Shapes: X with a column of ones ``[n, F + 1]``; u, v ``[K, (F + 1)·O]``; η, t ``[K, 1]``;
    c ``[n, K, 1]``.
    Source: Beck & Teboulle 2009; restart: O'Donoghue & Candès 2015, arXiv:1204.3982.
    """

    def __init__(
        self,
        specs: Sequence[SolverSpec],
        data: FleetData,
        w: Tensor,
        penalties: Penalties,
        weights: Tensor | None,
    ) -> None:
        """``weights`` ``[K, C]`` are those of the classes; none where no trial weighs them."""
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
        self._rows: list[Tensor | None] = []
        for fold, members in zip(self._folds, self._members, strict=True):
            of_members = None if weights is None else weights[members]
            for some, alike in _alike(members, of_members):
                rows = None if alike is None else fold.row_weights(alike)
                self.rate[some] = 1 / (SAFETY * fold.curvature(rows))
                self._scale[some] = fold.gradient(self.point[:1], rows).abs().max()
            self._rows.append(None if of_members is None else fold.row_weights(of_members))
        self._scale.clamp_(min=torch.finfo(torch.float32).tiny)

    def step(self, w: Tensor) -> None:
        """One iteration of every trial; w ``[K, P]`` is set to the newest point."""
        gradient = torch.empty_like(self.ahead)
        for fold, members, rows in zip(self._folds, self._members, self._rows, strict=True):
            gradient[members] = fold.gradient(self.ahead[members], rows)
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
        """The data loss at the newest point, ``[K]``, rows weighted as in training."""
        losses = torch.empty_like(self.optimality)
        for fold, members, rows in zip(self._folds, self._members, self._rows, strict=True):
            losses[members] = fold.loss(self.point[members], rows)
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
    specs: Sequence[OptimizerSpec],
    data: FleetData,
    w: Tensor,
    penalties: Penalties,
    regularizations: Sequence[Regularization],
) -> Solver | None:
    """The solver of a fleet that asks for one; all its trials name the same kind."""
    solvers = [spec for spec in specs if isinstance(spec, SolverSpec)]
    if not solvers:
        return None
    stack = stacks(ClassWeights, regularizations, w.device).get(ClassWeights)
    weights: Tensor | None = None
    if stack is not None:
        weights = ClassWeights.numbers(stack, Classes(data.classes, data.class_rows()))["weights"]
    return Solver(solvers, data, w, penalties, weights)


def _alike(members: Tensor, weights: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The members of a fold by their class weights ``[1, C]``; none where all classes count 1.

    A trial's step must not depend on its company: one without weights is one of a fleet without.
    """
    if weights is None:
        yield members, None
        return
    numbers: dict[tuple[float, ...], list[int]] = {}
    for number, row in enumerate(weights.tolist()):
        numbers.setdefault(tuple(row), []).append(number)
    for row, some in numbers.items():
        yield members[some], None if set(row) == {1.0} else weights[some[:1]]


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
        self._labels = y.long()  # of a regression, which has no classes to weigh: of no use
        if self._task == "multiclass":
            self._y = functional.one_hot(y, self._outputs).double()[:, None]  # [n, 1, O]
        else:
            self._y = y.double()[:, None, None]
        self._gram: Tensor | None = None
        if self._task == "regression" and self._x.shape[1] <= len(self._x):
            self._gram = self._x.mT @ self._x / len(self._x)
            self._moment = self._x.mT @ self._y[:, 0] / len(self._x)

    def row_weights(self, weights: Tensor) -> Tensor:
        """c ``[n, K, 1]`` from those of the classes ``[K, C]``."""
        return weights.double().mT[self._labels][..., None]

    def curvature(self, rows: Tensor | None = None) -> float:
        """An upper bound of the second derivative of f in any direction; c is ``[n, 1, 1]``."""
        direction = torch.ones_like(self._x[0])
        direction += torch.linspace(0, 1, len(direction), device=direction.device)
        largest = torch.ones_like(direction[0])
        for _ in range(POWER_ITERATIONS):
            image = self._x @ direction
            image = self._x.mT @ (image if rows is None else image * rows[:, 0, 0]) / len(self._x)
            largest = torch.linalg.vector_norm(image)
            direction = image / largest
        return CURVATURE[self._task] * float(largest)

    def _scores(self, w: Tensor) -> Tensor:
        """``[n, K, O]``."""
        stacked = w.view(len(w), -1, self._outputs).transpose(0, 1).flatten(1)  # [F + 1, K·O]
        return product(self._x, stacked).view(-1, len(w), self._outputs)

    def gradient(self, w: Tensor, weights: Tensor | None = None) -> Tensor:
        """∇f ``[K, P]`` at w ``[K, P]``, rows weighted by c ``[n, K, 1]``."""
        if self._gram is not None:
            return 2 * (product(self._gram, w.mT).mT - self._moment[:, 0])
        scores = self._scores(w)
        if self._task == "multiclass":
            residual = scores.softmax(-1) - self._y
        elif self._task == "binary":
            residual = scores.sigmoid() - self._y
        else:
            residual = 2 * (scores - self._y)
        if weights is not None:
            residual = residual * weights
        gradient = product(self._x.mT, residual.flatten(1)) / len(self._x)  # [F + 1, K·O]
        return gradient.view(-1, *residual.shape[1:]).transpose(0, 1).flatten(1)

    def loss(self, w: Tensor, weights: Tensor | None = None) -> Tensor:
        """f ``[K]`` at w ``[K, P]``, rows weighted by c ``[n, K, 1]``."""
        scores = self._scores(w)
        if self._task == "multiclass":
            rows = scores.logsumexp(-1) - (scores * self._y).sum(-1)
        elif self._task == "binary":
            rows = (functional.softplus(scores) - scores * self._y)[..., 0]
        else:
            rows = (scores - self._y).square()[..., 0]
        return (rows if weights is None else rows * weights[..., 0]).mean(0)
