"""Noises: random disturbance around the forward pass, in training only."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor

from worker.regularization.families.random_layer import RandomLayer
from worker.regularization.ramp import Ramp
from worker.regularization.random_streams import Stream
from worker.regularization.technique import Technique
from worker.shapes import shaped

Distribution = Literal["gaussian", "uniform"]
Place = Literal["input", "weights", "activations"]


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
    def disturb(h: Tensor, noise: Tensor, scale: Tensor, out: Tensor | None = None) -> Tensor:
        """``h`` with ``noise`` of deviation 1, scaled by σ ``[K, 1, …]``; in ``out``, which may be
        one of them.
        """

    @staticmethod
    @abstractmethod
    def derive(g: Tensor) -> Tensor:
        """From ∂L/∂h' to ∂L/∂h."""


class NoiseLayer(RandomLayer):
    """A noise of one distribution at one position of a network."""

    def __init__(
        self,
        technique: type[NoiseTechnique],
        distribution: Distribution,
        scale: Tensor,
        schedules: Sequence[Ramp | None],
        dimensions: int,
        random: Stream,
        *,
        per_row: bool,
    ) -> None:
        super().__init__(scale, schedules, dimensions, random)
        self.technique = technique
        self.distribution, self.per_row = distribution, per_row

    @shaped(h="K …", returns="K …")
    def forward(self, h: Tensor) -> Tensor:
        """Disturb in training mode; identity in eval mode."""
        if not self.training:
            return h
        return self.technique.disturb(h, self.noise(h).to(h.dtype), self.amount)

    def remember(
        self, h: Tensor, out: Tensor | None = None, *, by_zeros: bool = False
    ) -> tuple[Tensor, Tensor]:
        """What ``forward`` gives in training mode, in the noise's place where that is as large, and
        only then in ``out``: signs change; and σ.
        """
        noise = self.noise(h).to(h.dtype)
        if noise.shape == h.shape:
            out = noise
        elif by_zeros:
            out = None
        return self.technique.disturb(h, noise, self.amount, out), self.amount

    def backward(self, g: Tensor, kept: Tensor) -> Tensor:
        """∂L/∂h."""
        return self.technique.derive(g)

    def noise(self, h: Tensor) -> Tensor:
        """Noise of mean 0 and standard deviation 1 for ``h``, in memory of its own."""
        shape = h.shape[1:] if self.per_row else (None, *h.shape[1:])
        if self.distribution == "gaussian":
            return self.random.gaussian(*shape)
        return (self.random.uniform(*shape) * 2 - 1) * 3**0.5
