"""How each trial of a fleet ended, and the weights it ended with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.results import JobError
from worker.training.engine import Engine, fill


@dataclass
class Outcome:
    """One trial's way so far. Plain data: it travels in checkpoints."""

    epochs: int = 0
    best_epoch: int = 0
    last_finite_loss: float | None = None
    ended: bool = False
    solved: bool | None = None
    halved_at: int | None = None
    """The epoch of the rung at which halving let it go."""
    error: JobError | None = None
    measured: dict[str, float | None] | None = None
    """What the weights that it would end with came to, when they were measured; none where they
    were not, or an earlier release trained them."""

    def progress(self, epoch: int, objective: float) -> None:
        """One more epoch with a finite loss."""
        self.epochs, self.last_finite_loss = epoch, objective

    def finish(self, best_epoch: int, solved: bool | None = None) -> None:
        """It has its weights. ``solved``: whether a solver reached its tolerance."""
        self.ended, self.best_epoch, self.solved = True, best_epoch, solved

    def leave(self, epoch: int, best_epoch: int) -> None:
        """Others did better at a rung. It has its weights all the same."""
        self.finish(best_epoch)
        self.halved_at = epoch

    def diverge(self, epoch: int) -> None:
        """Its loss left the finite numbers; it keeps no weights."""
        self.ended = True
        self.error = JobError(
            code="diverged",
            message=(
                f"The loss became infinite or NaN in epoch {epoch}; the last finite loss was "
                f"{self.last_finite_loss:.6g}. "
                "Lower training.optimizer.learning_rate or the strengths."
            ),
            param="training.optimizer.learning_rate",
            epoch=epoch,
            last_finite_loss=self.last_finite_loss,
        )


Report = dict[str, list[float | None]]
"""Metrics by name, one entry a trial."""


def record(
    outcomes: Sequence[Outcome],
    members: Sequence[int],
    epoch: int,
    metrics: Mapping[str, Tensor],
    finite: Tensor,
) -> Report:
    """Note an epoch in the outcomes of all trials, and give its metrics by trial.

    There are none for trials that had ended, or whose loss is not finite, and where a metric is not
    defined.

    Args:
        outcomes: of all trials.
        members: the trial that each of the K rows is.
        epoch: counted from 1.
        metrics: ``[K]`` each, `objective` among them.
        finite: ``[K]`` bool.
    """
    report: Report = {name: [None] * len(outcomes) for name in metrics}
    table = torch.stack([metric.double() for metric in metrics.values()]).tolist()  # read once
    taken = [
        (row, trial)
        for row, (trial, is_finite) in enumerate(zip(members, finite.tolist(), strict=True))
        if is_finite and not outcomes[trial].ended
    ]
    for name, values in zip(metrics, table, strict=True):
        for row, trial in taken:
            report[name][trial] = values[row] if math.isfinite(values[row]) else None
    for row, trial in taken:
        outcomes[trial].progress(epoch, table[list(metrics).index("objective")][row])
    return report


class Finals:
    """Final weights and buffers of all trials, ``[K, …]``, filled as trials end."""

    def __init__(self, engine: Engine) -> None:
        self.tensors = {
            name: torch.zeros_like(tensor, device="cpu")
            for name, tensor in engine.watch.kept().items()
        }

    def take(self, engine: Engine, rows: Sequence[int], trials: Sequence[int]) -> None:
        """Keep what rows of the engine end with, as those trials'."""
        if not rows:
            return
        chosen = torch.tensor(rows, device=engine.parameters.values.device)
        for name, tensor in engine.watch.kept().items():
            self.tensors[name][list(trials)] = tensor[chosen].detach().cpu()

    def give(self, engine: Engine) -> None:
        """Put them into an engine of all trials."""
        engine.parameters.values.copy_(self.tensors["weights"])
        for name, tensor in (engine.buffers() | engine.snapshots.tensors).items():
            tensor.copy_(self.tensors[name])
        engine.snapshots.load()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over those of a checkpoint."""
        for name, tensor in self.tensors.items():
            fill(tensor, tensors[name])
