"""Early stopping."""

from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from worker.metrics import definition, is_maximized, task_of
from worker.regularization.families.stopping import Stopping, StoppingState
from worker.regularization.per_trial import PerTrial
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts

Metric = Literal[
    "validation_loss",
    "validation_accuracy",
    "validation_balanced_accuracy",
    "validation_precision",
    "validation_recall",
    "validation_f1",
    "validation_specificity",
    "validation_rmse",
    "validation_r2",
    "train_loss",
    "train_accuracy",
    "train_balanced_accuracy",
    "train_precision",
    "train_recall",
    "train_f1",
    "train_specificity",
    "train_rmse",
    "train_r2",
    "objective",
    "gap",
]


@final
class EarlyStopping(Stopping):
    """Stops a trial that improves no more: v_t ≥ min(v_1 … v_{t−s}) − δ for s = `patience` epochs.

    v is the watched metric, δ `min_delta`. An improvement is a value below best − δ; above
    best + δ for accuracies, precision, recall, F1, specificity and r². The trial ends with the
    weights of its best epoch unless `restore_best` is false; with an average, both the metric and
    those weights are the average's. Without validation rows the same metric of the training rows is
    watched, which almost never stops and is advised against. Test rows cannot be watched: they
    would no longer be a test.

    When: always, where rows are held back for validation; it saves time besides.
    Start: patience 5 (5 to 10).
    Badly with: a split without validation rows; `swa` and `snapshot_ensemble`, which need the last
    epochs; noisy metrics with little patience.
    Cost: a copy of the weights with `restore_best`; fewer epochs.
    Units: patience in epochs, min_delta in the unit of the metric; as Keras's `EarlyStopping`.
    Shapes: value, best, since ``[K]``.
    Source: Prechelt 1998, Early stopping: but when?, LNCS 1524.
    """

    patience: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Epochs to wait for an improvement."""
    metric: Metric = "validation_loss"
    """What is watched: a loss, `rmse`, `objective` and `gap` downwards, the others upwards."""
    min_delta: Annotated[float, Field(ge=0.0, le=1e6)] = 0.0
    """How much better the metric must be to count."""
    restore_best: bool = True
    """End with the weights of the best epoch."""

    @classmethod
    def judge(
        cls, value: Tensor, memory: StoppingState, stack: PerTrial["EarlyStopping"]
    ) -> tuple[Tensor, Tensor]:
        """Which trials improved, and which have waited long enough. Updates ``memory`` in place."""
        improved = value < memory.best - stack.numbers(lambda s: s.min_delta)
        memory.best.copy_(torch.where(improved, value, memory.best))
        memory.since.copy_(torch.where(improved, 0, memory.since + 1))
        patience = stack.numbers(lambda s: s.patience, off=float("inf"))
        return improved, memory.since >= patience

    @classmethod
    def restores(cls, stack: PerTrial["EarlyStopping"]) -> Tensor:
        """The trials that end with their best weights."""
        return stack.on(lambda settings: settings.restore_best)

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Targets that have the metric which it watches."""
        metric = definition(self.metric)
        if metric is None or task_of(data.classes) in metric.kinds:
            return None
        remedy = "validation_balanced_accuracy" if data.classes else "validation_rmse"
        return Misfit(
            f"There is no {self.metric} of this target; choose validation_loss or {remedy}.",
            field="metric",
        )

    def watched(self) -> tuple[str, bool]:
        """The metric, and whether more of it is better."""
        return self.metric, is_maximized(self.metric)
