"""Noise injection."""

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.noise import NoiseTechnique, Place
from worker.regularization.technique import search_range

Deviation = Annotated[float, Field(ge=0.0, le=100.0, json_schema_extra=search_range(0.0, 0.5))]


@final
class Noise(NoiseTechnique):
    """Adds noise to inputs, weights or activations in training: h' = h + σ·ε.

    ε has mean 0 and variance 1, gaussian (in 65,536 equally likely steps) or uniform. On the
    inputs of a linear regression it is, in the mean, a ridge penalty of n·σ². Weights of all layers
    (not biases) have one ε a step, shared by the batch. Activations have it after the activation
    function and before dropout.

    When: measurements are noisy, or answers must not depend on the last digit of a feature.
    Start: .1 for inputs; .1 for activations; .01 for weights, which begin near 1/√inputs.
    Badly with: `adversarial`, which outdoes it; `image_noise`, which is noise again; one-hot
    inputs, which have no values between 0 and 1.
    Cost: a random number for each input, weight or activation, dearer than the masks of
    `dropout`; nothing at prediction.
    Units: σ of inputs in their unit after preprocessing, standard deviations of a column; the
    others in that of the weights and activations.
    Shapes: h, ε ``[K, B, F]`` or ``[K, in, out]``; σ ``[K]``.
    Source: Bishop 1995, Neural Computation 7(1); on weights An 1996, Neural Computation 8(3).
    """

    input: Deviation = 0.1
    """σ of the noise on the inputs."""
    weights: Deviation = 0.0
    """σ of the noise on the weights, in their own unit."""
    activations: Deviation = 0.0
    """σ of the noise on the activations of each hidden layer, in their own unit."""

    def deviation(self, place: Place) -> float:
        """σ at a place."""
        deviations: dict[Place, float] = {
            "input": self.input,
            "weights": self.weights,
            "activations": self.activations,
        }
        return deviations[place]

    @staticmethod
    def disturb(h: Tensor, noise: Tensor, scale: Tensor, out: Tensor | None = None) -> Tensor:
        """h + σ·ε."""
        return torch.addcmul(h, noise, scale, out=out)

    @staticmethod
    def derive(g: Tensor) -> Tensor:
        """∂h'/∂h = 1."""
        return g
