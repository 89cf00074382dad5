"""Flips."""

from dataclasses import replace
from typing import Self, final

import torch

from worker.regularization.batch import Batch, Classes, widened
from worker.regularization.families.augmentation import ImageAugmentation, Probability
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream


@final
class Flip(ImageAugmentation):
    """Mirrors some of the images: x'(i, j) = x(i, W − 1 − j).

    Left and right change places with probability `horizontal`, top and bottom with `vertical`.

    When: the mirror image has the same label: that of a cat has, that of a 6 has not.
    Start: horizontal .5; vertical .5 for views from above, else 0.
    Badly with: digits, letters, signs, and organs that have a side.
    Cost: two passes over the batch, .3 µs for an image of 28×28 on a CPU.
    Units: probabilities.
    Shapes: x ``[K, B, C, H, W]``; probabilities ``[K]``.
    Source: Krizhevsky 2012, "ImageNet classification with deep convolutional neural networks".
    """

    horizontal: Probability = 0.5
    """Probability of exchanging left and right."""
    vertical: Probability = 0.0
    """Probability of exchanging top and bottom."""

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """Both probabilities; none that is 0 in all trials."""
        probabilities = {
            "horizontal": stack.numbers(lambda settings: settings.horizontal),
            "vertical": stack.numbers(lambda settings: settings.vertical),
        }
        return {name: p for name, p in probabilities.items() if p.any()}

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """Some of the images, mirrored."""
        x = batch.x
        for name, axis in (("horizontal", -1), ("vertical", -2)):
            if name in numbers:
                turned = random.at(name).chosen(numbers[name], x.shape[1])
                x = torch.lerp(x, x.flip(axis), widened(turned, x))
        return replace(batch, x=x)
