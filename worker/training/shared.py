"""A number of each trial, or one that all share."""

from collections.abc import Sequence

import torch
from torch import Tensor

Shared = float | Tensor
"""``[K, 1]``, or a float when all trials agree: the arithmetic then saves a pass over memory."""


def share(values: Sequence[float], like: Tensor) -> Shared:
    """The numbers of K trials, on the device of a matrix ``[K, P]``.

    In float64, as a float is: what is worked out from them, and then ``narrow``, has the same bits
    whether or not all trials agree.
    """
    if len(set(values)) == 1:
        return float(values[0])
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]


def narrow(numbers: Shared, like: Tensor) -> Shared:
    """The numbers in the precision of a matrix, to be used with it."""
    return numbers if isinstance(numbers, float) else numbers.to(like.dtype)
