"""ShakeDrop."""

from collections.abc import Sequence
from typing import ClassVar, final

from torch import Tensor

from worker.regularization.families.branch import BranchDropout, scale
from worker.regularization.families.random_layer import RandomLayer
from worker.regularization.ramp import Ramp
from worker.regularization.random_streams import Stream, keep_threshold


@final
class ShakeDrop(BranchDropout):
    """Shakes residual branches at random in training: h ← h + (b + α − bα)·F(h).

    b is 1 with probability 1 − p_l, else 0; α is uniform on [−1, 1]. The backward pass uses
    b + β − bβ with β uniform on [0, 1], so that the gradient is not that of the forward pass.
    All are drawn a row. In block l of L, p_l = p·l/L. In eval mode the branch is scaled by the
    mean, 1 − p_l. Only in residual networks, with `batch_norm` or `layer_norm`: the gradient may
    point the wrong way, and without a norm branches then grow without bound (measured on the
    digits at p = .3 and .5; with either norm it learns).

    When: deep residual networks that train long, with a norm.
    Start: .5.
    Badly with: `stochastic_depth` and `shake_shake`, which disturb the same branches; residual
    networks without `batch_norm` or `layer_norm`; few epochs.
    Cost: three random numbers a row and block; several times the epochs; nothing at prediction.
    Units: p is the probability of shaking the last branch; earlier ones have less of it.
    Shapes: F ``[K, B, F]``; b, α, β ``[K, B, 1]``; p ``[K]``.
    Source: Yamada et al. 2019, arXiv:1802.02375
    """

    @classmethod
    def layer(
        cls, p: Tensor, schedules: Sequence[Ramp | None], dimensions: int, random: Stream
    ) -> "ShakeDropLayer":
        """Shakes F."""
        return ShakeDropLayer(p, schedules, dimensions, random)

    @staticmethod
    def shake(h: Tensor, b: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """(b + α − bα)·F, with (b + β − bβ) in the backward pass."""
        # b + α − bα in a form that is exactly 1 where b is: such rows pass bit by bit.
        return scale(h, b + (1 - b) * alpha, b + (1 - b) * beta)


class ShakeDropLayer(RandomLayer):
    """ShakeDrop of one block. Its p is saved with the weights: eval mode needs it."""

    kept: ClassVar[bool] = True

    def forward(self, h: Tensor) -> Tensor:
        """Shake in training mode; scale by 1 − p in eval mode."""
        if not self.training:
            return h * (1 - self.amount)
        rows = (h.shape[1], *[1] * (h.dim() - 2))
        threshold = keep_threshold(self.amount.flatten(), h.dim())
        b = self.random.at("b").keep(threshold, *rows)
        alpha = 2 * self.random.at("forward").uniform(*rows) - 1
        beta = self.random.at("backward").uniform(*rows)
        return ShakeDrop.shake(h, b, alpha, beta)
