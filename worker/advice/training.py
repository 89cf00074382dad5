"""Rules about training itself: how fast it steps, and what tells how well it goes."""

from collections.abc import Iterator

from worker.advice.change import change_of
from worker.advice.context import Context
from worker.advice.stopping import with_validation_rows
from worker.results import Advice
from worker.spec import (
    AdamSpec,
    CosineSchedule,
    LinearSpec,
    NetworkSpec,
    SgdSpec,
    SolverSpec,
    StepSchedule,
    TaskKind,
    Training,
    WarmupSchedule,
)

RATE = "training.optimizer.learning_rate"
SCHEDULE = "training.schedule"
TENTH = 10
"""A warmup of one in so many epochs is usual."""
TOO_HIGH, HOPELESS = 1.0, 3.0
"""Learning rates on data of size 1. Measured over 20 epochs: under sgd, classifying perceptrons
lived with 1 in three of four cases and with 3 in one; no regression did with 1. Under Adam, at 1
no perceptron did well."""
LINEAR_TOO_HIGH = 10.0
"""Of linear classifiers, whose answers were still right at 10 while their loss was not."""
REGRESSION_SGD, CLASSIFICATION_SGD = 0.01, 0.1
"""Learning rates to begin with: the squared error is without a half, so it is steeper."""


def too_high(network: NetworkSpec, training: Training, task: TaskKind) -> float | None:
    """A learning rate to take in the place of one that is too high; none where it is not."""
    optimizer = training.optimizer
    if isinstance(optimizer, SolverSpec):
        return None
    gentle = isinstance(network, LinearSpec) and task != "regression"
    if optimizer.learning_rate < (LINEAR_TOO_HIGH if gentle else TOO_HIGH):
        return None
    if isinstance(optimizer, AdamSpec):
        return AdamSpec().learning_rate
    return REGRESSION_SGD if task == "regression" else CLASSIFICATION_SGD


def learning_rate_too_high(context: Context) -> Iterator[Advice]:
    """A step that is longer than the valley is wide climbs its other side.

    The squared error of a standardized target has a curvature of 2 along the output's bias, so that
    gradient descent diverges from a rate of 1 on, whatever else there is. Adam moves each weight by
    about the learning rate at every step, and weights are about 1 / √inputs.
    """
    task, optimizer = context.outline.target.task, context.training.optimizer
    rate = too_high(context.network, context.training, task)
    if rate is None or isinstance(optimizer, SolverSpec):
        return
    gentle = isinstance(context.network, LinearSpec) and task != "regression"
    sgd = isinstance(optimizer, SgdSpec)
    unclear = gentle or (sgd and task != "regression" and optimizer.learning_rate < HOPELESS)
    effect = (
        "steps of that size overshoot what they go for"
        if sgd
        else "every weight moves by about that much at each step, and weights begin far below 1"
    )
    yield Advice(
        severity="info" if unclear else "warning",
        code="learning_rate_too_high",
        field=RATE,
        message=f"{optimizer.kind} at a learning rate of {optimizer.learning_rate:g} "
        f"{'may not settle' if unclear else 'cannot work'} on columns of size 1: {effect}.",
        evidence={
            "optimizer": optimizer.kind,
            "learning_rate": optimizer.learning_rate,
            "too_high": LINEAR_TOO_HIGH if gentle else TOO_HIGH,
        },
        fix=f"Set it to {rate:g}.",
        change=change_of((RATE, rate)),
    )


def schedule_beyond_epochs(context: Context) -> Iterator[Advice]:
    """A schedule that is longer than training never does what it is there for."""
    schedule, epochs = context.training.schedule, context.training.epochs
    solved = isinstance(context.training.optimizer, SolverSpec)
    if solved or context.varies("training.epochs") or context.varies("training.schedule"):
        return
    if isinstance(schedule, WarmupSchedule) and schedule.epochs > epochs:
        path, length, better = f"{SCHEDULE}.epochs", schedule.epochs, max(1, epochs // TENTH)
        said = f"it reaches {epochs / schedule.epochs:.0%} of the learning rate"
    elif isinstance(schedule, StepSchedule) and schedule.every >= epochs:
        path, length, better = f"{SCHEDULE}.every", schedule.every, max(1, epochs // 3)
        said = "the learning rate never drops"
    elif isinstance(schedule, CosineSchedule) and (schedule.first_period or 0) > epochs:
        path, length = f"{SCHEDULE}.first_period", schedule.first_period or 0
        better, said = epochs, "the learning rate never comes to its end"
    else:
        return
    if context.varies(path) or better >= length:
        return
    yield Advice(
        severity="warning",
        code="schedule_beyond_epochs",
        field=path,
        message=f"The schedule is of {length:,} epochs, and training of {epochs:,}: {said}.",
        evidence={"schedule": length, "epochs": epochs},
        fix=f"Set it to {better:,}.",
        change=change_of((path, better)),
    )


def batch_size_of_a_solver(context: Context) -> Iterator[Advice]:
    """A solver takes all rows at each step."""
    usual, given = Training().batch_size, context.training.batch_size
    if not isinstance(context.training.optimizer, SolverSpec) or given == usual:
        return
    if context.varies("training.batch_size") or context.varies("training.optimizer"):
        return
    yield Advice(
        severity="info",
        code="batch_size_of_a_solver",
        field="training.batch_size",
        message=f"A solver takes all rows at each step; the batches of {given:,} do nothing.",
        evidence={"batch_size": given, "train_rows": min(context.outline.train_rows)},
        fix="Leave it out.",
        change=change_of(("training.batch_size", None)),
    )


def no_validation_rows(context: Context) -> Iterator[Advice]:
    """Without rows held back nothing tells a network that learned from one that knows by heart.

    How a winner is chosen without them is another rule's; so is early stopping.
    """
    spec, outline = context.job.spec, context.outline
    alone = spec.search is None and len(spec.compare or ()) < 2
    if not alone or context.regularization.early_stopping is not None:
        return
    if all(outline.validation_rows) or all(outline.test_rows):
        return
    yield Advice(
        severity="info",
        code="no_validation_rows",
        field="split.validation",
        message="All rows train: nothing measures how it answers rows that it has not seen.",
        evidence={"train_rows": min(outline.train_rows), "validation_rows": 0},
        **with_validation_rows(context),
    )
