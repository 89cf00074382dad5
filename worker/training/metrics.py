"""How good a fleet is on some rows, one number a trial: eval mode, nothing dropped or added.

What the metrics are is defined in ``worker.metrics``; here the rows are counted, a few at a time.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from worker.metrics import from_confusion, from_squares
from worker.training.fleet_data import BLOCK, FleetData
from worker.training.losses import LOSSES

CELLS = 250_000
"""Numbers of one layer's activations held at a time while measuring: they fit the cache."""
GPU_CELLS = 2**25
"""The same on a GPU, where launches cost more than rows: 128 MiB, of which some three are held."""


@torch.no_grad()
def measure(
    answer: Callable[[Tensor], Tensor],
    data: FleetData,
    batches: Iterator[tuple[Tensor, Tensor]],
    thresholds: Tensor,
) -> dict[str, Tensor]:
    """Mean loss and the metrics of every epoch, float64 ``[K]`` each; NaN where not defined.

    Args:
        answer: features to scores ``[K, B, O]``, a network in eval mode.
        data: what the scores mean: task, positive class, unit of the target.
        batches: features ``[K, B, F]`` and targets ``[K, B]``.
        thresholds: ``[K]``, of two classes the probability from which the positive is answered.
    """
    if data.task == "regression":
        return _of_values(answer, batches, data.unit)
    rows = 0
    losses: list[Tensor] = []
    confusion: Tensor | int = 0
    for x, y in batches:
        scores = answer(x)
        losses.append(block_sums(LOSSES[data.task](scores, y)))
        rows += y.shape[1]
        answers = answered(scores, data.positive, thresholds)
        confusion = confusion + _confusion(answers, y.long(), len(data.classes))
    loss = torch.cat(losses, dim=1).sum(1) / rows
    table = torch.as_tensor(confusion).cpu().numpy()
    return {"loss": loss} | {
        name: torch.from_numpy(values).to(loss.device)
        for name, values in from_confusion(table, data.positive).items()
    }


def _of_values(
    answer: Callable[[Tensor], Tensor], batches: Iterator[tuple[Tensor, Tensor]], unit: Tensor
) -> dict[str, Tensor]:
    """Sums in float64 of targets less the first: their mean may be any multiple of what they vary
    by, and squares would leave nothing but its rounding.
    """
    rows = 0
    sums: list[Tensor] = []
    first: Tensor | None = None
    for x, y in batches:
        values, truth = answer(x)[..., 0].double(), y.double()
        first = truth[:, :1].clone() if first is None else first
        apart = truth - first
        squares = (values - truth).square(), apart.square()
        sums.append(torch.stack([block_sums(some) for some in (*squares, apart)]))
        rows += y.shape[1]
    loss, square, mean = torch.cat(sums, dim=2).sum(2) / rows
    variance = (square - mean.square()).clamp(min=0)
    numbers = (tensor.cpu().numpy() for tensor in (loss, variance, unit))
    return {"loss": loss} | {
        name: torch.from_numpy(metric).to(loss.device)
        for name, metric in from_squares(*numbers).items()
    }


def block_sums(values: Tensor) -> Tensor:
    """Sums of ``[K, B]`` over blocks of rows, ``[K, blocks]`` in float64: the same blocks however
    many rows are measured at a time, so that a mean has the same bits in any fleet.
    """
    whole = values.shape[1] // BLOCK
    if whole * BLOCK < values.shape[1]:
        return values.double().sum(1, keepdim=True)
    return values.view(len(values), whole, BLOCK).double().sum(2)


def answered(scores: Tensor, positive: int, thresholds: Tensor) -> Tensor:
    """The classes that are answered, ``[K, B]``: the most probable, or, of a logit, the positive
    from the threshold on.
    """
    if scores.shape[-1] > 1:
        return scores.argmax(-1)
    logits = scores[..., 0] if positive == 1 else -scores[..., 0]
    from_threshold = logits.double() >= torch.logit(thresholds)[:, None]
    return from_threshold.long() if positive == 1 else 1 - from_threshold.long()


def _confusion(answers: Tensor, y: Tensor, classes: int) -> Tensor:
    """How often true class t ``[K, t, a]`` was answered by class a."""
    trials = torch.arange(len(y), device=y.device)[:, None]
    cells = (trials * classes + y) * classes + answers
    counts = torch.bincount(cells.flatten(), minlength=len(y) * classes * classes)
    return counts.view(-1, classes, classes)
