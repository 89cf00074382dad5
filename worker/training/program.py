"""The tensor program of a fleet: K trials of equal structure, one step at a time."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Generator, Tensor

from worker.data import Prepared
from worker.networks import Network, Parameters, build_network, stacks
from worker.regularization import Regularization
from worker.regularization.families.averaging import Averages, WeightAverage
from worker.regularization.families.constraint import Constraint, Constraints
from worker.regularization.families.decay import Decay, Decays
from worker.regularization.families.normalization import Normalization
from worker.regularization.families.penalty import Penalties, Penalty
from worker.spec import Trial
from worker.training.cuda_graph import GraphedSteps
from worker.training.ensemble import Ensemble
from worker.training.fleet_data import PARTS, FleetData
from worker.training.metrics import CELLS, measure
from worker.training.optimizers import build_optimizer
from worker.training.schedules import learning_rate
from worker.training.seeds import derive
from worker.training.serving import Serving
from worker.training.shared import Shared, narrow, share
from worker.training.solver import Solver, build_solver
from worker.training.training_loss import TrainingLoss
from worker.training.watch import Watch


class Program:
    """Network, data, techniques and optimizer of K trials, stacked.

    Everything that changes is a tensor with one row a trial (``rows``), so a checkpoint is those
    tensors, and a smaller fleet is a choice of their rows. ``fleet`` are the trials that it began
    with, when these are the ones left of it.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        prepared: Prepared,
        device: str,
        fleet: Sequence[Trial] | None = None,
    ) -> None:
        self.trials = tuple(trials)
        self.training = trials[0].training
        self.data = FleetData(trials, prepared, device)
        self.generator = Generator(device)
        regularizations = [trial.regularization for trial in trials]
        self.outputs = prepared.target.outputs
        self.structure = [trial.regularization for trial in fleet or trials]
        self.network = self._build(regularizations)
        self.network.initialize([derive(t.training.seed, "weights") for t in trials])
        self.network.to(device)
        self.parameters = Parameters(self.network)
        w, columns = self.parameters.values, self.parameters.index
        self.penalties = Penalties(stacks(Penalty, regularizations, device), columns)
        self.decays = Decays(stacks(Decay, regularizations, device), columns)
        self.constraints = Constraints(stacks(Constraint, regularizations, device), columns)
        optimizers = [trial.training.optimizer for trial in trials]
        self.solver: Solver | None = build_solver(optimizers, self.data, w, self.penalties)
        self.optimizer = build_optimizer(optimizers, w)
        epochs = self.training.epochs
        self.penalties.start_epoch(epochs - 1, epochs)  # as measured when all is over
        self.averages = Averages(stacks(WeightAverage, regularizations, device), w, epochs)
        self.serving = Serving(self.network, {"weights": w, **self.buffers()}, self.averages)
        self.ensemble = Ensemble(
            trials, fleet or trials, self.data.task, self.serving.tensors, self._build
        )
        served = {**self.serving.tensors, **self.ensemble.tensors}
        self.watch = Watch(regularizations, served, w)
        self.loss = TrainingLoss(
            regularizations, self.network, self.data, self.generator, self.training.precision
        )
        self.rate: Shared = 0.0
        self.updates = 0
        self.objective = torch.zeros(len(trials), dtype=torch.float64, device=device)
        alone = not self.averages and self.solver is None  # a step that asks the host nothing
        self.graphs = GraphedSteps(self, w) if w.is_cuda and alone else None
        self.drops_single_row = any(n.needs_batch for n in stacks(Normalization, regularizations))

    def _build(self, regularizations: Sequence[Regularization]) -> Network:
        """A network with a row for each of these, of the fleet's structure; no weights yet."""
        return build_network(
            self.trials[0].network,
            self.data.shape,
            self.outputs,
            regularizations,
            generator=self.generator,
            structure=self.structure,
        )

    @property
    def batches(self) -> int:
        """Steps an epoch."""
        if self.solver is not None:
            return self.solver.iterations
        rows, size = self.data.rows("train"), self.training.batch_size
        whole, rest = divmod(rows, size)
        return max(1, whole + (rest > int(self.drops_single_row)))

    def start_epoch(self, epoch: int) -> None:
        """Set learning rates, batch order and random streams; each follows from the epoch alone."""
        rates = [learning_rate(trial, epoch) for trial in self.trials]
        self.rate = share(rates, self.parameters.values)
        if self.graphs is not None:
            self.graphs.start_epoch(self.rate)
        self.network.start_epoch(epoch, self.training.epochs)
        self.penalties.start_epoch(epoch, self.training.epochs)
        self.decays.start_epoch(epoch, self.training.epochs)
        self.updates = epoch * self.batches
        self.order = torch.split(self.data.order(epoch), self.training.batch_size, dim=1)
        self.generator.manual_seed(derive(self.trials[0].training.seed, "masks", epoch))
        self.objective.zero_()

    def step(self, batch: int) -> None:
        """One update of every trial on an epoch's batch; or one iteration of the solver."""
        number = self.updates + batch + 1
        if self.solver is not None:
            self._solve(self.solver, batch)
        elif self.graphs is not None:
            self.graphs.step(self.order[batch], number)
        else:
            self.update(self.order[batch], self.rate, number)
            self.averages.take(self.parameters.values, "step", number)

    def update(self, rows: Tensor, rate: Shared, number: int | Tensor) -> None:
        """Forward, backward, penalties, decay, optimizer, proximal step, constraints.

        Rows ``[K, B]`` or ``[1, B]``; ``number`` is the step's, from 1.
        """
        w = self.parameters.values
        loss, gradients = self.loss.differentiate(rows)
        gradient = self.parameters.collect(gradients)
        with torch.no_grad():
            self.objective += self.penalties.add_gradient(w, gradient, loss)
            self.decays.add_gradient(w, gradient)
            step = narrow(rate, w)
            self.decays.decay(w, step)
            self.optimizer.step(w, gradient, rate, number)
            self.penalties.shrink(w, step)
            self.constraints.project(w)

    @torch.no_grad()
    def _solve(self, solver: Solver, batch: int) -> None:
        """One iteration; the objective is that of the epoch's last."""
        solver.step(self.parameters.values)
        if batch == self.batches - 1:
            penalty = self.penalties.value(self.parameters.values)
            self.objective.copy_((solver.loss() + penalty) * self.batches)

    def answer(self, x: Tensor) -> Tensor:
        """Features ``[K, B, …]`` → scores ``[K, B, O]``, an ensemble's of its members' mean."""
        scores: Tensor = self.network(x)
        return self.ensemble.merge(scores, x)

    @torch.no_grad()
    def end_epoch(self, epoch: int) -> dict[str, Tensor]:
        """Metrics at the end of an epoch, counted from 0, of what would be served now; and η."""
        with self.serving.installed(self.ensemble, epoch, self._training_rows):
            metrics = self.measure()
        rate = torch.as_tensor(self.rate, dtype=torch.float64, device=self.objective.device)
        metrics["learning_rate"] = rate.flatten().expand(len(self.trials))
        if self.solver is not None:
            metrics["optimality"] = self.solver.optimality
        return metrics

    def _training_rows(self) -> Iterator[Tensor]:
        """Features of the training rows in their order, in batches as in training."""
        for x, _ in islice(
            self.data.batches("train", self.training.batch_size), max(1, self.batches)
        ):
            yield x

    def measure(self) -> dict[str, Tensor]:
        """Metrics of every part in eval mode, penalty and sparsity, ``[K]`` each."""
        self.network.eval()
        size = max(1, CELLS // (self.network.widest * len(self.trials)))
        metrics: dict[str, Tensor] = {}
        for part in PARTS:
            if self.data.rows(part):
                batches = self.data.batches(part, size)
                found = measure(self.answer, self.data.task, batches, self.data.unit)
                metrics |= {f"{part}_{name}": value for name, value in found.items()}
        self.network.train()
        if "validation_loss" in metrics:
            metrics["gap"] = metrics["validation_loss"] - metrics["train_loss"]
        w = self.parameters.values
        metrics["penalty"] = self.penalties.value(w).double()
        weights = w[:, self.parameters.index.weight]
        metrics["sparsity"] = (weights == 0).double().mean(1)
        return metrics

    def buffers(self) -> dict[str, Tensor]:
        """What the network keeps beside its weights (running averages), ``[K, …]`` each."""
        weights = dict(self.network.named_parameters())
        return {n: t for n, t in self.network.state_dict().items() if n not in weights}

    def rows(self) -> dict[str, Tensor]:
        """Everything that changes while training, one row a trial."""
        found = {"weights": self.parameters.values, "objective": self.objective}
        groups: dict[str, dict[str, Any]] = {
            "optimizer": (self.solver or self.optimizer).memory(),
            "buffers": self.buffers(),
            "averages": self.averages.memory(),
            "ensemble": self.ensemble.tensors,
            "watch": self.watch.memory(),
        }
        for group, tensors in groups.items():
            found |= {f"{group}.{name}": tensor for name, tensor in tensors.items()}
        return found

    def load(self, rows: dict[str, Tensor]) -> None:
        """Take over what ``rows`` gave, of this program or of one with more trials."""
        for name, tensor in self.rows().items():
            tensor.copy_(rows[name])
