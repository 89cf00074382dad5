"""How well a trained network answers with its small weights set to 0."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from worker.data import Prepared
from worker.results import PruningCurve
from worker.training.engine import Engine, part_of

THRESHOLDS = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Weights of smaller magnitude become 0. The first prunes nothing."""
CURVES = ("loss", "accuracy", "balanced_accuracy", "recall", "rmse", "r2")
"""The metrics of a curve, as far as the task has them."""
Part = Literal["validation", "train"]
"""The rows that it is measured on."""
MOST_TRIALS = 64
"""Trials of a fleet that are measured, the best by the objective."""
MOST_WEIGHTS = 50_000_000
"""Weights of all trials that are measured together; one trial always is."""
MOST_ROWS = 2_000
"""Rows that it is measured on, evenly spaced, where a part has more."""


def curves(
    engine: Engine, prepared: Prepared, objective: Sequence[float | None]
) -> list[PruningCurve | None]:
    """A curve for the best trials: metrics and share of zeros at each threshold; none for others.

    Biases and normalization parameters are left alone. ``objective`` is smaller for better trials
    and none for those that failed.
    """
    chosen = _chosen(engine, objective)
    pruning_curves: list[PruningCurve | None] = [None] * len(objective)
    if not chosen:
        return pruning_curves
    whole = len(chosen) == len(objective)
    measured = _measure(engine if whole else part_of(engine, prepared, chosen))
    for row, trial in enumerate(chosen):
        pruning_curves[trial] = measured.curve(row)
    return pruning_curves


class _Measured:
    """Metrics ``[T][K]`` by name."""

    def __init__(self, part: Part, rows: int, steps: list[dict[str, Tensor]]) -> None:
        self.part, self.rows = part, rows
        self._table = {n: torch.stack([step[n] for step in steps], 1).tolist() for n in steps[0]}

    def curve(self, row: int) -> PruningCurve:
        """One trial's, with six significant digits."""
        metrics = {
            name: [_rounded(value) for value in table[row]] for name, table in self._table.items()
        }
        return PruningCurve(part=self.part, rows=self.rows, thresholds=list(THRESHOLDS), **metrics)


def _rounded(value: float) -> float | None:
    """Six significant digits; none of a metric that is not defined."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _chosen(engine: Engine, objective: Sequence[float | None]) -> list[int]:
    """The best trials, in the fleet's order."""
    ranked = sorted((value, trial) for trial, value in enumerate(objective) if value is not None)
    fitting = max(1, MOST_WEIGHTS // engine.parameters.values.shape[1])
    return sorted(trial for _, trial in ranked[: min(MOST_TRIALS, fitting)])


def _measure(engine: Engine) -> _Measured:
    """All thresholds, one after another; the weights are as before afterwards."""
    data = engine.data
    part: Part = "validation" if data.rows("validation") else "train"
    weight = engine.parameters.index.weight
    pruned = [engine.parameters.values]  # [K, P], and [K, M, P] of ensembles
    if engine.snapshots:
        pruned.append(engine.snapshots.tensors["members.weights"])
    originals = [tensor.clone() for tensor in pruned]
    magnitudes = [tensor.abs().masked_fill(~weight, torch.inf) for tensor in pruned]
    engine.network.eval()
    steps: list[dict[str, Tensor]] = []
    for threshold in THRESHOLDS:
        for tensor, original, size_of in zip(pruned, originals, magnitudes, strict=True):
            torch.mul(original, size_of >= threshold, out=tensor)
        engine.snapshots.load()
        values = engine.measure_part(part, most=MOST_ROWS)
        drawn = {name: values[name] for name in CURVES if name in values}
        steps.append({"sparsity": _sparsity(engine), **drawn})
    for tensor, original in zip(pruned, originals, strict=True):
        tensor.copy_(original)
    engine.snapshots.load()
    return _Measured(part, min(MOST_ROWS, data.rows(part)), steps)


def _sparsity(engine: Engine) -> Tensor:
    """``[K]``: the share of weights that are 0, of an ensemble in all its members."""
    weight = engine.parameters.index.weight
    zero = engine.parameters.values == 0
    if engine.snapshots:
        count = engine.snapshots.tensors["members.count"]
        zeros = (engine.snapshots.tensors["members.weights"] == 0).all(1)
        zero = torch.where(count[:, None] > 0, zeros, zero)
    return zero[:, weight].double().mean(1)
