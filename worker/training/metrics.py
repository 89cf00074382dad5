"""How good a fleet is on some rows, one number a trial: eval mode, nothing dropped or added."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from worker.spec import TaskKind
from worker.training.fleet_data import BLOCK
from worker.training.losses import LOSSES

CELLS = 250_000
"""Numbers of one layer's activations held at a time while measuring: they fit the cache."""


@torch.no_grad()
def measure(
    answer: Callable[[Tensor], Tensor],
    task: TaskKind,
    batches: Iterator[tuple[Tensor, Tensor]],
    unit: Tensor,
) -> dict[str, Tensor]:
    """Mean loss and the task's metrics, ``[K]`` each.

    Binary and multiclass: ``accuracy``, ``balanced_accuracy`` (mean recall over the classes that
    occur), ``classes_predicted`` (how many different answers were given), and for binary
    ``recall`` of class 1. Regression: ``rmse`` in the target's own unit, ``r2``.

    Args:
        answer: features to scores ``[K, B, O]``, a network in eval mode.
        task: what the scores mean.
        batches: features ``[K, B, F]`` and targets ``[K, B]``.
        unit: ``[K]``, the length of one preprocessed target unit in the target's own.
    """
    rows = 0
    losses: list[Tensor] = []
    confusion: Tensor | None = None
    moments: list[Tensor] = []
    for x, y in batches:
        scores = answer(x)
        losses.append(block_sums(LOSSES[task](scores, y)))
        rows += y.shape[1]
        if task == "regression":
            moments.append(torch.stack([block_sums(y), block_sums(y.square())]))
        else:
            table = _confusion(scores, y)
            confusion = table if confusion is None else confusion + table
    loss = torch.cat(losses, dim=1).sum(1) / rows
    if confusion is None:
        total, squares = torch.cat(moments, dim=2).sum(2) / rows
        variance = (squares - total.square()).clamp(min=torch.finfo(torch.float32).tiny)
        return {"loss": loss, "rmse": loss.sqrt() * unit, "r2": 1 - loss / variance}
    return {"loss": loss} | _from_confusion(confusion.double())


def block_sums(values: Tensor) -> Tensor:
    """Sums of ``[K, B]`` over blocks of rows, ``[K, blocks]`` in float64: the same blocks however
    many rows are measured at a time, so that a mean has the same bits in any fleet.
    """
    whole = values.shape[1] // BLOCK
    if whole * BLOCK < values.shape[1]:
        return values.double().sum(1, keepdim=True)
    return values.view(len(values), whole, BLOCK).double().sum(2)


def _confusion(scores: Tensor, y: Tensor) -> Tensor:
    """How often true class t ``[K, t, a]`` was answered by class a."""
    if scores.shape[-1] == 1:
        answers, classes = (scores[..., 0] >= 0).long(), 2
    else:
        answers, classes = scores.argmax(-1), scores.shape[-1]
    trials = torch.arange(len(scores), device=scores.device)[:, None]
    cells = (trials * classes + y.long()) * classes + answers
    counts = torch.bincount(cells.flatten(), minlength=len(scores) * classes * classes)
    return counts.view(-1, classes, classes)


def _from_confusion(table: Tensor) -> dict[str, Tensor]:
    right = table.diagonal(dim1=1, dim2=2)  # [K, C]
    occurring = table.sum(2)
    recall = right / occurring.clamp(min=1)
    metrics = {
        "accuracy": right.sum(1) / occurring.sum(1),
        "balanced_accuracy": recall.sum(1) / (occurring > 0).sum(1).clamp(min=1),
        "classes_predicted": (table.sum(1) > 0).sum(1).double(),
    }
    if table.shape[-1] == 2:
        metrics["recall"] = recall[:, 1]
    return metrics
