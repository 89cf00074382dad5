"""Dropouts: layers that silence a random part of what passes; identity in eval mode."""

from abc import abstractmethod
from typing import ClassVar

from torch import Generator, Tensor, nn

from worker.regularization.random_bits import bernoulli_keep, keep_threshold
from worker.regularization.technique import Technique


class ActivationDropout(Technique):
    """Drops entries of activations h ``[K, B, F]`` by a mask M that is 1 with probability 1 − p."""

    family: ClassVar[str] = "dropout"

    @abstractmethod
    def rates(self, hidden_layers: int) -> tuple[float, ...]:
        """p at the input, then after each hidden layer: ``hidden_layers + 1`` numbers."""

    @staticmethod
    @abstractmethod
    def drop(h: Tensor, keep: Tensor, p: Tensor) -> Tensor:
        """The activations under a mask ``keep``, scaled; p widened to ``[K, 1, …]``."""

    @staticmethod
    def mask_shape(h: Tensor) -> tuple[int, ...]:
        """The shape of the mask for activations ``h``."""
        return tuple(h.shape)


class DropoutLayer(nn.Module):
    """A dropout technique at one position of a network, with its own p for each trial."""

    def __init__(
        self, technique: type[ActivationDropout], p: Tensor, dimensions: int, generator: Generator
    ) -> None:
        super().__init__()
        self.technique = technique
        self.generator = generator
        self.p: Tensor
        self.threshold: Tensor
        self.register_buffer("p", p.view(-1, *[1] * (dimensions - 1)), persistent=False)
        self.register_buffer("threshold", keep_threshold(p, dimensions), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Drop in training mode; identity in eval mode."""
        if not self.training:
            return h
        keep = bernoulli_keep(self.technique.mask_shape(h), self.threshold, self.generator)
        return self.technique.drop(h, keep, self.p)
