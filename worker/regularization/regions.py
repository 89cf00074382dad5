"""Random parts of a sample: a set of features, a stretch of a series, a box in an image."""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.regularization.random_streams import Stream


def region(shape: Sequence[int], share: Tensor, random: Stream) -> Tensor:
    """Masks that are 1 inside a random part of a sample, else 0; float32.

    F features: a random set of round(share·F), without regard to their order. Series ``(C, L)``
    and images ``(C, H, W)``: the same stretch or box in all channels, with the sides' ratio of the
    sample and its centre anywhere, so that it may hang over the border and cover less.

    Args:
        shape: of one sample.
        share: ``[K]`` or ``[K, B]``, of the positions of a sample; 0 for an empty region.
        random: where the random numbers come from.

    Returns:
        ``[…, F]``, ``[…, 1, L]`` or ``[…, 1, H, W]``, with the axes of ``share`` for ….
    """
    if len(shape) == 1:
        return _features(shape[0], share, random)
    mask = torch.ones(*share.shape, *[1] * len(shape), device=share.device)
    axes = shape[1:]
    side = share ** (1 / len(axes))
    for axis, size in enumerate(axes):
        center = random.at(f"center/{axis}").uniform(*_rows(share)) * size
        half = side * (size / 2)
        inside = stretch(size, (center - half).round(), (center + half).round())
        mask = mask * inside.view(*share.shape, *_only(axis + 1, size, len(shape)))
    return mask


def stretch(size: int, start: Tensor, stop: Tensor) -> Tensor:
    """``[..., size]``: 1 at the positions from ``start`` up to, not including, ``stop``."""
    position = torch.arange(size, device=start.device)
    return (position >= start[..., None]).float() * (position < stop[..., None])


def _features(count: int, share: Tensor, random: Stream) -> Tensor:
    """One shuffle of the features for the batch; each region begins anywhere in it, in a ring."""
    place = random.at("order").permutation(count)  # [K, F]
    start = (random.at("start").uniform(*_rows(share)) * count).long()
    ring = (place.view(len(place), *[1] * (share.dim() - 1), count) - start[..., None]).float()
    ring += (ring < 0) * count
    return (ring < (share * count).round()[..., None]).float()


def _rows(share: Tensor) -> tuple[int | None]:
    """The rows that a share is given for; none where it is a whole batch's."""
    return (share.shape[1] if share.dim() > 1 else None,)


def _only(axis: int, size: int, axes: int) -> list[int]:
    return [size if axis == number else 1 for number in range(axes)]
