"""Alpha dropout."""

from typing import ClassVar, final

import torch
from torch import Tensor

from worker.regularization.families.dropout import ActivationDropout, Constants, Probabilities

SATURATION = -1.0507009873554805 * 1.6732632423543772
"""α' = −λα, the value that SELU approaches for low inputs."""


@final
class AlphaDropout(ActivationDropout):
    """Sets units to SELU's lowest value with probability p: h' = a·(M ⊙ h + α'·(1 − M)) + b.

    With α' = −λα ≈ −1.758, q = 1 − p, a = (q + α'²·q·p)^−½ and b = −a·p·α', activations of mean 0
    and variance 1 keep both, which is what makes SELU networks normalize themselves. Only for
    `activation: selu`; with other activations use `dropout`.

    When: SELU networks, which `dropout` would push out of their normalization.
    Start: .05 to .1.
    Badly with: activations other than SELU; `dropout`, which drops the same units again;
    `batch_norm` and `layer_norm`, which make SELU's own normalization useless.
    Cost: as `dropout`: a mask a layer and step; nothing at prediction.
    Units: p is the probability of dropping, as PyTorch's `AlphaDropout(p)`.
    Shapes: h, M ``[K, B, F]``; p, a, b ``[K]``.
    Source: Klambauer et al. 2017, arXiv:1706.02515
    """

    usual_p: ClassVar[tuple[float, float]] = (0.05, 0.3)

    p: Probabilities = 0.1
    """Probability of setting a hidden unit to α': one for all hidden layers, or one for each."""

    @staticmethod
    def mask_shape(h: Tensor) -> tuple[int, ...]:
        """One entry a unit."""
        return tuple(h.shape)

    @staticmethod
    def constants(p: Tensor) -> tuple[Tensor, ...]:
        """a, and a·α' + b."""
        q = 1 - p
        a = torch.rsqrt(q + SATURATION**2 * q * p)
        b = -a * p * SATURATION
        return a, a * SATURATION + b

    @staticmethod
    def drop(h: Tensor, slope: Tensor, constants: Constants, out: Tensor | None = None) -> Tensor:
        """a·(M ⊙ h + α'·(1 − M)) + b, never in ``out``: signs change."""
        # At p = 0 exactly h: what is added is 0.
        return torch.sub(constants[1], slope, alpha=SATURATION).addcmul_(h, slope)
