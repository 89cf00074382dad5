"""How well a trained network answers with its small weights set to 0."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from worker.data import Prepared
from worker.results.sparsity import PruningCurve
from worker.training.metrics import CELLS, measure
from worker.training.program import Program

THRESHOLDS = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Weights of smaller magnitude become 0. The first prunes nothing."""
Part = Literal["validation", "train"]
"""The rows that it is measured on."""
MOST_TRIALS = 64
"""Trials of a fleet that are measured, the best by the objective."""
MOST_WEIGHTS = 50_000_000
"""Weights of all trials that are measured together; one trial always is."""
MOST_ROWS = 2_000
"""Rows that it is measured on, evenly spaced, where a part has more."""


def curves(
    program: Program, prepared: Prepared, objective: Sequence[float | None]
) -> list[PruningCurve | None]:
    """A curve for the best trials: metrics and share of zeros at each threshold; none for others.

    Biases and normalization parameters are left alone. ``objective`` is smaller for better trials
    and none for those that failed.
    """
    chosen = _chosen(program, objective)
    found: list[PruningCurve | None] = [None] * len(objective)
    if not chosen:
        return found
    whole = len(chosen) == len(objective)
    measured = _measure(program if whole else _part(program, prepared, chosen))
    for row, trial in enumerate(chosen):
        found[trial] = measured.curve(row)
    return found


class _Measured:
    """Metrics ``[T][K]`` by name."""

    def __init__(self, part: Part, rows: int, steps: list[dict[str, Tensor]]) -> None:
        self.part, self.rows = part, rows
        self._table = {n: torch.stack([step[n] for step in steps], 1).tolist() for n in steps[0]}

    def curve(self, row: int) -> PruningCurve:
        """One trial's, with six significant digits."""
        metrics = {
            name: [float(f"{value:.6g}") for value in table[row]]
            for name, table in self._table.items()
        }
        return PruningCurve(part=self.part, rows=self.rows, thresholds=list(THRESHOLDS), **metrics)


def _chosen(program: Program, objective: Sequence[float | None]) -> list[int]:
    """The best trials, in the fleet's order."""
    ranked = sorted((value, trial) for trial, value in enumerate(objective) if value is not None)
    fitting = max(1, MOST_WEIGHTS // program.parameters.values.shape[1])
    return sorted(trial for _, trial in ranked[: min(MOST_TRIALS, fitting)])


def _part(program: Program, prepared: Prepared, chosen: list[int]) -> Program:
    """A program of some trials, with their weights."""
    device = program.parameters.values.device
    trials = [program.trials[trial] for trial in chosen]
    part = Program(trials, prepared, str(device), fleet=program.trials)
    rows = torch.tensor(chosen, device=device)
    part.parameters.values.copy_(program.parameters.values[rows])
    whole = program.buffers() | program.ensemble.tensors
    for name, tensor in (part.buffers() | part.ensemble.tensors).items():
        tensor.copy_(whole[name][rows])
    part.ensemble.load()
    return part


def _measure(program: Program) -> _Measured:
    """All thresholds, one after another; the weights are as before afterwards."""
    data = program.data
    part: Part = "validation" if data.rows("validation") else "train"
    size = max(1, CELLS // (program.network.widest * len(program.trials)))
    weight = program.parameters.index.weight
    pruned = [program.parameters.values]  # [K, P], and [K, M, P] of ensembles
    if program.ensemble:
        pruned.append(program.ensemble.tensors["members.weights"])
    originals = [tensor.clone() for tensor in pruned]
    magnitudes = [tensor.abs().masked_fill(~weight, torch.inf) for tensor in pruned]
    program.network.eval()
    steps: list[dict[str, Tensor]] = []
    for threshold in THRESHOLDS:
        for tensor, original, size_of in zip(pruned, originals, magnitudes, strict=True):
            torch.mul(original, size_of >= threshold, out=tensor)
        program.ensemble.load()
        batches = data.batches(part, size, most=MOST_ROWS)
        found = measure(program.answer, data.task, batches, data.unit)
        found.pop("classes_predicted", None)
        steps.append({"sparsity": _sparsity(program), **found})
    for tensor, original in zip(pruned, originals, strict=True):
        tensor.copy_(original)
    program.ensemble.load()
    return _Measured(part, min(MOST_ROWS, data.rows(part)), steps)


def _sparsity(program: Program) -> Tensor:
    """``[K]``: the share of weights that are 0, of an ensemble in all its members."""
    weight = program.parameters.index.weight
    zero = program.parameters.values == 0
    if program.ensemble:
        count = program.ensemble.tensors["members.count"]
        zeros = (program.ensemble.tensors["members.weights"] == 0).all(1)
        zero = torch.where(count[:, None] > 0, zeros, zero)
    return zero[:, weight].double().mean(1)
