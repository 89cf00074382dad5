"""A number of each trial, or one that all trials have."""

from collections.abc import Sequence

import torch
from torch import Tensor

PerTrialNumber = float | Tensor
"""``[K, 1]``, or a float when all trials agree: the arithmetic then saves a pass over memory."""


def per_trial_number(values: Sequence[float], like: Tensor) -> PerTrialNumber:
    """The numbers of K trials, on the device of a matrix ``[K, P]``.

    In float64, as a float is: what is worked out from them, and then ``narrow``, has the same bits
    whether or not all trials agree.
    """
    if len(set(values)) == 1:
        return float(values[0])
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]


def narrow(number: PerTrialNumber, like: Tensor) -> PerTrialNumber:
    """The numbers in the precision of a matrix, to be used with it."""
    return number if isinstance(number, float) else number.to(like.dtype)


def set_to(tensor: Tensor, number: PerTrialNumber) -> None:
    """Give a tensor the value of a number, or of each trial's."""
    if isinstance(number, Tensor):
        tensor.copy_(number)
    else:
        tensor.fill_(number)
