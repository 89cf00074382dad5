"""Advice: findings about a job and about what came out of it, each with evidence and a fix."""

from typing import Any, Literal

from pydantic import Field

from worker.data import Outline
from worker.regularization.settings import Settings
from worker.spec import JobSpec


class Advice(Settings):
    """One finding. It never stops a job; what must not run is an error instead."""

    severity: Literal["info", "warning"]
    """`warning`: the result is probably not what was wanted. `info`: worth knowing."""
    code: str
    """Machine-readable name of the rule."""
    field: str | None
    """The field of the spec that it is about, as a dotted path."""
    message: str
    """The finding in one sentence."""
    evidence: dict[str, Any] = Field(default_factory=dict)
    """The numbers behind it."""
    fix: str
    """What to do about it."""


def advise(spec: JobSpec, outline: Outline) -> list[Advice]:
    """What can be said about a job before it runs."""
    return [*_stopping_without_validation(spec, outline)]


def _stopping_without_validation(spec: JobSpec, outline: Outline) -> list[Advice]:
    if spec.regularization.early_stopping is None or all(outline.validation_rows):
        return []
    return [
        Advice(
            severity="warning",
            code="early_stopping_without_validation",
            field="regularization.early_stopping",
            message="Early stopping watches the training loss: there are no validation rows.",
            evidence={"validation_rows": min(outline.validation_rows)},
            fix="Set split.validation above 0, or use split.folds.",
        )
    ]


def advise_on_result(name: str, metrics: dict[str, float | None]) -> list[Advice]:
    """What can be said about a trained trial."""
    return [*_constant_predictor(name, metrics)]


def _constant_predictor(name: str, metrics: dict[str, float | None]) -> list[Advice]:
    if metrics.get("train_classes_predicted") != 1:
        return []
    accuracy, balanced = metrics["train_accuracy"], metrics["train_balanced_accuracy"]
    return [
        Advice(
            severity="warning",
            code="constant_predictor",
            field="regularization",
            message=(
                f"{name} predicts one class only: its accuracy of {accuracy:.4f} is the share of "
                f"that class, its balanced accuracy is {balanced:.4f}."
            ),
            evidence={"train_accuracy": accuracy, "train_balanced_accuracy": balanced},
            fix="Lower the strengths (try a tenth), or train longer; judge by balanced accuracy.",
        )
    ]
