"""The learning rate over the epochs, as a factor of the initial one."""

import math

from worker.spec import ScheduleSpec
from worker.spec.training import CosineSchedule, StepSchedule, WarmupSchedule


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
    start, period = 0, schedule.first_period or epochs
    while epoch >= start + period:
        start += period
        period *= schedule.multiplier
    return (epoch - start) / period
