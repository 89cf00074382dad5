"""Snapshot ensemble: train one, get M for free."""

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from worker.regularization.families.averaging import Averaging
from worker.regularization.technique import search_range


@final
class SnapshotEnsemble(Averaging):
    """M networks from one training, each valley a member: p̄ = (p₁ + … + p_M) / M.

    The learning rate follows cosine cycles, η_t = η·(1 + cos(πt / T)) / 2, and starts again at η;
    the weights at the end of each cycle are a member. Predicts the mean of the members'
    probabilities (of their values, in a regression). With `training.schedule` constant the epochs
    are divided into M equal cycles; with a cosine schedule that restarts, its cycles are taken,
    and the last M of them are members. While training, the running cycle's weights count as
    its member. With `ema` or `swa`, members are the averages.

    When: epochs enough for M descents, and better probabilities are worth M times the prediction.
    Start: M = 3 (2 to 6), with a high η.
    Badly with: `early_stopping`, which may end it before its last members; few epochs.
    Cost: one training; M copies of the weights; M times the time at prediction.
    Units: M is a number of networks.
    Shapes: members ``[K, M, P]``; probabilities ``[M, B, C]`` → ``[B, C]``.
    Source: Huang et al. 2017, arXiv:1704.00109.
    """

    members: Annotated[int, Field(ge=2, le=32, json_schema_extra=search_range(2, 6))] = 3
    """M, how many snapshots are kept."""

    def restrains(self) -> bool:
        """A mean of several networks fits no rows by heart."""
        return True

    @staticmethod
    def mean_value(scores: Tensor, weights: Tensor) -> Tensor:
        """Values ``[…, M, B, O]`` → their mean ``[…, B, O]``; weights ``[…, M, 1, 1]`` sum to 1."""
        return (scores * weights).sum(-3)

    @staticmethod
    def mean_probability(logits: Tensor, weights: Tensor) -> Tensor:
        """Logits ``[…, M, B, O]`` → logits of the mean probabilities ``[…, B, O]``.

        One output: log p̄ − log(1 − p̄), p̄ = Σ wₘ·σ(sₘ). Several: log Σ wₘ·softmax(sₘ), whose
        softmax is that mean. In logarithms, so that nothing overflows.
        """
        weight = weights.log()
        if logits.shape[-1] > 1:
            return torch.logsumexp(logits.log_softmax(-1) + weight, dim=-3)
        positive = torch.logsumexp(functional.logsigmoid(logits) + weight, dim=-3)
        return positive - torch.logsumexp(functional.logsigmoid(-logits) + weight, dim=-3)
