"""How good a fleet is on some rows, one number a trial: eval mode, nothing dropped or added.

What the metrics are is defined in ``worker.metrics``; here the rows are counted, a few at a time.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from worker.metrics import from_confusion, from_squares
from worker.training.fleet_data import BLOCK, FleetData, TrialRows
from worker.training.losses import LOSS, DataLoss

CELLS = 1_000_000
"""Numbers of one layer's activations held at a time while measuring: they fit the third cache.
Fewer fit the second one, but take more calls and smaller products."""
MAP_CELLS = 2_000_000
"""The same of convolutional networks: 8 MB, of which some three are held. Their kernels go through
maps image by image: smaller pieces gain nothing, and each takes time to begin."""
GPU_CELLS = 2**25
"""The same on a GPU, where launches cost more than rows: 128 MiB, of which some three are held."""


@torch.no_grad()
def measure(
    answer: Callable[[Tensor], Tensor],
    data: FleetData,
    batches: Iterator[TrialRows],
    thresholds: Tensor,
) -> dict[str, Tensor]:
    """Mean loss and the metrics of every epoch, float64 ``[K]`` each; NaN where not defined.

    The loss, and with it a regression's rmse and R², counts each row by its weight, Σ w·l / Σ w;
    what is counted in right and wrong answers counts rows.

    Args:
        answer: features to scores ``[K, B, O]``, a network in eval mode.
        data: what the scores mean: task, loss, positive class, unit of the target.
        batches: the rows.
        thresholds: ``[K]``, of two classes the probability from which the positive is answered.
    """
    if data.task == "regression":
        return _of_values(answer, batches, data.unit, data.loss)
    sums: list[Tensor] = []
    confusion: Tensor | int = 0
    for rows in batches:
        scores = rows.scored(answer(rows.x))
        losses = data.loss.value(scores, rows.y)
        sums.append(_weighted(rows, losses))
        answers = answered(scores, data.positive, thresholds)
        confusion = confusion + _confusion(answers, rows.y.long(), len(data.classes))
    total, loss = torch.cat(sums, dim=2).sum(2)
    table = torch.as_tensor(confusion).cpu().numpy()
    return {"loss": loss / total} | {
        name: torch.from_numpy(values).to(loss.device)
        for name, values in from_confusion(table, data.positive).items()
    }


def _of_values(
    answer: Callable[[Tensor], Tensor],
    batches: Iterator[TrialRows],
    unit: Tensor,
    loss_of: DataLoss,
) -> dict[str, Tensor]:
    """Sums in float64 of targets less the first: their mean may be any multiple of what they vary
    by, and squares would leave nothing but its rounding.
    """
    sums: list[Tensor] = []
    first: Tensor | None = None
    squared = loss_of is LOSS["regression"]
    for rows in batches:
        scores, truth = rows.scored(answer(rows.x)), rows.y.double()
        values = loss_of.mean(scores)[..., 0].double()
        first = truth[:, :1].clone() if first is None else first
        apart, errors = truth - first, (values - truth).square()
        losses = errors if squared else loss_of.value(scores.double(), truth)
        sums.append(_weighted(rows, losses, errors, apart.square(), apart))
    total, *others = torch.cat(sums, dim=2).sum(2)
    loss, error, square, mean = (some / total for some in others)
    variance = (square - mean.square()).clamp(min=0)
    numbers = (tensor.cpu().numpy() for tensor in (error, variance, unit))
    return {"loss": loss} | {
        name: torch.from_numpy(metric).to(loss.device)
        for name, metric in from_squares(*numbers).items()
    }


def _weighted(rows: TrialRows, *values: Tensor) -> Tensor:
    """Sums over blocks of the rows' weights, and of values ``[K, B]`` by them:
    ``[1 + V, K, blocks]``.
    """
    if rows.weights is None:
        return torch.stack([block_sums(torch.ones_like(rows.y)), *map(block_sums, values)])
    w = rows.weights.double()
    return torch.stack([block_sums(w), *(block_sums(some.double() * w) for some in values)])


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
