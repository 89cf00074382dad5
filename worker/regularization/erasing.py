"""Random erasing."""

from dataclasses import replace
from typing import Annotated, Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor

from worker.regularization.batch import Batch, Classes, widened
from worker.regularization.families.augmentation import ImageAugmentation, Probability
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.regions import stretch
from worker.regularization.technique import search_range

FLATTEST = 0.3
"""Height by width of a rectangle lies between this and its inverse, as in the paper."""

Share = Annotated[float, Field(ge=0.0, le=1.0, json_schema_extra=search_range(0.0, 0.5))]


@final
class Erasing(ImageAugmentation):
    """Hides a rectangle of an image behind noise or 0: x' = (1 − M) ⊙ x + M ⊙ fill.

    Its share of the image is uniform between `smallest` and `largest`, its height by width between
    .3 and 1/.3; it lies wholly inside. Unlike `cutout`, size and form vary, and noise gives no
    edge away. Acts on an image with probability p.

    When: objects may be hidden in part.
    Start: p = .5, shares from .02 to .33.
    Badly with: `cutout` (the same by another form); small images, where a third is the object.
    Cost: a mask and, with noise, one random number a pixel; 7 µs for an image of 28×28 on a CPU.
    Units: shares of the image, as `scale` of torchvision's `RandomErasing`.
    Shapes: x ``[K, B, C, H, W]``; M ``[K, B, 1, H, W]``; p and shares ``[K]``.
    Source: Zhong et al. 2020, arXiv:1708.04896.
    """

    p: Probability = 0.5
    """Probability that an image is hidden in part."""
    smallest: Share = 0.02
    """Smallest share of the image."""
    largest: Share = 0.33
    """Largest share of the image."""
    fill: Literal["noise", "zero"] = "noise"
    """`noise`: standard normal, pixel by pixel. `zero`: 0, the mean where it is standardized."""

    @model_validator(mode="after")
    def smallest_is_not_above_largest(self) -> Self:
        """Refuse an empty range of sizes."""
        if self.smallest > self.largest:
            raise ValueError("smallest must not be above largest")
        return self

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """p, both shares, and σ of the fill; no σ where no trial asks for noise."""
        numbers = {
            "p": stack.numbers(lambda settings: settings.p),
            "smallest": stack.numbers(lambda settings: settings.smallest),
            "largest": stack.numbers(lambda settings: settings.largest),
        }
        noise = stack.numbers(lambda settings: float(settings.fill == "noise"))
        return numbers | ({"noise": noise} if noise.any() else {})

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """(1 − M) ⊙ x + M ⊙ fill."""
        x = batch.x
        mask = rectangles(x, numbers, random)
        kept = x * (1 - mask)
        if "noise" in numbers:
            noise = random.at("noise").normal(*x.shape[1:])
            kept = torch.addcmul(kept, noise, mask * widened(numbers["noise"], mask))
        return replace(batch, x=kept)


def rectangles(x: Tensor, numbers: Numbers, random: Stream) -> Tensor:
    """M ``[K, B, 1, H, W]``: 1 inside a random rectangle; empty for an image that is not chosen."""
    rows, (height, width) = x.shape[1], x.shape[-2:]
    share, form, top, left = random.at("form").uniform(rows, 4).unbind(2)
    share = torch.lerp(numbers["smallest"][:, None], numbers["largest"][:, None], share)
    share = share * random.at("p").chosen(numbers["p"], rows)
    ratio = FLATTEST ** (2 * form - 1)
    high = (share * ratio * height * width).sqrt().round().clamp(max=height)
    wide = (share / ratio * height * width).sqrt().round().clamp(max=width)
    top, left = (top * (height - high + 1)).floor(), (left * (width - wide + 1)).floor()
    vertical, horizontal = stretch(height, top, top + high), stretch(width, left, left + wide)
    return (vertical[..., :, None] * horizontal[..., None, :])[:, :, None]
