"""Noise injection."""

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Generator, Tensor

from worker.regularization.families.noise import NoiseTechnique
from worker.regularization.technique import search

Deviation = Annotated[float, Field(ge=0.0, le=100.0, json_schema_extra=search(0.0, 0.5))]


@final
class Noise(NoiseTechnique):
    """Adds Gaussian noise in training: x' = x + σ·ε, ε ~ N(0, 1).

    On the inputs of a linear regression it is, in the mean, a ridge penalty of n·σ². Inputs are
    standardized first (unless asked otherwise), so σ is in standard deviations of a column.
    Start at .1.

    Shapes: x, ε ``[K, B, F]``; σ ``[K]``.
    Source: Bishop 1995, Neural Computation 7(1).
    """

    input: Deviation = 0.1
    """σ of the noise on the inputs."""

    @staticmethod
    def disturb(h: Tensor, scale: Tensor, generator: Generator) -> Tensor:
        """x + σ·ε."""
        noise = torch.empty(h.shape, dtype=h.dtype, device=h.device).normal_(generator=generator)
        return torch.addcmul(h, noise, scale)
