"""The data losses: of a row by its scores, with derivatives. A fleet's is their mean over rows."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from worker.networks import alike
from worker.spec import TaskKind

Loss = Callable[[Tensor, Tensor], Tensor]
"""Scores ``[K, B, O]`` and targets to losses of rows ``[K, B]``. Targets are ``[K, B]``: class
numbers, probabilities of class 1, or values; class probabilities are ``[K, B, C]``."""


_sigmoid = alike(torch.sigmoid)


def binary_cross_entropy(scores: Tensor, y: Tensor) -> Tensor:
    """−y·log σ(s) − (1 − y)·log(1 − σ(s)), in nats, from the logit."""
    return _binary_cross_entropy(scores[..., 0], y)


@alike
def _binary_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, y, reduction="none")


def cross_entropy(scores: Tensor, y: Tensor) -> Tensor:
    """−log softmax(s)_y, in nats; −Σ y_c·log softmax(s)_c for class probabilities y."""
    if y.dim() == 3:
        likelihood: Tensor = torch.linalg.vecdot(y, scores.log_softmax(2))
        return -likelihood
    rows = functional.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction="none")
    return rows.view_as(y)


def squared_error(scores: Tensor, y: Tensor) -> Tensor:
    """(s − y)², without a half, in the unit of the target as preprocessed."""
    return (scores[..., 0] - y).square()


def binary_cross_entropy_slope(scores: Tensor, y: Tensor) -> Tensor:
    """σ(s) − y, ``[K, B, 1]``."""
    return _sigmoid(scores).sub_(y.unsqueeze(2))


def cross_entropy_slope(scores: Tensor, y: Tensor) -> Tensor:
    """softmax(s) − y, ``[K, B, C]``, y as class probabilities."""
    probabilities = scores.softmax(2)
    if y.dim() == 3:
        return probabilities.sub_(y)
    if y.is_cuda:  # the deterministic scatter there copies from the host, which no capture allows
        classes = torch.arange(probabilities.shape[2], device=y.device)
        return probabilities.sub_(torch.eq(y.unsqueeze(2), classes).to(probabilities.dtype))
    return probabilities.scatter_add_(2, y.unsqueeze(2), -torch.ones_like(scores[..., :1]))


def squared_error_slope(scores: Tensor, y: Tensor) -> Tensor:
    """2(s − y), ``[K, B, 1]``."""
    return (scores - y.unsqueeze(2)).mul_(2)


def binary_curvature(scores: Tensor, y: Tensor) -> Tensor:
    """σ(s)(1 − σ(s)), ``[K, B, 1]``."""
    return _sigmoid(scores) * _sigmoid(-scores)


def softmax_curvature(scores: Tensor, y: Tensor) -> Tensor:
    """p_c(1 − p_c), ``[K, B, C]``, p = softmax(s); off the diagonal it is −p_c·p_d."""
    p = scores.softmax(2)
    return p * (1 - p)


def squared_curvature(scores: Tensor, y: Tensor) -> Tensor:
    """2, ``[K, B, 1]``."""
    return torch.full_like(scores, 2.0)


@dataclass(frozen=True)
class DataLoss:
    """A row's loss by its scores, and its derivatives."""

    value: Loss
    slope: Loss
    """∂/∂s, ``[K, B, O]``."""
    curvature: Loss
    """∂²/∂s_o², or a bound of it where that is 0 at places, ``[K, B, O]``."""
    steepest: float | None
    """The largest second derivative in any direction; none where there is no such number."""


LOSS: dict[TaskKind, DataLoss] = {
    "binary": DataLoss(binary_cross_entropy, binary_cross_entropy_slope, binary_curvature, 0.25),
    "multiclass": DataLoss(cross_entropy, cross_entropy_slope, softmax_curvature, 0.5),
    "regression": DataLoss(squared_error, squared_error_slope, squared_curvature, 2.0),
}
"""The loss of each task unless a job asks for another one."""
LOSSES: dict[TaskKind, Loss] = {task: loss.value for task, loss in LOSS.items()}
SLOPES: dict[TaskKind, Loss] = {task: loss.slope for task, loss in LOSS.items()}
