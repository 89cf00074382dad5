"""What each network of an ensemble says: how far they differ.

For M members with shares w that sum to 1 (1/M each of a snapshot ensemble) and probabilities p_m:
the deviation of each class is √(Σ w·(p_m − p̄)² / (1 − Σ w²)), p̄ = Σ w·p_m, which has M − 1 in the
denominator where all shares are the same; the predictive entropy is H(p̄), and the mutual
information H(p̄) − Σ w·H(p_m), which is what the members disagree in. Of a regression the deviation
is that of the values.

Source: Lakshminarayanan, Pritzel & Blundell 2017, arXiv:1612.01474; Houlsby et al. 2011,
arXiv:1112.5745
"""

from collections.abc import Callable

import torch
from torch import Tensor

from worker.models.forward import RowForward, RowNumbers
from worker.models.stochastic import row_exact
from worker.networks import JointNetwork, Network


def each_member(
    members: Callable[[Tensor], Tensor], network: Network, shape: tuple[int, ...]
) -> RowForward:
    """Encoded rows ``[N, …]`` → the scores of each member ``[N, M·O]``; a row has the same bits in
    any batch.

    Args:
        members: rows ``[B, …]`` → the scores of each member ``[M, B, O]``.
        network: the members.
        shape: of a row.
    """

    @torch.inference_mode()
    def compute(x: Tensor) -> list[Tensor]:
        return [members(x).transpose(0, 1).flatten(1).contiguous()]

    weights = sum(parameter.numel() for parameter in network.parameters())
    if isinstance(network, JointNetwork):
        # Row by row: what members make of several at once may depend on a row's place.
        return RowForward(compute, "regression", RowNumbers(1, 1), weights)
    return row_exact(compute, shape, weights)
