"""Random masks for a whole fleet from as few random numbers as needed."""

import math

import torch
from torch import Generator, Tensor

LEVELS = 1 << 16
"""A mask entry costs 16 random bits, so p is resolved to 1 / 65,536."""


def bernoulli_keep(shape: tuple[int, ...], threshold: Tensor, generator: Generator) -> Tensor:
    """Draw masks M: an entry is 1 with probability 1 − p[k], else 0; float32.

    One 64-bit random number serves four entries. ``threshold`` is ``keep_threshold(p)``, shaped
    to broadcast against ``shape``, whose first axis is the trial.
    """
    size = math.prod(shape)
    words = torch.empty((size + 3) // 4, dtype=torch.int64, device=threshold.device)
    words.random_(torch.iinfo(torch.int64).min, None, generator=generator)
    bits = words.view(torch.int16)[:size].view(shape)
    # Straight to float32: a bool mask would cost a conversion at every use, and torch.where
    # branches on each entry, 40 times the price of a product.
    keep = torch.empty(shape, dtype=torch.float32, device=threshold.device)
    return torch.ge(bits, threshold, out=keep)


def resolved(p: Tensor) -> Tensor:
    """The probability that a mask really has: p to 1 / 65,536, and below 1."""
    return ((p.double() * LEVELS).round().clamp(max=LEVELS - 1) / LEVELS).to(p.dtype)


def keep_threshold(p: Tensor, dimensions: int) -> Tensor:
    """The int16 from which an entry is kept; ``[K]`` widened to ``[K, 1, …]``.

    p = 0 keeps everything: no int16 lies below the lowest.
    """
    level = (p.double() * LEVELS).round().clamp(max=LEVELS - 1) - LEVELS // 2
    return level.to(torch.int16).view(-1, *[1] * (dimensions - 1))
