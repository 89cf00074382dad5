"""Rules about early stopping."""

from collections.abc import Iterator

from worker.advice.context import Context
from worker.results import Advice

HARD = ("accuracy", "recall")
"""How the names of metrics end that count hard labels."""


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
            fix="Set split.validation above 0, or use split.folds.",
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
            fix="Watch validation_loss, or raise regularization.early_stopping.patience.",
        )
