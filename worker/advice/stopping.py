"""Rules about early stopping."""

from collections.abc import Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration


def early_stopping_without_validation(configuration: Configuration) -> Iterator[Advice]:
    """Without validation rows the training rows are watched, which almost never stops."""
    stopping, rows = configuration.regularization.early_stopping, configuration.outline
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


def early_stopping_on_training_rows(configuration: Configuration) -> Iterator[Advice]:
    """A metric of the training rows goes on improving while the network overfits."""
    stopping = configuration.regularization.early_stopping
    if stopping is None or not all(configuration.outline.validation_rows):
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
                "validation_rows": min(configuration.outline.validation_rows),
            },
            fix="Watch validation_loss.",
        )
