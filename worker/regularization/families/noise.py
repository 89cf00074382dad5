"""Noises: random disturbance around the forward pass, in training only."""

from abc import abstractmethod
from typing import ClassVar

from torch import Generator, Tensor, nn

from worker.regularization.technique import Technique


class NoiseTechnique(Technique):
    """Disturbs what passes in training mode; silent in eval mode."""

    family: ClassVar[str] = "noise"

    @staticmethod
    @abstractmethod
    def disturb(h: Tensor, scale: Tensor, generator: Generator) -> Tensor:
        """``h`` with noise of standard deviation ``scale`` ``[K, 1, …]``."""


class NoiseLayer(nn.Module):
    """A noise at one position of a network, with its own scale for each trial."""

    def __init__(
        self,
        technique: type[NoiseTechnique],
        scale: Tensor,
        dimensions: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.technique = technique
        self.generator = generator
        self.scale: Tensor
        self.register_buffer("scale", scale.view(-1, *[1] * (dimensions - 1)), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Disturb in training mode; identity in eval mode."""
        return self.technique.disturb(h, self.scale, self.generator) if self.training else h
