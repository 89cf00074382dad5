"""Spatial dropout, 1d and 2d."""

from typing import ClassVar, final

from torch import Tensor

from worker.regularization.families.dropout import ActivationDropout, Probabilities


@final
class SpatialDropout(ActivationDropout):
    """Drops whole feature maps with probability p in training: h' = M ⊙ h / (1 − p).

    Neighbours within a map are so alike that dropping single ones drops no information; here M has
    one entry a map. Acts after each convolution of a `cnn`, in eval mode not at all. On images it
    is PyTorch's `Dropout2d`, on series `Dropout1d`. `input_p` drops whole input channels.

    When: convolutional networks on images or series.
    Start: .2 (.1 to .3).
    Badly with: `batch_norm`, which needs it less; `dropout`, which drops single places of the
    same maps; networks without maps, where it is refused.
    Cost: one random number a map and a pass over the maps; nothing at prediction.
    Units: p is the probability of dropping a map, as PyTorch's `Dropout2d(p)`.
    Shapes: h ``[K, B, C, H, W]`` or ``[K, B, C, L]``; M ``[K, B, C, 1, …]``; p ``[K]``.
    Source: Tompson et al. 2015, arXiv:1411.4280
    """

    needs_maps: ClassVar[bool] = True

    p: Probabilities = 0.2
    """Probability of dropping a map: one for all convolutions, or one for each."""

    @staticmethod
    def mask_shape(h: Tensor) -> tuple[int, ...]:
        """One entry a map."""
        return (*h.shape[:3], *[1] * (h.dim() - 3))
