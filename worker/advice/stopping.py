"""Rules about early stopping."""

from collections.abc import Iterator

from worker.advice.change import Remedy, change_of
from worker.advice.context import Context
from worker.results import Advice
from worker.spec import SolverSpec

HARD = ("accuracy", "recall")
"""How the names of metrics end that count hard labels."""
USUAL_VALIDATION = 0.2
"""A share of rows for validation."""
WATCHED = "regularization.early_stopping.metric"
PATIENT = 5
"""One part in this many of the epochs is patience enough."""


def early_stopping_without_validation(context: Context) -> Iterator[Advice]:
    """Without validation rows the training rows are watched, which almost never stops."""
    stopping, rows = context.regularization.early_stopping, context.outline
    if stopping is not None and not all(rows.validation_rows):
        yield Advice(
            severity="warning",
            code="early_stopping_without_validation",
            field="regularization.early_stopping",
            message="Early stopping watches the training loss: there are no validation rows."
            if stopping.metric.endswith("loss")
            else "Early stopping watches the training rows: there are no validation rows.",
            evidence={"validation_rows": min(rows.validation_rows)},
            **with_validation_rows(context),
        )


def early_stopping_on_training_rows(context: Context) -> Iterator[Advice]:
    """A metric of the training rows goes on improving while the network overfits."""
    stopping = context.regularization.early_stopping
    if stopping is None or not all(context.outline.validation_rows):
        return
    if stopping.metric == "objective" or stopping.metric.startswith("train_"):
        yield Advice(
            severity="warning",
            code="early_stopping_on_training_rows",
            field="regularization.early_stopping.metric",
            message=f"Early stopping watches {stopping.metric}, which goes on improving while the "
            "network overfits.",
            evidence={
                "metric": stopping.metric,
                "validation_rows": min(context.outline.validation_rows),
            },
            fix="Watch validation_loss.",
            change=change_of((WATCHED, "validation_loss")),
        )


def mixed_targets_and_hard_labels(context: Context) -> Iterator[Advice]:
    """Training on mixed targets asks for shares of classes; accuracy asks for one class."""
    techniques = context.regularization
    stopping = techniques.early_stopping
    if stopping is None or not stopping.metric.endswith(HARD):
        return
    strengths = {
        "mixup": techniques.mixup.alpha if techniques.mixup is not None else 0.0,
        "cutmix": techniques.cutmix.p if techniques.cutmix is not None else 0.0,
    }
    mixing = {name: strength for name, strength in strengths.items() if strength > 0}
    if mixing:
        yield Advice(
            severity="warning",
            code="mixed_targets_and_hard_labels",
            field="regularization.early_stopping.metric",
            message=f"{' and '.join(mixing)} trains towards mixtures of classes, and "
            f"{stopping.metric} counts hard labels: it moves in jumps, and stands still while the "
            "probabilities still improve.",
            evidence={"metric": stopping.metric, **mixing},
            fix="Watch validation_loss.",
            change=change_of((WATCHED, "validation_loss")),
        )


def patience_beyond_epochs(context: Context) -> Iterator[Advice]:
    """The first epoch is an improvement; patience for all that are left never runs out. Where not
    every epoch is measured, those count that are.
    """
    stopping, epochs = context.regularization.early_stopping, context.training.measurements
    if stopping is None or epochs <= PATIENT or stopping.patience < epochs - 1:
        return
    if isinstance(context.training.optimizer, SolverSpec) or context.varies("training.epochs"):
        return
    patience = max(1, epochs // PATIENT)
    path = "regularization.early_stopping.patience"
    yield Advice(
        severity="warning",
        code="patience_beyond_epochs",
        field=path,
        message=f"Early stopping never stops: it waits for {stopping.patience:,} epochs without an "
        f"improvement, and there are {epochs:,}.",
        evidence={"patience": stopping.patience, "epochs": epochs},
        fix=f"Set patience to {patience:,}.",
        change=change_of((path, patience)),
    )


def with_validation_rows(context: Context) -> Remedy:
    """Fix and change of a job without validation rows."""
    if context.job.spec.split.rows is not None:
        return {"fix": "Name some validation rows in split.rows."}
    return {
        "fix": f"Set split.validation to {USUAL_VALIDATION:g}.",
        "change": change_of(("split.validation", USUAL_VALIDATION)),
    }
