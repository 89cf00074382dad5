"""The data loss of each task, one number a trial: a mean over rows."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from worker.spec import TaskKind

Loss = Callable[[Tensor, Tensor], Tensor]
"""Scores ``[K, B, O]`` and targets ``[K, B]`` to losses of rows ``[K, B]``."""


def binary_cross_entropy(scores: Tensor, y: Tensor) -> Tensor:
    """−log σ(s) for class 1, −log(1 − σ(s)) for class 0, in nats, from the logit."""
    return functional.binary_cross_entropy_with_logits(scores[..., 0], y, reduction="none")


def cross_entropy(scores: Tensor, y: Tensor) -> Tensor:
    """−log softmax(s)_y, in nats."""
    rows = functional.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction="none")
    return rows.view_as(y)


def squared_error(scores: Tensor, y: Tensor) -> Tensor:
    """(s − y)², without a half, in the unit of the target as preprocessed."""
    return (scores[..., 0] - y).square()


LOSSES: dict[TaskKind, Loss] = {
    "binary": binary_cross_entropy,
    "multiclass": cross_entropy,
    "regression": squared_error,
}
