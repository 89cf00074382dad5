"""Random parts of a sample: a set of features, a stretch of a series, a box in an image."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from worker.regularization.draws import uniform


def region(shape: Sequence[int], share: Tensor, generator: Generator) -> Tensor:
    """Masks that are 1 inside a random part of a sample, else 0; float32.

    F features: a random set of round(share·F), without regard to their order. Series ``(C, L)``
    and images ``(C, H, W)``: the same stretch or box in all channels, with the sides' ratio of the
    sample and its centre anywhere, so that it may hang over the border and cover less.

    Args:
        shape: of one sample.
        share: ``[...]``, of the positions of a sample; 0 for an empty region.
        generator: where the random numbers come from.

    Returns:
        ``[..., F]``, ``[..., 1, L]`` or ``[..., 1, H, W]``.
    """
    if len(shape) == 1:
        return _features(shape[0], share, generator)
    mask = torch.ones(*share.shape, *[1] * len(shape), device=share.device)
    axes = shape[1:]
    side = share ** (1 / len(axes))
    for axis, size in enumerate(axes):
        center = uniform(tuple(share.shape), generator) * size
        half = side * (size / 2)
        inside = stretch(size, (center - half).round(), (center + half).round())
        mask = mask * inside.view(*share.shape, *_only(axis + 1, size, len(shape)))
    return mask


def stretch(size: int, start: Tensor, stop: Tensor) -> Tensor:
    """``[..., size]``: 1 at the positions from ``start`` up to, not including, ``stop``."""
    position = torch.arange(size, device=start.device)
    return (position >= start[..., None]).float() * (position < stop[..., None])


def _features(count: int, share: Tensor, generator: Generator) -> Tensor:
    """One shuffle of the features for the batch; each region begins anywhere in it, in a ring."""
    place = torch.randperm(count, generator=generator, device=share.device)
    start = (uniform(tuple(share.shape), generator) * count).long()
    ring = (place - start[..., None]).float()
    ring += (ring < 0) * count
    return (ring < (share * count).round()[..., None]).float()


def _only(axis: int, size: int, axes: int) -> list[int]:
    return [size if axis == number else 1 for number in range(axes)]
