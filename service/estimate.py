"""What a job will cost, before it is accepted."""

from collections.abc import Sequence
from math import ceil

from service.schemas.jobs import Estimate
from worker.data import Outline
from worker.networks import count_parameters
from worker.search import FleetPlan
from worker.spec import Trial

# Fitted to the design's measurement of generic layers under autograd: a 2-50-50-1 network at
# batch 32 with L1, L2 and dropout takes 197 µs a step for one trial and 33 µs a trial for 64.
STEP_SECONDS = 165e-6
OPERATIONS_PER_SECOND = 16.5e9
BYTES_PER_PARAMETER = 4 * 5
"""Weight, gradient, two moments and the best weight, in float32."""


def largest(plans: Sequence[FleetPlan], outline: Outline) -> int:
    """Trainable parameters of the largest network."""
    return max(_parameters(plan.trials[0], outline) for plan in plans)


def estimate(plans: Sequence[FleetPlan], outline: Outline) -> Estimate:
    """Seconds on one core if no trial stops early, and bytes of all weights and their moments."""
    seconds, size = 0.0, 0
    train, held_out = max(outline.train_rows), max(outline.validation_rows)
    for plan in plans:
        first, trials = plan.trials[0], len(plan.trials)
        parameters = _parameters(first, outline)
        batch = min(first.training.batch_size, train)
        steps = ceil(train / batch)
        step = STEP_SECONDS + trials * 6 * parameters * batch / OPERATIONS_PER_SECOND
        measuring = trials * 2 * parameters * (train + held_out) / OPERATIONS_PER_SECOND
        epochs = max(trial.training.epochs for trial in plan.trials)
        seconds += epochs * (steps * step + measuring)
        size += trials * parameters * BYTES_PER_PARAMETER
    return Estimate(seconds=round(seconds, 3), bytes=size)


def _parameters(trial: Trial, outline: Outline) -> int:
    return count_parameters(trial.network, outline.inputs, outline.outputs, trial.regularization)
