"""The tensor program of a fleet: K trials of equal structure, one step at a time."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from worker.data import Prepared
from worker.networks import Parameters, build_network, stacks
from worker.regularization.families.decay import Decay, Decays
from worker.regularization.families.normalization import Normalization
from worker.regularization.families.penalty import Penalties, Penalty
from worker.spec import Trial
from worker.training.fleet_data import PARTS, FleetData
from worker.training.losses import LOSSES
from worker.training.metrics import CELLS, measure
from worker.training.optimizers import build_optimizer
from worker.training.schedules import factor
from worker.training.seeds import derive
from worker.training.shared import Shared, share
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
        self.network = build_network(
            trials[0].network,
            self.data.inputs,
            prepared.target.outputs,
            regularizations,
            generator=self.generator,
            structure=[trial.regularization for trial in fleet or trials],
        )
        self.network.initialize([derive(t.training.seed, "weights") for t in trials])
        self.network.to(device)
        self.parameters = Parameters(self.network)
        w, columns = self.parameters.values, self.parameters.columns
        self.penalties = Penalties(stacks(Penalty, regularizations, device), columns)
        self.decays = Decays(stacks(Decay, regularizations, device), columns)
        self.optimizer = build_optimizer([trial.training.optimizer for trial in trials], w)
        self.watch = Watch(regularizations, self.network, w)
        self.loss = LOSSES[self.data.task]
        self.rate: Shared = 0.0
        self.updates = 0
        self.objective = torch.zeros(len(trials), dtype=torch.float64, device=device)
        self.drops_single_row = bool(stacks(Normalization, regularizations))

    @property
    def batches(self) -> int:
        """Steps an epoch."""
        rows, size = self.data.rows("train"), self.training.batch_size
        whole, rest = divmod(rows, size)
        return max(1, whole + (rest > int(self.drops_single_row)))

    def start_epoch(self, epoch: int) -> None:
        """Set learning rates, batch order and random streams; each follows from the epoch alone."""
        rates = [
            trial.training.optimizer.learning_rate
            * factor(trial.training.schedule, epoch, self.training.epochs)
            for trial in self.trials
        ]
        self.rate = share(rates, self.parameters.values)
        self.updates = epoch * self.batches
        self.order = torch.split(self.data.order(epoch), self.training.batch_size, dim=1)
        self.generator.manual_seed(derive(self.trials[0].training.seed, "masks", epoch))
        self.objective.zero_()

    def step(self, batch: int) -> None:
        """One update of every trial: forward, backward, penalties, decay, optimizer, proximal."""
        number = self.updates + batch + 1
        w = self.parameters.values
        x, y = self.data.gather(self.order[batch])
        loss = self.loss(self.network(x), y).mean(1)  # [K]
        gradient = self.parameters.differentiate(loss.sum())
        with torch.no_grad():
            self.objective += self.penalties.add_gradient(w, gradient, loss)
            self.decays.add_gradient(w, gradient)
            self.decays.decay(w, self.rate)
            self.optimizer.step(w, gradient, self.rate, number)
            self.penalties.shrink(w, self.rate)

    def measure(self) -> dict[str, Tensor]:
        """Metrics of every part in eval mode, penalty and sparsity, ``[K]`` each."""
        self.network.eval()
        widest = max(self.data.inputs, *(max(p.shape[1:]) for p in self.network.parameters()))
        size = max(1, CELLS // (widest * len(self.trials)))
        metrics: dict[str, Tensor] = {}
        for part in PARTS:
            if self.data.rows(part):
                batches = self.data.batches(part, size)
                found = measure(self.network, self.data.task, batches, self.data.unit)
                metrics |= {f"{part}_{name}": value for name, value in found.items()}
        self.network.train()
        if "validation_loss" in metrics:
            metrics["gap"] = metrics["validation_loss"] - metrics["train_loss"]
        w = self.parameters.values
        metrics["penalty"] = self.penalties.value(w).double()
        weights = w[:, self.parameters.columns.weight]
        metrics["sparsity"] = (weights == 0).double().mean(1)
        metrics["learning_rate"] = torch.as_tensor(self.rate).double().expand(len(w), 1)[:, 0]
        return metrics

    def buffers(self) -> dict[str, Tensor]:
        """What the network keeps beside its weights (running averages), ``[K, …]`` each."""
        weights = dict(self.network.named_parameters())
        return {n: t for n, t in self.network.state_dict().items() if n not in weights}

    def rows(self) -> dict[str, Tensor]:
        """Everything that changes while training, one row a trial."""
        found = {"weights": self.parameters.values, "objective": self.objective}
        groups: dict[str, dict[str, Any]] = {
            "optimizer": self.optimizer.memory(),
            "buffers": self.buffers(),
            "watch": self.watch.memory(),
        }
        for group, tensors in groups.items():
            found |= {f"{group}.{name}": tensor for name, tensor in tensors.items()}
        return found

    def load(self, rows: dict[str, Tensor]) -> None:
        """Take over what ``rows`` gave, of this program or of one with more trials."""
        for name, tensor in self.rows().items():
            tensor.copy_(rows[name])
