"""Rotations."""

from dataclasses import replace
from typing import Annotated, Self, final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from worker.regularization.batch import Batch, Classes, widened
from worker.regularization.families.augmentation import ImageAugmentation
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import search_range


@final
class Rotation(ImageAugmentation):
    """Turns each image about its centre, bilinear: x'(r) = x(R(φ)·r), φ ~ U(−d, d).

    Corners that turn in from outside are 0.

    When: cameras and hands are not held straight.
    Start: 15 degrees (0 to 30).
    Badly with: digits and letters near 90 degrees and beyond, where a 6 becomes a 9.
    Cost: the dearest of the augmentations, 10 µs for an image of 28×28 on a CPU.
    Units: degrees, as torchvision's `RandomRotation`.
    Shapes: x ``[K, B, C, H, W]``; d ``[K]``; φ ``[K, B]``.
    Source: Simard et al. 2003, "Best practices for convolutional neural networks …", ICDAR.
    """

    degrees: Annotated[
        float, Field(ge=0.0, le=180.0, json_schema_extra=search_range(0.0, 30.0))
    ] = 15.0
    """d, the largest angle."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """d, and whether it is above 0: an image turned by 0 is not the same to the last bit."""
        degrees = stack.numbers(lambda settings: settings.degrees)
        return {"degrees": degrees, "turned": (degrees > 0).float()}

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """Every image at its own angle."""
        x = batch.x
        angles = random.around(numbers["degrees"], x.shape[1])
        return replace(batch, x=torch.lerp(x, turned(x, angles), widened(numbers["turned"], x)))


def turned(x: Tensor, angles: Tensor) -> Tensor:
    """Images x turned anticlockwise by angles ``[K, B]`` in degrees, as they are displayed.

    Each pixel is looked up where it comes from, in pixels from the centre: x runs right, y down.
    """
    height, width = x.shape[-2:]
    radians = torch.deg2rad(angles).to(x.dtype).flatten()[:, None, None]  # [K·B, 1, 1]
    cos, sin = radians.cos(), radians.sin()
    right = torch.arange(width, dtype=x.dtype, device=x.device) - (width - 1) / 2  # [W]
    down = torch.arange(height, dtype=x.dtype, device=x.device)[:, None] - (height - 1) / 2
    sources = [  # −1 and 1 are the centres of the outermost pixels
        (cos * right - sin * down) * (2 / max(width - 1, 1)),
        (sin * right + cos * down) * (2 / max(height - 1, 1)),
    ]
    images = functional.grid_sample(
        x.flatten(0, 1), torch.stack(sources, -1), padding_mode="zeros", align_corners=True
    )
    return images.view_as(x)
