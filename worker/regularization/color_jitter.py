"""Color jitter."""

from dataclasses import replace
from typing import Annotated, Self, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.batch import Batch, Classes, widened
from worker.regularization.families.augmentation import ImageAugmentation
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts, search_range

Range = Annotated[float, Field(ge=0.0, le=1.0, json_schema_extra=search_range(0.0, 0.5))]

LUMINANCE = (0.299, 0.587, 0.114)
"""What red, green and blue add to the gray of a pixel."""


@final
class ColorJitter(ImageAugmentation):
    """Changes the light of each image: x' = c·(s·x + (1 − s)·g − m) + m + b, with g gray.

    b is uniform on ±brightness, c on 1 ± contrast, s on 1 ± saturation; g is the gray image, m its
    mean. Nothing is clipped to [0, 1], which standardized pixels leave anyway.

    When: light, exposure and cameras differ and do not matter.
    Start: .2 for brightness and contrast, .2 for the saturation of colored images.
    Badly with: labels that are colors or degrees of brightness.
    Cost: a few passes over the batch, 1.5 µs for an image of 28×28 on a CPU.
    Units: brightness in the unit of the pixels after preprocessing, standard deviations; contrast
    and saturation are factors, as torchvision's `ColorJitter`.
    Shapes: x ``[K, B, C, H, W]``; ranges ``[K]``; b, c, s ``[K, B]``.
    Source: Howard 2013, arXiv:1312.5402; the weights of red, green and blue: ITU-R BT.601.
    """

    brightness: Range = 0.2
    """Largest shift of all pixels."""
    contrast: Range = 0.2
    """Largest change of the contrast's factor."""
    saturation: Range = 0.0
    """Largest change of the saturation's factor; for images of three channels."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Images, with three channels where the saturation changes."""
        misfit = super().fits(network, data)
        if misfit is None and self.saturation > 0 and data.shape[0] != 3:
            return Misfit(
                f"Saturation needs three channels, and the images have {data.shape[0]}; set it "
                "to 0.",
                field="saturation",
            )
        return misfit

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """The ranges; none that is 0 in all trials."""
        limits = {
            "brightness": stack.numbers(lambda settings: settings.brightness),
            "contrast": stack.numbers(lambda settings: settings.contrast),
            "saturation": stack.numbers(lambda settings: settings.saturation),
        }
        return {name: limit for name, limit in limits.items() if limit.any()}

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """Every image in its own light."""
        x = batch.x
        draws = {n: widened(random.at(n).around(m, x.shape[1]), x) for n, m in numbers.items()}
        if "saturation" in draws:
            x = torch.lerp(gray(x), x, 1 + draws["saturation"])
        if "contrast" in draws:
            x = torch.lerp(gray(x).mean((-3, -2, -1), keepdim=True), x, 1 + draws["contrast"])
        if "brightness" in draws:
            x = x + draws["brightness"]
        return replace(batch, x=x)


def gray(x: Tensor) -> Tensor:
    """``[K, B, 1, H, W]``: the luminance of three channels, the mean of any other number."""
    if x.shape[2] != 3:
        return x.mean(2, keepdim=True)
    red, green, blue = x.unbind(2)
    return (LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue).unsqueeze(2)
