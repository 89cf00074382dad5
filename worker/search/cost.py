"""What a job costs, by formula: trials, parameters, steps, bytes and seconds.

Nothing is allocated, and of a long comparison nothing is listed: what is alike is counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from worker.data import Outline
from worker.networks import Layout, lay_out
from worker.search.plan import (
    FleetLimits,
    FleetPlan,
    largest_fleet,
    posted_configurations,
    structure,
)
from worker.spec import CnnSpec, JobSpec, LinearSpec, MlpSpec, NetworkSpec, SolverSpec, Trial

# Fitted to the design's measurement of generic layers under autograd: a 2-50-50-1 network at
# batch 32 with L1, L2 and dropout takes 197 µs a step for one trial and 33 µs a trial for 64.
STEP_SECONDS = 165e-6
OPERATIONS_PER_SECOND = 16.5e9
BYTES_PER_PARAMETER = 4 * 6
"""Weight, gradient, two moments, the best and the final weight, in float32."""


@dataclass(frozen=True)
class FleetCost:
    """A fleet in figures, and how many such fleets there are."""

    count: int
    trials: int
    epochs: int
    measurements: int
    """How often it is measured."""
    measured_rows: int
    """Each time."""
    steps: int
    """An epoch."""
    batch: int
    train_rows: int
    rows: int
    """All of them."""
    splits: int
    inputs: int
    layout: Layout
    solved: bool

    @classmethod
    def of(
        cls, trials: Sequence[Trial], outline: Outline, *, size: int | None = None, count: int = 1
    ) -> "FleetCost":
        """Of trials of one structure; ``size`` is how many a fleet has, where these are some."""
        first = trials[0]
        optimizer, train = first.training.optimizer, outline.train_rows[first.fold or 0]
        solved = isinstance(optimizer, SolverSpec)
        batch = train if solved else min(first.training.batch_size, train)
        return cls(
            count=count,
            trials=len(trials) if size is None else size,
            epochs=first.training.epochs,
            measurements=first.training.measurements,
            measured_rows=outline.rows - max(0, train - first.training.evaluate.train_rows),
            steps=optimizer.iterations
            if isinstance(optimizer, SolverSpec)
            else ceil(train / batch),
            batch=batch,
            train_rows=train,
            rows=outline.rows,
            splits=len(outline.train_rows),
            inputs=outline.inputs,
            layout=max(
                (
                    lay_out(
                        t.network,
                        outline.shape,
                        outline.outputs,
                        t.regularization,
                        outline.number_inputs,
                    )
                    for t in trials
                ),
                key=lambda layout: layout.parameters,
            ),
            solved=solved,
        )

    def step_seconds(self, batch: int) -> float:
        """By the formula."""
        operations = 6 * self.trials * batch * self.layout.multiplications
        return STEP_SECONDS + operations / OPERATIONS_PER_SECOND

    def measure_seconds(self, rows: int) -> float:
        """By the formula."""
        operations = 2 * self.trials * rows * self.layout.multiplications
        return STEP_SECONDS + operations / OPERATIONS_PER_SECOND

    def training_seconds(self, step: float, measuring: float) -> float:
        """Of the training of one fleet."""
        return self.epochs * self.steps * step + self.measurements * measuring

    @property
    def seconds(self) -> float:
        """Of the training of one fleet, by the formula."""
        step, measuring = self.step_seconds(self.batch), self.measure_seconds(self.measured_rows)
        return self.training_seconds(step, measuring)

    @property
    def bytes(self) -> int:
        """Of one fleet, by the formula."""
        state = self.trials * self.layout.parameters * BYTES_PER_PARAMETER
        return state + self.step_bytes + self.data_bytes

    @property
    def step_bytes(self) -> int:
        """Of a batch's activations and their gradients."""
        return 2 * 4 * self.trials * self.batch * self.layout.units

    @property
    def data_bytes(self) -> int:
        """Of the encoded data."""
        return self.encoded_bytes(self.rows)

    def encoded_bytes(self, rows: int) -> int:
        """Of so many rows, encoded for each split."""
        return 4 * self.splits * rows * self.inputs


