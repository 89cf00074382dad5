"""A number of each trial, or one that all share."""

from collections.abc import Sequence

import torch
from torch import Tensor

Shared = float | Tensor
"""``[K, 1]``, or a float when all trials agree: the arithmetic then saves a pass over memory."""


def share(values: Sequence[float], like: Tensor) -> Shared:
    """The numbers of K trials, beside a matrix ``[K, P]``."""
    if len(set(values)) == 1:
        return float(values[0])
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]
