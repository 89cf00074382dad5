"""Stochastic depth."""

from collections.abc import Sequence
from typing import final

from torch import Tensor

from worker.regularization.families.branch import BranchDropout
from worker.regularization.families.dropout import DropoutLayer, Masking
from worker.regularization.ramp import Ramp
from worker.regularization.random_streams import Stream


@final
class StochasticDepth(Masking, BranchDropout):
    """Skips residual branches at random in training: h ← h + M ⊙ F(h) / (1 − p_l).

    M has one entry a row, 1 with probability 1 − p_l, where p_l = p·l/L in block l of L (the
    linear decay rule). Rows see networks of many depths; in eval mode all branches are there.
    The paper draws one M a batch and scales at inference instead; the means agree. Also called
    DropPath. Only in residual networks.

    When: deep residual networks.
    Start: .5 for deep ones; .1 to .2 for few blocks.
    Badly with: `shake_drop` and `shake_shake`, which disturb the same branches; networks of one
    or two blocks, whose last branch is most of the network.
    Cost: one random number a row and block; branches that are skipped are computed all the same.
    Nothing at prediction.
    Units: p is the probability of skipping the last branch; earlier ones have less of it.
    Shapes: F ``[K, B, F]``; M ``[K, B, 1]``; p ``[K]``.
    Source: Huang et al. 2016, arXiv:1603.09382
    """

    @classmethod
    def layer(
        cls, p: Tensor, schedules: Sequence[Ramp | None], dimensions: int, random: Stream
    ) -> DropoutLayer:
        """Drops rows of F."""
        return DropoutLayer(cls, p, schedules, dimensions, random)

    @staticmethod
    def mask_shape(h: Tensor) -> tuple[int, ...]:
        """One entry a row."""
        return (*h.shape[:2], *[1] * (h.dim() - 2))
