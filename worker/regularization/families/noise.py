"""Noises: random disturbance around the forward pass, in training only."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from worker.regularization.families.random_layer import RandomLayer
from worker.regularization.ramp import Ramp
from worker.regularization.technique import Technique

Distribution = Literal["gaussian", "uniform"]
Place = Literal["input", "weights", "activations"]

DRAWS: dict[Distribution, Callable[[Tensor, Generator], Tensor]] = {
    "gaussian": lambda empty, generator: empty.normal_(generator=generator),
    "uniform": lambda empty, generator: empty.uniform_(-(3**0.5), 3**0.5, generator=generator),
}
"""How an empty tensor is filled with noise of mean 0 and standard deviation 1."""


class NoiseTechnique(Technique):
    """Disturbs what passes in training mode; silent in eval mode."""

    family: ClassVar[str] = "noise"

    distribution: Distribution = "gaussian"
    """`gaussian`, or `uniform` of the same standard deviation: on [−√3·σ, √3·σ]."""
    schedule: Ramp | None = None
    """What share of σ applies in each epoch; all of it unless given."""

    def restrains(self) -> bool:
        """Always: no row comes twice."""
        return True

    @abstractmethod
    def deviation(self, place: Place) -> float:
        """σ at a place."""

    @staticmethod
    @abstractmethod
    def disturb(h: Tensor, noise: Tensor, scale: Tensor) -> Tensor:
        """``h`` with ``noise`` of deviation 1, scaled by σ ``[K, 1, …]``."""


class NoiseLayer(RandomLayer):
    """A noise of one distribution at one position of a network."""

    def __init__(
        self,
        technique: type[NoiseTechnique],
        distribution: Distribution,
        scale: Tensor,
        schedules: Sequence[Ramp | None],
        dimensions: int,
        generator: Generator,
    ) -> None:
        super().__init__(scale, schedules, dimensions, generator)
        self.technique = technique
        self.draw = DRAWS[distribution]

    def forward(self, h: Tensor) -> Tensor:
        """Disturb in training mode; identity in eval mode."""
        if not self.training:
            return h
        noise = self.draw(torch.empty(h.shape, dtype=h.dtype, device=h.device), self.generator)
        return self.technique.disturb(h, noise, self.amount)
