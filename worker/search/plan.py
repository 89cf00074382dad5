"""From a job to its trials, and from trials to fleets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from worker.data import Outline
from worker.regularization.families.branch import BranchMerge
from worker.regularization.families.normalization import Normalization
from worker.regularization.fit import DataFacts
from worker.schema import Settings
from worker.search.configurations import Configuration, configurations
from worker.search.fleet_size import FLEET_MEMORY, largest_fleet, parts
from worker.spec import JobSpec, Trial
from worker.spec.checks import check_trial


class FleetPlan(Settings):
    """Trials of equal structure, and the metric by which they are compared."""

    trials: Annotated[tuple[Trial, ...], Field(strict=False, min_length=1)]
    objective: str
    maximize: bool = False
    overrides: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] | None = None
    """In a search, what each trial changes in the job: path → value."""


def plan(spec: JobSpec, outline: Outline, memory: int = FLEET_MEMORY) -> list[FleetPlan]:
    """The fleets of a job that names its configurations, × repeats × folds, by structure.

    Trials share a fleet when one tensor program fits them all: same network, kind of optimizer,
    epochs, batch size and numbers of rows. What else they differ in are numbers. A fleet takes at
    most ``memory`` bytes.

    Raises:
        SpecError: a configuration contradicts itself.
    """
    found = list(trials(spec, outline))
    for trial in found:
        check(trial, outline)
    return group(found, outline, default_objective(outline), memory=memory)


def default_objective(outline: Outline) -> str:
    """What trials are compared by, unless the job says."""
    return "validation_loss" if all(outline.validation_rows) else "train_loss"


def check(trial: Trial, outline: Outline) -> None:
    """Refuse a trial that contradicts itself or its data; ``SpecError``."""
    check_trial(trial, DataFacts(outline.shape, outline.target.classes))


def group(
    trials: Sequence[Trial],
    outline: Outline,
    objective: str,
    *,
    maximize: bool = False,
    overrides: Sequence[Mapping[str, Any]] | None = None,
    memory: int = FLEET_MEMORY,
    most: int | None = None,
) -> list[FleetPlan]:
    """Fleets of trials of equal structure, in the order of their first trials.

    Of at most ``memory`` bytes by ``bytes_per_trial``, and at most ``most`` trials; the members of
    a configuration stay together where they fit.
    """
    fleets: dict[tuple[object, ...], list[int]] = {}
    for number, trial in enumerate(trials):
        fleets.setdefault(structure(trial, outline), []).append(number)
    return [
        FleetPlan(
            trials=tuple(trials[number] for number in members),
            objective=objective,
            maximize=maximize,
            overrides=None if overrides is None else tuple(dict(overrides[n]) for n in members),
        )
        for numbers in fleets.values()
        for alike in [[trials[number] for number in numbers]]
        for limit in [largest_fleet(alike, outline, memory)]
        for part in parts([t.configuration for t in alike], min(limit, most or limit))
        for members in [numbers[part]]
    ]


def trials(spec: JobSpec, outline: Outline) -> Iterator[Trial]:
    """Every trial of a job: each configuration, repeat by repeat, fold by fold."""
    for number, configuration in enumerate(configurations(spec)):
        yield from members(spec, outline, number, configuration)


def members(
    spec: JobSpec, outline: Outline, number: int, configuration: Configuration
) -> Iterator[Trial]:
    """The trials of one configuration."""
    folds = range(len(outline.train_rows)) if spec.split.folds else [None]
    training = configuration.training
    for repeat in range(spec.repeats):
        seed = (training.seed + repeat) % 2**32
        for fold in folds:
            yield Trial(
                name=configuration.name,
                configuration=number,
                repeat=repeat,
                fold=fold,
                without=configuration.without,
                network=configuration.network,
                regularization=configuration.regularization,
                training=training.model_copy(update={"seed": seed}),
            )


def members_each(spec: JobSpec, outline: Outline) -> int:
    """How many trials a configuration has: repeats × folds."""
    return spec.repeats * (len(outline.train_rows) if spec.split.folds else 1)


def structure(trial: Trial, outline: Outline) -> tuple[object, ...]:
    """What two trials must have in common to share a tensor program.

    Techniques that are off beside others that are on cost those trials nothing but time, with two
    exceptions: second branches are weights, and a last batch of one row is left out where it
    cannot be normalized.
    """
    fold = trial.fold or 0
    on = [technique for _, technique in trial.regularization.techniques()]
    return (
        trial.network,
        any(isinstance(technique, BranchMerge) for technique in on),
        outline.train_rows[fold] % trial.training.batch_size == 1
        and any(isinstance(t, Normalization) and t.needs_batch for t in on),
        type(trial.training.optimizer),
        trial.training.precision,
        trial.training.epochs,
        trial.training.batch_size,
        outline.train_rows[fold],
        outline.validation_rows[fold],
    )
