"""From a job to its configurations, from those to trials, and from trials to fleets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from worker.data import Outline
from worker.errors import SpecError
from worker.networks import by_hand, lay_out
from worker.regularization.families import Normalization
from worker.search.memory import FLEET_MEMORY, largest_fleet
from worker.search.space import Overrides
from worker.spec import (
    JobSpec,
    Training,
    Trial,
    Variant,
    Without,
    check_trial,
)

FLEET_TRIALS, GPU_FLEET_TRIALS = 256, 4096
"""Trials of a search that train together. More bring nothing on a CPU, and results come later; a
GPU is not busy with fewer."""
# Fitted to the design's measurement of generic layers under autograd: a 2-50-50-1 network at
# batch 32 with L1, L2 and dropout takes 197 µs a step for one trial and 33 µs a trial for 64.
STEP_SECONDS = 165e-6
OPERATIONS_PER_SECOND = 16.5e9


@dataclass(frozen=True)
class FleetPlan:
    """Trials of equal structure, at least one, which are to train together."""

    trials: tuple[Trial, ...]
    overrides: tuple[Overrides, ...] | None = None
    """In a search, what each trial changes in the job: path → value."""


@dataclass(frozen=True)
class FleetLimits:
    """How large the fleets of a search may be."""

    memory: int = FLEET_MEMORY
    """Bytes of a fleet's tensors."""
    trials: int = FLEET_TRIALS
    """Trials of a fleet, unless a single configuration has more."""


USUAL = FleetLimits()
"""The limits of a processor."""


def plan(spec: JobSpec, outline: Outline, memory: int = FLEET_MEMORY) -> list[FleetPlan]:
    """The fleets of a job that names its configurations, × repeats × folds, by structure.

    Trials share a fleet when one tensor program fits them all: same network, kind of optimizer,
    epochs, batch size and numbers of rows. What else they differ in are numbers. A fleet takes at
    most ``memory`` bytes.

    Raises:
        SpecError: a configuration contradicts itself.
    """
    named = Configurations(spec)
    for configuration in named:
        check_against(outline, configuration)
    trials = [trial for whole in named for trial in replicas(spec, outline, whole)]
    return group(trials, outline, memory=memory)


def posted_configurations(spec: JobSpec) -> list[Trial]:
    """The configurations that a job names as they were posted, each as a trial."""
    return [
        Trial(
            name=variant.name,
            configuration=number,
            network=variant.network or spec.network,
            regularization=spec.regularization
            if variant.regularization is None
            else variant.regularization,
            training=variant.training or spec.training,
        )
        for number, variant in enumerate(spec.compare or (Variant(name=spec.name or "job"),))
    ]


class Configurations(Sequence[Trial]):
    """The configurations of a job that names them, each as the trial of its first repeat.

    In the order of their numbers: as posted, then, if asked, those that leave a technique out,
    which are made when they are asked for: there may be thousands.

    Raises:
        SpecError: techniques are to be left out, but no configuration has one.
    """

    def __init__(self, spec: JobSpec) -> None:
        self.posted = posted_configurations(spec)
        self._left_out: list[tuple[Trial, str]] = []
        if not spec.attribute:
            return
        self._left_out = [
            (whole, technique)
            for whole in self.posted
            for technique, _ in whole.regularization.techniques()
        ]
        if not self._left_out:
            raise SpecError(
                "No configuration has a technique that could be left out; name some under "
                "regularization, or set attribute to false.",
                param="attribute",
            )

    def __len__(self) -> int:
        return len(self.posted) + len(self._left_out)

    @overload
    def __getitem__(self, number: int) -> Trial: ...
    @overload
    def __getitem__(self, number: slice) -> list[Trial]: ...
    def __getitem__(self, number: int | slice) -> Trial | list[Trial]:
        if isinstance(number, slice):
            return [self[n] for n in range(len(self))[number]]
        number = range(len(self))[number]
        if number < len(self.posted):
            return self.posted[number]
        whole, technique = self._left_out[number - len(self.posted)]
        return whole.model_copy(
            update={
                "name": f"{whole.name} without {technique}",
                "configuration": number,
                "regularization": whole.regularization.model_copy(update={technique: None}),
                "without": Without(technique=technique, configuration=whole.configuration),
            }
        )


def replicas(
    spec: JobSpec, outline: Outline, configuration: Trial, first: int = 0, end: int | None = None
) -> Iterator[Trial]:
    """The trials of one configuration: repeat by repeat, each with its own seed, fold by fold.

    All of them, or those from ``first`` up to ``end``.
    """
    folds = outline.folds
    training = configuration.training
    seeded: dict[int, Training] = {}
    for number in range(first, spec.repeats * max(1, folds) if end is None else end):
        repeat, fold = divmod(number, folds) if folds else (number, None)
        if repeat not in seeded:
            seed = (training.seed + repeat) % 2**32
            seeded = {repeat: training.model_copy(update={"seed": seed})}
        yield configuration.model_copy(
            update={"repeat": repeat, "fold": fold, "training": seeded[repeat]}
        )


