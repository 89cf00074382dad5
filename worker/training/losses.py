"""The data losses: of a row by its scores, with derivatives. A fleet's is their mean over rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from worker.networks import alike
from worker.spec import HuberLoss, LossSpec, PoissonLoss, QuantileLoss, TaskKind

Loss = Callable[[Tensor, Tensor], Tensor]
"""Scores ``[K, B, O]`` and targets to losses of rows ``[K, B]``. Targets are ``[K, B]``: class
numbers, probabilities of class 1, or values; class probabilities are ``[K, B, C]``."""

WHOLE = 16
"""Numbers of float32 in a register of AVX-512."""

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
        likelihood: Tensor = torch.linalg.vecdot(
            y, _filled(scores).log_softmax(2)[..., : y.shape[2]]
        )
        return -likelihood
    rows = functional.cross_entropy(_filled(scores).flatten(0, 1), y.flatten(), reduction="none")
    return rows.view_as(y)


def _filled(scores: Tensor) -> Tensor:
    """Scores with classes of no probability, up to what a processor's registers hold.

    torch's kernels of softmax go through fewer classes one by one, for 7 to 10 times the time.
    """
    missing = WHOLE - scores.shape[2]
    if scores.is_cuda or missing <= 0:
        return scores
    return functional.pad(scores, (0, missing), value=-math.inf)


def squared_error(scores: Tensor, y: Tensor) -> Tensor:
    """(s − y)², without a half, in the unit of the target as preprocessed."""
    return (scores[..., 0] - y).square()


def binary_cross_entropy_slope(scores: Tensor, y: Tensor) -> Tensor:
    """σ(s) − y, ``[K, B, 1]``."""
    return _sigmoid(scores).sub_(y.unsqueeze(2))


def cross_entropy_slope(scores: Tensor, y: Tensor) -> Tensor:
    """softmax(s) − y, ``[K, B, C]``, y as class probabilities."""
    probabilities = _filled(scores).softmax(2)
    if probabilities.shape != scores.shape:
        probabilities = probabilities[..., : scores.shape[2]]
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


def poisson_deviance(scores: Tensor, y: Tensor) -> Tensor:
    """2·(eˢ − y·s − y + y·log y)."""
    s = scores[..., 0]
    deviance: Tensor = 2 * (_exp(s) - y * s - y + torch.special.xlogy(y, y))
    return deviance


def poisson_slope(scores: Tensor, y: Tensor) -> Tensor:
    """2(eˢ − y), ``[K, B, 1]``."""
    return (_exp(scores) - y.unsqueeze(2)).mul_(2)


def poisson_curvature(scores: Tensor, y: Tensor) -> Tensor:
    """2eˢ, ``[K, B, 1]``."""
    return 2 * _exp(scores)


_exp = alike(torch.exp)

FAR = 1e-3
"""What a row beyond δ bends the model of a Huber loss, of what it does by its secant: 0 itself
would leave nothing to solve for where all rows are far."""


def huber(delta: float) -> "DataLoss":
    """r² where |r| ≤ δ, else 2δ|r| − δ²."""

    def value(scores: Tensor, y: Tensor) -> Tensor:
        size = (scores[..., 0] - y).abs()
        near = size.clamp(max=delta)
        return near * (2 * size - near)

    def slope(scores: Tensor, y: Tensor) -> Tensor:
        return (scores - y.unsqueeze(2)).clamp(-delta, delta).mul_(2)

    def curvature(scores: Tensor, y: Tensor) -> Tensor:
        size = (scores - y.unsqueeze(2)).abs()
        return torch.where(size <= delta, torch.full_like(size, 2.0), 2 * FAR * delta / size)

    return DataLoss(value, slope, curvature, 2.0)


def pinball(q: float) -> "DataLoss":
    """max(q·(y − s), (q − 1)·(y − s))."""

    def value(scores: Tensor, y: Tensor) -> Tensor:
        left = y - scores[..., 0]
        return torch.maximum(q * left, (q - 1) * left)

    def slope(scores: Tensor, y: Tensor) -> Tensor:
        left = y.unsqueeze(2) - scores
        return torch.where(left > 0, -q, 0.0) + torch.where(left < 0, 1 - q, 0.0)

    def curvature(scores: Tensor, y: Tensor) -> Tensor:
        return torch.zeros_like(scores)

    return DataLoss(value, slope, curvature, None)


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
    log_link: bool = False
    """Whether a score is the logarithm of what is answered."""

    def mean(self, scores: Tensor) -> Tensor:
        """From a regression's scores to its answers, as preprocessed."""
        return _exp(scores) if self.log_link else scores


LOSS: dict[TaskKind, DataLoss] = {
    "binary": DataLoss(binary_cross_entropy, binary_cross_entropy_slope, binary_curvature, 0.25),
    "multiclass": DataLoss(cross_entropy, cross_entropy_slope, softmax_curvature, 0.5),
    "regression": DataLoss(squared_error, squared_error_slope, squared_curvature, 2.0),
}
"""The loss of each task unless a job asks for another one."""
LOSSES: dict[TaskKind, Loss] = {task: loss.value for task, loss in LOSS.items()}
SLOPES: dict[TaskKind, Loss] = {task: loss.slope for task, loss in LOSS.items()}


def data_loss(task: TaskKind, spec: LossSpec | None) -> DataLoss:
    """The loss of a task, or the one that a job asks for."""
    match spec:
        case PoissonLoss():
            return DataLoss(poisson_deviance, poisson_slope, poisson_curvature, None, log_link=True)
        case HuberLoss():
            return huber(spec.delta)
        case QuantileLoss():
            return pinball(spec.q)
        case _:
            return LOSS[task]
