"""The engine of a fleet: networks, data, techniques and optimizers of K trials, stacked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor

from worker.data import Prepared
from worker.networks import Network, Parameters, build_network, quick
from worker.regularization import RandomStreams, Regularization, derive_seed, stacks
from worker.regularization.families import (
    Averages,
    Constraint,
    Constraints,
    Decay,
    Decays,
    Normalization,
    Penalties,
    Penalty,
    WeightAverage,
)
from worker.spec import SolverSpec, Trial
from worker.training.embeddings import fit_bins, sigmas
from worker.training.eval_weights import EvalWeights
from worker.training.fleet_data import PARTS, FleetData
from worker.training.metrics import CELLS, GPU_CELLS, MAP_CELLS, measure
from worker.training.numbers import PerTrialNumber, per_trial_number
from worker.training.optimizers import build_optimizer
from worker.training.schedules import learning_rate
from worker.training.snapshots import Snapshots
from worker.training.solver.solver import build_solver
from worker.training.training_loss import TrainingLoss
from worker.training.watch import Watch


@dataclass(frozen=True)
class FleetState:
    """Everything that changes while training: tensors ``[K, …]`` by name, one row a trial."""

    tensors: Mapping[str, Tensor]

    def __getitem__(self, index: Tensor) -> "FleetState":
        """The state of some trials, by a mask ``[K]`` or their numbers: a copy."""
        return FleetState({name: tensor[index] for name, tensor in self.tensors.items()})

    def load(self, state: "FleetState") -> None:
        """Take over the values of a state of as many trials, in place."""
        for name, tensor in self.tensors.items():
            fill(tensor, state.tensors[name])

    def clone(self) -> "FleetState":
        """A copy."""
        return FleetState({name: tensor.clone() for name, tensor in self.tensors.items()})


def fill(tensor: Tensor, stored: Tensor) -> None:
    """Copy a stored tensor; one of an earlier release may lack the last columns, which are 0."""
    if stored.shape == tensor.shape:
        tensor.copy_(stored)
    else:
        tensor.zero_()[..., : stored.shape[-1]].copy_(stored)


class Engine:
    """What trains K trials of equal structure, and all that is measured of them.

    ``structure`` are the trials whose techniques decide which layers there are, when they are more
    than these: a fleet that some have left keeps its layout.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        prepared: Prepared,
        device: str,
        structure: Sequence[Trial] | None = None,
    ) -> None:
        self.trials = tuple(trials)
        self.training = trials[0].training
        self.epochs = self.training.epochs
        self.data = FleetData(trials, prepared, device)
        self.outputs = prepared.target.outputs
        self._numbers = prepared.encoders[0].number_inputs
        seeds = [trial.training.seed for trial in trials]
        self.streams = RandomStreams(seeds, device, fixed=self.data.x.is_cuda)
        regularizations = [trial.regularization for trial in trials]
        self._structure = [trial.regularization for trial in structure or trials]
        self.network = self._build(regularizations)
        weight_seeds = [derive_seed(seed, "weights") for seed in seeds]
        self.network.initialize(weight_seeds, sigmas(trials))
        fit_bins(self.network.embedding, trials, prepared)
        self.network.to(device)
        solved = isinstance(trials[0].training.optimizer, SolverSpec)
        self.parameters = Parameters(self.network, padded=not solved)
        w = self.parameters.values
        index = replace(self.parameters.index, inputs=prepared.inputs)
        self.penalties = Penalties(stacks(Penalty, regularizations, device), index)
        self.decays = Decays(stacks(Decay, regularizations, device), index)
        self.constraints = Constraints(stacks(Constraint, regularizations, device), index)
        optimizers = [trial.training.optimizer for trial in trials]
        self.solver = build_solver(self.data, w, self.penalties, trials)
        self.optimizer = build_optimizer(optimizers, w)
        self.averages = Averages(stacks(WeightAverage, regularizations, device), w, self.epochs)
        live = {"weights": w, **self.buffers()}
        self.eval_weights = EvalWeights(self.network, live, self.averages)
        self.snapshots = Snapshots(
            trials, structure or trials, self.data.task, self.eval_weights.tensors, self._build
        )
        kept = {**self.eval_weights.tensors, **self.snapshots.tensors}
        self.watch = Watch(regularizations, kept, w)
        self.loss = TrainingLoss(
            regularizations, self.network, self.data, self.streams, self.training.precision
        )
        self.objective = torch.zeros(len(trials), dtype=torch.float64, device=device)
        self.thresholds = torch.full((len(trials),), 0.5, dtype=torch.float64, device=device)
        """Of two classes: the probability from which each trial answers the positive one."""
        self.rate: PerTrialNumber = 0.0
        self.order: Sequence[Tensor] = ()
        self.state = FleetState(self._changing())
        # A last batch of one row is left out where it cannot be normalized.
        self._drops_single_row = any(n.needs_batch for n in stacks(Normalization, regularizations))
        self.penalties.start_epoch(self.epochs - 1, self.epochs)  # until the first one begins

    def _build(self, regularizations: Sequence[Regularization]) -> Network:
        """A network with a row for each of these, of the fleet's structure; no weights yet."""
        return build_network(
            self.trials[0].network,
            self.data.shape,
            self.outputs,
            regularizations,
            streams=self.streams,
            structure=self._structure,
            numbers=self._numbers,
        )

    def buffers(self) -> dict[str, Tensor]:
        """What the network keeps beside its weights (running averages), ``[K, …]`` each."""
        weights = dict(self.network.named_parameters())
        return {n: t for n, t in self.network.state_dict().items() if n not in weights}

    def _changing(self) -> dict[str, Tensor]:
        """All tensors that change while training, by name."""
        groups = {
            "optimizer": (self.solver or self.optimizer).memory(),
            "buffers": self.buffers(),
            "averages": self.averages.memory(),
            "ensemble": self.snapshots.tensors,
            "watch": self.watch.memory(),
        }
        changing = {"weights": self.parameters.values, "objective": self.objective}
        for group, tensors in groups.items():
            changing |= {f"{group}.{name}": tensor for name, tensor in tensors.items()}
        return changing

    @property
    def batches(self) -> int:
        """Steps an epoch: batches, or iterations of a solver."""
        if self.solver is not None:
            return self.solver.iterations
        whole, rest = divmod(self.data.rows("train"), self.training.batch_size)
        return max(1, whole + (rest > int(self._drops_single_row)))

    def start_epoch(self, epoch: int, objective: Tensor | None = None) -> None:
        """Set rates, strengths, batch order and random streams: all follow from the epoch alone.

        ``objective`` is what it has summed up to, within an epoch.
        """
        rates = [learning_rate(trial, epoch) for trial in self.trials]
        self.rate = per_trial_number(rates, self.parameters.values)
        for part in (self.network, self.penalties, self.decays, self.loss):
            part.start_epoch(epoch, self.epochs)
        self.order = self.data.order(epoch, self.training.batch_size)
        rows = self.order[0].shape[1]
        self.streams.start_epoch(epoch, steps=self.batches, rows=rows)
        self.objective.zero_() if objective is None else self.objective.copy_(objective)

    def batch(self, number: int) -> Tensor:
        """The rows of an epoch's batch, counted from 0: ``[K, B]``; ``[1, B]`` when all agree."""
        return self.data.of_trials(self.order[number])

    def solved(self) -> Tensor:
        """``[K]`` bool: the trials whose solver has reached its tolerance; none without one."""
        if self.solver is None:
            return torch.zeros_like(self.watch.restores)
        return self.solver.converged()

    def answer(self, x: Tensor) -> Tensor:
        """Features ``[K, B, …]`` → scores ``[K, B, O]``, an ensemble's of its members' mean."""
        scores: Tensor = self.network(x)
        return self.snapshots.merge(scores, x)

    @torch.no_grad()
    def end_epoch(self, epoch: int, *, measured: bool = True) -> dict[str, Tensor]:
        """Metrics ``[K]`` at the end of an epoch, counted from 0, of what would be served now.

        Unless it is ``measured``, there are those alone which training itself has come to.
        """
        metrics: dict[str, Tensor] = {}
        if measured or self.snapshots:
            with self.eval_weights.installed(self.snapshots, epoch, self._training_rows):
                metrics = self.measure() if measured else {}
        else:
            self.eval_weights.pass_by(epoch)
        rate = torch.as_tensor(self.rate, dtype=torch.float64, device=self.objective.device)
        metrics["learning_rate"] = rate.flatten().expand(len(self.trials))
        if self.solver is not None:
            metrics["optimality"] = self.solver.optimality
        metrics["objective"] = self.objective / self.batches
        return metrics

    def _training_rows(self) -> Iterator[Tensor]:
        """Features of the training rows in their order, in batches as in training."""
        batches = self.data.batches("train", self.training.batch_size)
        for rows in islice(batches, max(1, self.batches)):
            yield rows.x

    @torch.inference_mode()
    def measure(self) -> dict[str, Tensor]:
        """Metrics of every part in eval mode, and of the weights, ``[K]`` each."""
        self.network.eval()
        metrics: dict[str, Tensor] = {}
        for part in PARTS:
            if self.data.rows(part):
                values = self.measure_part(part)
                metrics |= {f"{part}_{name}": value for name, value in values.items()}
        self.network.train()
        if "validation_loss" in metrics:
            metrics["gap"] = metrics["validation_loss"] - metrics["train_loss"]
        return metrics | self.measure_weights()

    @torch.no_grad()
    def measure_weights(self) -> dict[str, Tensor]:
        """Penalty and sparsity, ``[K]`` each."""
        w, weight = self.parameters.values, self.parameters.index.weight
        zeros = ((w == 0) & weight).sum(1)
        return {
            "penalty": self.penalties.value(w).double(),
            "sparsity": zeros.double() / weight.sum(),
        }

    @torch.no_grad()
    def training_loss(self) -> Tensor:
        """The data loss ``[K]`` of the training rows that are measured, in eval mode."""
        self.network.eval()
        loss = self.measure_part("train")["loss"]
        self.network.train()
        return loss

    def measure_part(self, part: str, most: int | None = None) -> dict[str, Tensor]:
        """Metrics ``[K]`` of a part's rows, or of ``most`` of them; the network is in eval mode."""
        batches = self.data.measured(part, self.rows_measured, most=most)
        with quick(measuring=True):
            return measure(self.answer, self.data, batches, self.thresholds)

    @torch.no_grad()
    def scores(self, part: str) -> tuple[Tensor, Tensor]:
        """Scores ``[K, n, O]`` and targets ``[K, n]`` of a part's rows, in eval mode."""
        self.network.eval()
        with quick(measuring=True):
            pairs = [
                (rows.scored(self.answer(rows.x)), rows.y)
                for rows in self.data.measured(part, self.rows_measured)
            ]
        self.network.train()
        return torch.cat([scores for scores, _ in pairs], 1), torch.cat([y for _, y in pairs], 1)

    @property
    def rows_measured(self) -> int:
        """Rows that are measured at a time: their activations fit the cache, or fill a GPU."""
        on_maps = bool(self.trials[0].network.conv_layers)
        cells = GPU_CELLS if self.data.x.is_cuda else MAP_CELLS if on_maps else CELLS
        return max(1, cells // (self.network.widest * len(self.trials)))


def part_of(engine: Engine, prepared: Prepared, chosen: Sequence[int]) -> Engine:
    """An engine of some trials, with their weights."""
    device = engine.parameters.values.device
    trials = [engine.trials[trial] for trial in chosen]
    part = Engine(trials, prepared, str(device), structure=engine.trials)
    rows = torch.tensor(chosen, device=device)
    part.parameters.values.copy_(engine.parameters.values[rows])
    part.thresholds.copy_(engine.thresholds[rows])
    whole = engine.buffers() | engine.snapshots.tensors
    for name, tensor in (part.buffers() | part.snapshots.tensors).items():
        tensor.copy_(whole[name][rows])
    part.snapshots.load()
    return part
