"""Random crops."""

from dataclasses import replace
from typing import Annotated, Self, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.batch import Batch, Classes
from worker.regularization.families.augmentation import ImageAugmentation
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts, search_range


@final
class RandomCrop(ImageAugmentation):
    """Cuts a window out of an image padded by m pixels: x'(i, j) = x(i + a, j + b), 0 outside.

    A shift by whole pixels, a and b uniform on −m … m: what is shown matters, not where.

    When: images whose label does not depend on the place of what they show.
    Start: an eighth of the side; 4 for 32×32.
    Badly with: images where the place is the label; a padding near the side, which leaves nothing.
    Cost: two gathers, 3 µs for an image of 28×28 on a CPU.
    Units: m in pixels, as torchvision's `RandomCrop(size, padding=m)`.
    Shapes: x ``[K, B, C, H, W]``; m ``[K]``; a, b ``[K, B]``.
    Source: Krizhevsky 2012, "ImageNet classification …"; with padding: He et al. 2016,
    arXiv:1512.03385, §4.2.
    """

    padding: Annotated[int, Field(ge=0, le=1024, json_schema_extra=search_range(0, 8))] = 4
    """m, in pixels; less than the image's shorter side."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Images that a shift does not empty."""
        misfit = super().fits(network, data)
        if misfit is None and self.padding >= min(data.shape[1:]):
            return Misfit(
                f"A shift by {self.padding} pixels may leave nothing of images of "
                f"{data.shape[1]}×{data.shape[2]}; an eighth of the side is usual.",
                field="padding",
            )
        return misfit

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """m."""
        return {"padding": stack.numbers(lambda settings: settings.padding)}

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """The window at a random place."""
        m = numbers["padding"][:, None]
        places = random.uniform(batch.x.shape[1], 2).unbind(2)
        down, right = ((place * (2 * m + 1)).floor() - m for place in places)  # [K, B] each
        return replace(batch, x=shifted(batch.x, down.long(), right.long()))


def shifted(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """x' at (i, j) is x at (i + down, j + right), 0 outside; ``[K, B]`` whole pixels.

    Two gathers: exact, and a quarter of the time of an interpolating warp.
    """
    height, width = x.shape[-2:]
    rows = down[..., None] + torch.arange(height, device=x.device)  # [K, B, H]
    columns = right[..., None] + torch.arange(width, device=x.device)  # [K, B, W]
    within_rows = ((rows >= 0) & (rows < height)).float()[:, :, None, :, None]
    within_columns = ((columns >= 0) & (columns < width)).float()[:, :, None, None, :]
    rows = rows.clamp(0, height - 1)[:, :, None, :, None].expand_as(x)
    columns = columns.clamp(0, width - 1)[:, :, None, None, :].expand_as(x)
    return x.gather(3, rows).gather(4, columns) * (within_rows * within_columns)
