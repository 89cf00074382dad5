"""Noise on images."""

from dataclasses import replace
from typing import Annotated, Self, final

import torch
from pydantic import Field

from worker.regularization.batch import Batch, Classes, widened
from worker.regularization.families.augmentation import ImageAugmentation, Probability
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import search_range


@final
class ImageNoise(ImageAugmentation):
    """Adds Gaussian noise to some of the images: x' = x + σ·ε, ε ~ N(0, 1), with probability p.

    The technique `noise` disturbs every row alike; here clean and noisy images stand side by side.

    When: pictures are taken in little light, or by several sensors.
    Start: p = .5, σ = .1.
    Badly with: `noise` on the inputs (noise on noise) and `adversarial` (which outdoes it).
    Cost: one random number a pixel, 2 µs for an image of 28×28 on a CPU.
    Units: σ in the unit of the pixels after preprocessing: standard deviations.
    Shapes: x, ε ``[K, B, C, H, W]``; p, σ ``[K]``.
    Source: Bishop 1995, Neural Computation 7(1).
    """

    p: Probability = 0.5
    """Probability that an image is disturbed."""
    deviation: Annotated[
        float, Field(ge=0.0, le=100.0, json_schema_extra=search_range(0.0, 0.5))
    ] = 0.1
    """σ."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """p and σ."""
        return {
            "p": stack.numbers(lambda settings: settings.p),
            "deviation": stack.numbers(lambda settings: settings.deviation),
        }

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """x + σ·ε for some."""
        x = batch.x
        noisy = random.at("p").chosen(numbers["p"], x.shape[1]) * numbers["deviation"][:, None]
        noise = random.at("noise").normal(*x.shape[1:])
        return replace(batch, x=torch.addcmul(x, noise, widened(noisy, x)))
