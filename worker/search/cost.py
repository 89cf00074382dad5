"""What a job costs, by formula: trials, parameters, steps, bytes and seconds.

Nothing is allocated, and of a long comparison nothing is listed: what is alike is counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from worker.data import Outline
from worker.networks import Layout, lay_out
from worker.search.memory import batch_orders, bytes_per_order, bytes_per_trial, largest_fleet
from worker.search.plan import (
    OPERATIONS_PER_SECOND,
    STEP_SECONDS,
    FleetLimits,
    FleetPlan,
    posted_configurations,
    structure,
)
from worker.spec import CnnSpec, JobSpec, LinearSpec, MlpSpec, NetworkSpec, SolverSpec, Trial

PROCESS_BYTES = 64 * 2**20
"""What a trainer takes that trains one small network: libraries that it is the first to use."""
ROW_BYTES = 28
"""Of each row in each split, beside its features: target, number, part, order."""
TABLE_COPIES = 3
"""Copies of the table, in float64, while it is read and encoded."""
WHOLE_BYTES = 2**25
"""Of a table that is read as a whole; a larger one is read some columns at a time, as the setting
``encoded_from_bytes`` says unless given."""
COLUMNS_BYTES = 96 * 2**20
"""What stays of the columns, blocks and row groups of such a table, measured on two of them."""


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
    columns: int
    read_anew: bool
    layout: Layout
    solved: bool
    state_bytes: int
    """Of its trials, beside the data."""

    @classmethod
    def of(
        cls,
        trials: Sequence[Trial],
        outline: Outline,
        *,
        size: int | None = None,
        orders: int | None = None,
        count: int = 1,
    ) -> "FleetCost":
        """Of trials of one structure; ``size`` is how many a fleet has, where these are some, and
        ``orders`` how many seeds and folds those have at the most.
        """
        first = trials[0]
        optimizer, train = first.training.optimizer, outline.train_rows[first.fold or 0]
        solved = isinstance(optimizer, SolverSpec)
        batch = train if solved else min(first.training.batch_size, train)
        if size is None:
            size, orders = len(trials), len(batch_orders(trials))
        orders = size if orders is None else min(size, orders)
        return cls(
            count=count,
            trials=size,
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
            columns=max(1, len(outline.columns)),
            read_anew=outline.read_anew,
            state_bytes=size * bytes_per_trial(trials, outline)
            + orders * bytes_per_order(trials, outline),
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
        """What its trainer takes at the most, by formula; `benchmarks/memory.py` has both."""
        trained = PROCESS_BYTES + self.data_bytes + self.state_bytes
        if 8 * self.columns * self.rows > WHOLE_BYTES and not self.read_anew:
            return trained + COLUMNS_BYTES
        # What is read is let go before training.
        reading = (8 * TABLE_COPIES * self.columns + ROW_BYTES * self.splits) * self.rows
        return max(trained, PROCESS_BYTES + reading)

    @property
    def data_bytes(self) -> int:
        """Of the encoded data."""
        return self.encoded_bytes(self.rows) + ROW_BYTES * self.splits * self.rows

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
        orders = spec.repeats * max(1, outline.folds)
        costs.append(FleetCost.of(representatives, outline, size=size, orders=orders, count=whole))
        if rest:
            costs.append(FleetCost.of(representatives, outline, size=rest, orders=orders))
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
