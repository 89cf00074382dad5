"""What tests read inside a run: the one place of the tests that knows how it is built."""

import torch
from torch import Tensor

from worker.training import FleetRun
from worker.training.state import TrainingState, load_state


def weights(run: FleetRun) -> dict[str, Tensor]:
    """The weights as they are now, by parameter, ``[K, …]`` each; a layer's matrix is [in, out]."""
    parameters = run.engine.parameters
    return {name: t.clone() for name, t in parameters.named(parameters.values).items()}


def batch_order(run: FleetRun, epoch: int) -> Tensor:
    """``[K, n]``: the training rows of each trial in the order of an epoch, counted from 0.

    Row r of split s has the number s·N + r, N the rows of a split.
    """
    data = run.engine.data
    order = torch.cat(data.order(epoch, run.engine.training.batch_size), 1)
    return data.of_trials(order).expand(len(run.trials), -1)


def objective_sum(run: FleetRun) -> Tensor:
    """``[K]``: data loss and penalties, summed over the steps of the epoch that is going on."""
    return run.engine.objective.clone()


def read_state(files: dict[str, bytes]) -> TrainingState:
    """A training state from its files, by name."""
    return load_state(files)
