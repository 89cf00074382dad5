"""Augmentations: training rows that are not in the data, made from rows that are."""

from abc import abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from worker.regularization.families.batch import BatchTechnique
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts, Technique, search_range

Probability = Annotated[float, Field(ge=0.0, le=1.0, json_schema_extra=search_range(0.0, 1.0))]
"""How often it happens."""


class Augmentation(BatchTechnique):
    """Changes the rows of a training batch, with their targets where a row is no longer its own."""

    family: ClassVar[str] = "augmentation"

    def restrains(self) -> bool:
        """Always: no row comes twice."""
        return True


class ImageAugmentation(Augmentation):
    """Changes images x ``[K, B, C, H, W]``; their targets stay. Acts on each image by itself.

    Pixels are as preprocessed: where the images are standardized, 0 is the mean color and 1 a
    standard deviation, and what a change uncovers is filled with 0.
    """

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Images."""
        if len(data.shape) == 3:
            return None
        return Misfit(
            f"{self.key()} needs images, and a row is of shape {data.shape}; for any data there "
            "are mixup, cutmix, cutout, adversarial and noise."
        )


class Attack(Technique):
    """Adds rows that are hard for the network as it is: the step needs the loss's gradient."""

    family: ClassVar[str] = "augmentation"

    epsilon: float
    """ε: how far a feature may move."""

    def restrains(self) -> bool:
        """Always: the rows move towards what is hard."""
        return True

    @staticmethod
    @abstractmethod
    def perturb(x: Tensor, gradient: Tensor, epsilon: Tensor) -> Tensor:
        """The rows that the attack makes of x, given ∂loss/∂x; ε is widened to ``[K, 1, …]``."""
