"""From a job to its configurations, from those to trials, and from trials to fleets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from worker.data import Outline
from worker.errors import SpecError
from worker.networks import Layout, by_hand, lay_out
from worker.regularization import EarlyStopping, Memory, Technique
from worker.regularization.families import Normalization
from worker.search.space import Overrides
from worker.spec import (
    JobSpec,
    SgdSpec,
    SolverSpec,
    Training,
    Trial,
    Variant,
    Without,
    check_trial,
)

FLEET_MEMORY = 2**30
"""Bytes that one fleet's tensors may take unless said otherwise."""
FLEET_TRIALS, GPU_FLEET_TRIALS = 256, 4096
"""Trials of a search that train together. More bring nothing on a CPU, and results come later; a
GPU is not busy with fewer."""
FLOAT = 4
DOCUMENTS = 16 * 2**10
"""Bytes of a trial's settings, epochs and report, as objects and as JSON."""
STEP_COPIES = 5
"""Copies of the weights within a step: gradients by layer and the update. Techniques say theirs."""
ACTIVATION_COPIES = 9
"""Numbers for each activation of a batch on the way forth and back by autograd; 5 by hand."""
SOLVER_COPIES, SOLVER_SCORES = 14, 10
"""Copies of the weights and of all rows' scores within an iteration of a solver, in float64."""


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
    for numbers in alike.values():
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


def largest_fleet(trials: Sequence[Trial], outline: Outline, memory: int = FLEET_MEMORY) -> int:
    """How many trials such as these fit one fleet of ``memory`` bytes; at least one."""
    return max(1, memory // bytes_per_trial(trials, outline))


def bytes_per_trial(trials: Sequence[Trial], outline: Outline) -> int:
    """The most that each trial of a fleet takes at a time, by formula; the data not counted.

    The trials are of one structure. What one of them needs is stored for all: with P weights,
    weights and gradient are 2P numbers, Adam's moments 2P, each kind of average P and one P for
    what is served, the best weights P, M snapshots MP and 2MP in the network that answers for
    them; the final weights (1 + M)P. Within a step come copies of the weights and a batch's
    activations, whose memory the process keeps; at the end a second program, which measures the
    final weights. Peaks measured on networks from 11 to 264,705 weights are 0.4 to 1.0 of this.
    """
    layout = max(
        (
            lay_out(
                trial.network,
                outline.shape,
                outline.outputs,
                trial.regularization,
                outline.number_inputs,
            )
            for trial in _different(trials)
        ),
        key=lambda layout: layout.parameters,
    )
    members = max(
        (
            settings.members
            for settings in (trial.regularization.snapshot_ensemble for trial in trials)
            if settings is not None
        ),
        default=0,
    )
    needs, restores = _needs(trials)
    served = 1 + members
    program = 2 + _moments(trials) + needs.kept + bool(needs.kept) + 3 * members + restores * served
    step = (SOLVER_COPIES if _is_solved(trials[0]) else STEP_COPIES) + needs.step
    numbers = (2 * program + served + step) * layout.parameters
    return DOCUMENTS + FLOAT * (numbers + _batch(trials[0], outline, layout, needs.activations))


def _different(trials: Sequence[Trial]) -> list[Trial]:
    """One of each kind of network that techniques make."""
    different: dict[object, Trial] = {}
    for trial in trials:
        r = trial.regularization
        kind = (r.batch_norm is None, r.layer_norm is None, r.shake_shake is None)
        different.setdefault((trial.network.alike, kind), trial)
    return list(different.values())


def _needs(trials: Sequence[Trial]) -> tuple[Memory, bool]:
    """What the techniques of a fleet need, and whether any trial wants its best weights back.

    A technique is computed for all trials together, so the one that needs most of it counts.
    """
    needs: dict[type[Technique], Memory] = {}
    restores = False
    for trial in trials:
        for _, technique in trial.regularization.techniques():
            needs[type(technique)] = technique.memory().at_least(needs.get(type(technique)))
            restores |= isinstance(technique, EarlyStopping) and technique.restore_best
    return Memory.total(needs.values()), restores


def _is_solved(trial: Trial) -> bool:
    return isinstance(trial.training.optimizer, SolverSpec)


def _moments(trials: Sequence[Trial]) -> int:
    """Copies of the weights that the optimizer remembers; a solver's two are in float64."""
    optimizers = [trial.training.optimizer for trial in trials]
    if isinstance(optimizers[0], SolverSpec):
        return 4
    if isinstance(optimizers[0], SgdSpec):
        return int(any(isinstance(o, SgdSpec) and o.momentum for o in optimizers))
    return 2


def _batch(trial: Trial, outline: Outline, layout: Layout, more: int) -> int:
    """Numbers of one batch on the way forth and back."""
    train = outline.train_rows[trial.fold or 0]
    if _is_solved(trial):
        return SOLVER_SCORES * train * outline.outputs
    rows = min(trial.training.batch_size, train)
    return rows * ((ACTIVATION_COPIES + more) * layout.units + 2 * outline.inputs)