def replica_count(spec: JobSpec) -> int:
    """How many trials a configuration has: repeats × folds; of a column of folds that has not been
    looked at yet, the fewest.
    """
    return spec.repeats * (spec.split.fold_count or 1)


def check_against(outline: Outline, trial: Trial) -> None:
    """Refuse a trial that contradicts itself or its data; ``SpecError``."""
    check_trial(trial, outline.facts)


def group(
    trials: Sequence[Trial],
    outline: Outline,
    *,
    overrides: Sequence[Overrides] | None = None,
    memory: int = FLEET_MEMORY,
    most: int | None = None,
) -> list[FleetPlan]:
    """Fleets of trials of equal structure, in the order of their first trials.

    Of at most ``memory`` bytes by ``bytes_per_trial``, and at most ``most`` trials; the replicas
    of a configuration stay together where they fit.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, trial in enumerate(trials):
        alike.setdefault(structure(trial, outline), []).append(number)
    plans: list[FleetPlan] = []
    parts = [part for numbers in alike.values() for part in apart(numbers, trials, outline)]
    for numbers in sorted(parts, key=lambda part: part[0]):
        limit = largest_fleet([trials[number] for number in numbers], outline, memory)
        for part in cut([trials[n].configuration for n in numbers], min(limit, most or limit)):
            plans.append(
                FleetPlan(
                    trials=tuple(trials[number] for number in numbers[part]),
                    overrides=None
                    if overrides is None
                    else tuple(overrides[number] for number in numbers[part]),
                )
            )
    return plans


def structure(trial: Trial, outline: Outline) -> tuple[object, ...]:
    """What two trials must have in common to share a tensor program.

    Techniques that are off beside others that are on cost those trials nothing but time, with
    some exceptions: second branches are weights; a last batch of one row is left out where it
    cannot be normalized; kernels of normalizations take one ε; and a network that is differentiated
    by hand would go through autograd in the company of one that is not, several times slower and
    with other roundings.
    """
    fold = trial.fold or 0
    on = [technique for _, technique in trial.regularization.techniques()]
    return (
        trial.network.alike,
        tuple((type(t), t.structure()) for t in on if t.structure() is not None),
        outline.train_rows[fold] % trial.training.batch_size == 1
        and any(isinstance(t, Normalization) and t.needs_batch for t in on),
        by_hand(trial),
        type(trial.training.optimizer),
        trial.training.loss,
        trial.training.precision,
        trial.training.epochs,
        trial.training.batch_size,
        trial.training.evaluate,
        outline.train_rows[fold],
        outline.validation_rows[fold],
    )


def apart(numbers: list[int], trials: Sequence[Trial], outline: Outline) -> list[list[int]]:
    """Trials of one structure, by their numbers, parted where that is done sooner.

    With a technique that slows all down by f, n trials that do not have it take (f − 1)·n·b longer
    in its company, b what a trial adds to a step; in a fleet of their own, a step's fixed price.
    """
    first = trials[numbers[0]]
    slow = {
        type(technique)
        for number in numbers
        for _, technique in trials[number].regularization.techniques()
        if technique.slowdown > 1
    }
    for technique in sorted(slow, key=lambda t: (-t.slowdown, t.key())):
        name = technique.key()
        having: list[int] = []
        others: list[int] = []
        for number in numbers:
            has = getattr(trials[number].regularization, name) is not None
            (having if has else others).append(number)
        paid = (technique.slowdown - 1) * len(others) * _trial_seconds(first, outline)
        if paid > STEP_SECONDS:
            return [*apart(having, trials, outline), *apart(others, trials, outline)]
    return [numbers]


def _trial_seconds(trial: Trial, outline: Outline) -> float:
    """What one more trial adds to a step, by the formula."""
    layout = lay_out(
        trial.network, outline.shape, outline.outputs, trial.regularization, outline.number_inputs
    )
    rows = min(trial.training.batch_size, outline.train_rows[trial.fold or 0])
    return 6 * rows * layout.multiplications / OPERATIONS_PER_SECOND


def cut(numbers: Sequence[int], most: int) -> Iterator[slice]:
    """Cut trials, given by their configurations' numbers, into fleets of at most ``most``.

    The replicas of a configuration stay together, unless they are more than that.
    """
    start = 0
    while start < len(numbers):
        end = min(start + most, len(numbers))
        if end < len(numbers):
            whole = end
            while whole > start and numbers[whole] == numbers[whole - 1]:
                whole -= 1
            end = whole if whole > start else end
        yield slice(start, end)
        start = end
