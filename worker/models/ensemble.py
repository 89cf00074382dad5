"""The answer of several networks together: the mean of their predictions."""

import torch
from torch import Tensor

from worker.regularization import SnapshotEnsemble
from worker.spec import TaskKind


def mean_scores(task: TaskKind, scores: Tensor, count: Tensor) -> Tensor:
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