@dataclass(frozen=True)
class Cost:
    """What a job costs if no trial stops early."""

    trials: int
    """Those that refit the winner included."""
    refits: int
    """Those that refit the winner."""
    fleets: int
    parameters: int
    """Of the largest network."""
    steps: int
    """Of all trials: epochs × batches, or epochs × a solver's iterations."""
    bytes: int
    """Of the largest fleet."""
    seconds: float
    """Of training, fleet after fleet, by the formula."""

    @classmethod
    def of(
        cls,
        fleets: Sequence[FleetCost],
        trials: int,
        *,
        share: float = 1.0,
        effort: float = 1.0,
        refits: Sequence[FleetCost] = (),
    ) -> "Cost":
        """Of these fleets, ``share`` times, of whose epochs ``effort`` is trained; and of those
        that refit the winner in the end.
        """
        scale = share * effort
        last = sum(fleet.trials for fleet in refits)
        return cls(
            trials=trials + last,
            refits=last,
            fleets=round(share * sum(fleet.count for fleet in fleets)) + len(refits),
            parameters=max(fleet.layout.parameters for fleet in fleets),
            steps=round(scale * sum(map(_steps, fleets))) + sum(map(_steps, refits)),
            bytes=max(fleet.bytes for fleet in (*fleets, *refits)),
            seconds=scale * sum(fleet.count * fleet.seconds for fleet in fleets)
            + sum(fleet.seconds for fleet in refits),
        )


def _steps(fleet: FleetCost) -> int:
    return fleet.count * fleet.trials * fleet.epochs * fleet.steps


def planned_costs(plans: Iterable[FleetPlan], outline: Outline) -> list[FleetCost]:
    """Of fleets that are planned."""
    return [FleetCost.of(plan.trials, outline) for plan in plans]


def comparison_costs(spec: JobSpec, outline: Outline, limits: FleetLimits) -> list[FleetCost]:
    """Of a job that names its configurations, without listing its trials.

    A configuration that leaves a technique out is counted as the one that it leaves it out of.
    """
    folds = range(outline.folds) if outline.folds else [None]
    alike: dict[tuple[object, ...], tuple[dict[int, Trial], int]] = {}
    for configuration in posted_configurations(spec):
        for fold, times in _different_folds(folds, outline):
            trial = configuration.model_copy(update={"fold": fold})
            key = structure(trial, outline)
            trials, known = alike.get(key, ({}, 0))
            trials[trial.configuration] = trial
            leaving_out = len(list(trial.regularization.techniques())) if spec.attribute else 0
            alike[key] = trials, known + times * spec.repeats * (1 + leaving_out)
    costs = []
    for trials, number in alike.values():
        representatives = list(trials.values())
        size = min(number, limits.trials, largest_fleet(representatives, outline, limits.memory))
        whole, rest = divmod(number, size)
        costs.append(FleetCost.of(representatives, outline, size=size, count=whole))
        if rest:
            costs.append(FleetCost.of(representatives, outline, size=rest))
    return costs


def _different_folds(folds: Iterable[int | None], outline: Outline) -> list[tuple[int | None, int]]:
    """One fold of each size, and how many there are."""
    sizes: dict[tuple[int, int], tuple[int | None, int]] = {}
    for fold in folds:
        size = outline.train_rows[fold or 0], outline.validation_rows[fold or 0]
        first, count = sizes.get(size, (fold, 0))
        sizes[size] = first, count + 1
    return list(sizes.values())


def steps_of(configurations: Iterable[Trial], train_rows: int) -> int:
    """Training steps of one trial of each configuration."""
    total = 0
    for configuration in configurations:
        training = configuration.training
        optimizer = training.optimizer
        batches = (
            optimizer.iterations
            if isinstance(optimizer, SolverSpec)
            else ceil(train_rows / min(training.batch_size, train_rows))
        )
        total += training.epochs * batches
    return total


def fewest_parameters(network: NetworkSpec) -> int:
    """Weights that a network has at the least, whatever the data: those between its own layers."""
    if isinstance(network, LinearSpec):
        return 0
    if isinstance(network, MlpSpec):
        return sum(a * b for a, b in pairwise(network.hidden))
    if isinstance(network, CnnSpec):
        maps = sum(network.kernel_size * a * b for a, b in pairwise(network.channels))
        return maps + sum(a * b for a, b in pairwise((network.channels[-1], *network.hidden)))
    return 2 * network.blocks * network.width**2
