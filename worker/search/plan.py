"""From a job to its trials, and from trials to fleets."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from worker.data import Outline
from worker.regularization.families.branch import BranchMerge
from worker.regularization.families.normalization import Normalization
from worker.regularization.settings import Settings
from worker.search.configurations import configurations
from worker.spec import JobSpec, Trial
from worker.spec.checks import check_trial
from worker.spec.data_checks import check_on_data
from worker.spec.training_checks import check_training

LARGEST_FLEET = 1024
"""Trials that one worker trains together at most."""


class FleetPlan(Settings):
    """Trials of equal structure, and the metric by which they are compared."""

    trials: Annotated[tuple[Trial, ...], Field(strict=False, min_length=1)]
    objective: str
    maximize: bool = False


def plan(spec: JobSpec, outline: Outline) -> list[FleetPlan]:
    """The fleets of a job: configurations × repeats × folds, grouped by structure.

    Trials share a fleet when one tensor program fits them all: same network, kind of optimizer,
    epochs, batch size and numbers of rows. What else they differ in are numbers.

    Raises:
        SpecError: a configuration contradicts itself.
    """
    objective = "validation_loss" if all(outline.validation_rows) else "train_loss"
    fleets: dict[tuple[object, ...], list[Trial]] = {}
    for trial in trials(spec, outline):
        check_trial(trial)
        check_training(trial)
        check_on_data(trial, shape=outline.shape, classes=outline.target.classes)
        fleets.setdefault(structure(trial, outline), []).append(trial)
    return [
        FleetPlan(trials=tuple(members[start : start + LARGEST_FLEET]), objective=objective)
        for members in fleets.values()
        for start in range(0, len(members), LARGEST_FLEET)
    ]


def trials(spec: JobSpec, outline: Outline) -> Iterator[Trial]:
    """Every trial of a job: each configuration, repeat by repeat, fold by fold."""
    folds = range(len(outline.train_rows)) if spec.split.folds else [None]
    for number, configuration in enumerate(configurations(spec)):
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
        trial.training.epochs,
        trial.training.batch_size,
        outline.train_rows[fold],
        outline.validation_rows[fold],
    )
