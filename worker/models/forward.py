"""The forward pass of a loaded model, as it answers: a row has the same bits in any batch."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from worker.networks import Network
from worker.regularization import SnapshotEnsemble
from worker.spec import TaskKind


class Forward(Protocol):
    """Encoded rows → scores, in eval mode, alike for a row alone and among others."""

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """``[N, …]`` → ``[N, O]``; an ensemble's are those of its members' mean prediction."""


class TorchForward:
    """The network itself."""

    def __init__(self, network: Network, members: int, task: TaskKind) -> None:
        self._network, self._members, self._task = network, members, task

    @torch.inference_mode()
    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """``[N, …]`` → ``[N, O]``."""
        x = torch.from_numpy(features)
        scores = self._network(x.expand(self._members, *x.shape))
        if self._members < 2:
            return np.asarray(scores[0].numpy())
        count = torch.tensor([self._members])
        return np.asarray(mean_scores(self._task, scores[None], count)[0].numpy())


def mean_scores(task: TaskKind, scores: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Members' scores ``[K, M, B, O]`` → scores ``[K, B, O]`` of the mean prediction.

    The first ``count[k]`` members of trial k take part. For classes the mean is that of the
    probabilities, given as logits, so that what reads scores need not know of members.
    """
    count = count.clamp(min=1)
    number = torch.arange(scores.shape[1], device=scores.device)
    weights = (number < count[:, None]).to(scores.dtype) / count[:, None]
    weights = weights[:, :, None, None]
    if task == "regression":
        return SnapshotEnsemble.mean_value(scores, weights)
    return SnapshotEnsemble.mean_probability(scores, weights)
