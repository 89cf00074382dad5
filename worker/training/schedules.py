"""The learning rate over the epochs, as a factor of the initial one."""

import math
from itertools import pairwise

from worker.spec import (
    ConstantSchedule,
    CosineSchedule,
    ScheduleSpec,
    SolverSpec,
    StepSchedule,
    Trial,
    WarmupSchedule,
)


def learning_rate(trial: Trial, epoch: int) -> float:
    """η of a trial in an epoch, counted from 0; 0 where a solver finds its own."""
    training, ensemble = trial.training, trial.regularization.snapshot_ensemble
    if isinstance(training.optimizer, SolverSpec):
        return 0.0
    if ensemble is None:
        scale = factor(training.schedule, epoch, training.epochs)
    else:
        scale = cycle_factor(training.schedule, ensemble.members, epoch, training.epochs)
    return training.optimizer.learning_rate * scale


def factor(schedule: ScheduleSpec, epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied by in an epoch, counted from 0."""
    if isinstance(schedule, StepSchedule):
        return float(schedule.factor ** (epoch // schedule.every))
    if isinstance(schedule, WarmupSchedule):
        return min(1.0, (epoch + 1) / schedule.epochs)
    if isinstance(schedule, CosineSchedule):
        position = _position(schedule, epoch, epochs)
        return schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * position)) / 2
    return 1.0


def _position(schedule: CosineSchedule, epoch: int, epochs: int) -> float:
    """How far through its period an epoch is, from 0 to below 1."""
    start, end = next(
        (start, end) for start, end in schedule.periods(epochs) if start <= epoch < end
    )
    return (epoch - start) / (end - start)


def cycles(schedule: ScheduleSpec, members: int, epochs: int) -> list[tuple[int, int]]:
    """The cycles of a snapshot ensemble: the schedule's own, or ``members`` equal ones."""
    if isinstance(schedule, CosineSchedule) and schedule.first_period is not None:
        return schedule.periods(epochs)
    ends = [epochs * number // members for number in range(members + 1)]
    return list(pairwise(ends))


def cycle_factor(schedule: ScheduleSpec, members: int, epoch: int, epochs: int) -> float:
    """What the learning rate of a snapshot ensemble is multiplied by in an epoch, from 0."""
    if not isinstance(schedule, ConstantSchedule):
        return factor(schedule, epoch, epochs)
    start, end = cycles(schedule, members, epochs)[cycle(schedule, members, epoch, epochs)]
    return (1 + math.cos(math.pi * (epoch - start) / (end - start))) / 2


def cycle(schedule: ScheduleSpec, members: int, epoch: int, epochs: int) -> int:
    """The number of the cycle that an epoch lies in; both counted from 0."""
    return sum(end <= epoch for _, end in cycles(schedule, members, epochs))


def snapshot_slot(schedule: ScheduleSpec, members: int, epoch: int, epochs: int) -> int:
    """Which member an epoch's weights are: the last ``members`` cycles give one each."""
    first = max(0, len(cycles(schedule, members, epochs)) - members)
    return max(0, cycle(schedule, members, epoch, epochs) - first)
