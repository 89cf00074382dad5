"""Linear networks solved to the optimum, all trials of a fleet."""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.regularization import Classes, ClassWeights, stacks
from worker.regularization.families import ConvexTerms, Penalties
from worker.spec import NEWTON_WEIGHTS, LinearSpec, SolverSpec, Trial
from worker.training.fleet_data import FleetData
from worker.training.solver.gradient import ProximalGradient
from worker.training.solver.method import SolverMethod
from worker.training.solver.newton import Newton
from worker.training.solver.rows import TrainingRows


class Solver:
    """Solves K linear, logistic or softmax regressions.

    Every penalty is taken as it is, whatever its `method`; the intercept pays only where `biases`
    was asked for. float64 throughout, and all rows at every iteration. What a trial ends with does
    not depend on the others: no trial starts from another one's solution.

    Shapes: w ``[K, P]``, P = (F + 1)·O; row weights ``[K, n]``.
    """

    def __init__(
        self,
        specs: Sequence[SolverSpec],
        data: FleetData,
        w: Tensor,
        terms: ConvexTerms,
        weights: Tensor | None,
        *,
        intercept: bool = True,
    ) -> None:
        """``weights`` ``[K, C]`` are those of the classes; none where no trial weighs them."""
        self.iterations = specs[0].iterations
        self._tolerance = torch.tensor(
            [spec.tolerance for spec in specs], device=w.device, dtype=torch.float64
        )
        self._parts: list[tuple[Tensor, SolverMethod]] = []
        self.point = torch.zeros_like(w, dtype=torch.float64)
        outputs = w.shape[1] // (data.x[0].numel() + 1)
        by_newton = torch.tensor([_by_newton(spec, w.shape[1]) for spec in specs], device=w.device)
        for fold in range(len(data.parts["train"])):
            rows = TrainingRows(data, fold, outputs, intercept=intercept)
            for method in (Newton, ProximalGradient):
                chosen = (data.fold == fold) & (by_newton == (method is Newton))
                members = torch.nonzero(chosen)[:, 0]
                if not len(members):
                    continue
                c = rows.weights_of(None if weights is None else weights[members])
                part: SolverMethod = method(rows, terms[members], c)
                self._parts.append((members, part))
                self.point[members] = part.start
        self.ahead = self.point.clone()
        self.momentum = torch.ones(len(w), 1, dtype=torch.float64, device=w.device)
        self.optimality = torch.full_like(self.momentum[:, 0], torch.inf)

    def step(self, w: Tensor) -> None:
        """One iteration of every trial; w ``[K, P]`` is set to the newest point."""
        state = self.memory()
        for members, part in self._parts:
            own = {name: tensor[members] for name, tensor in state.items()}
            changed = part.advance({**own, "tolerance": self._tolerance[members]})
            for name, tensor in changed.items():
                state[name][members] = tensor
        w.copy_(self.point)

    def loss(self) -> Tensor:
        """The data loss at the newest point, ``[K]``, rows weighted as in training."""
        losses = torch.empty_like(self.optimality)
        for members, part in self._parts:
            losses[members] = part.loss(self.point[members])
        return losses

    def converged(self) -> Tensor:
        """``[K]`` bool: no entry of the gradient mapping exceeds the tolerance.

        The mapping (v − u⁺)/η is 0 at the optimum alone; it is measured in units of the largest
        entry of the gradient with the intercept alone, which is the smallest λ that makes a lasso
        empty.
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


def _by_newton(spec: SolverSpec, weights: int) -> bool:
    return spec.method == "newton" or (spec.method == "auto" and weights <= NEWTON_WEIGHTS)


def build_solver(
    data: FleetData,
    w: Tensor,
    penalties: Penalties,
    trials: Sequence[Trial],
) -> Solver | None:
    """The solver of a fleet that asks for one; all its trials name the same kind."""
    specs = [trial.training.optimizer for trial in trials]
    solvers = [spec for spec in specs if isinstance(spec, SolverSpec)]
    network = trials[0].network
    if not solvers or not isinstance(network, LinearSpec):
        return None
    regularizations = [trial.regularization for trial in trials]
    stack = stacks(ClassWeights, regularizations, w.device).get(ClassWeights)
    weights: Tensor | None = None
    if stack is not None:
        weights = ClassWeights.numbers(stack, Classes(data.classes, data.class_rows()))["weights"]
    return Solver(solvers, data, w, penalties.convex(w), weights, intercept=network.intercept)
