"""Every metric, defined once: what it is, its formula, whether more of it is better, of which tasks
it is one, and when it is measured.

Everything else follows from this table: which metrics a trial has, which of them a search can be
for, which may be watched from epoch to epoch, and the page ``docs/metrics.md``.

A trial's metrics are named by the rows that they are measured on: ``validation_f1`` is the F1 of
the validation rows. A metric that is not defined on some rows (the AUC where one class occurs, R²
of a single row) is NaN here and null in answers, never a number that stands for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["binary", "multiclass", "regression"]
"""What is predicted, as far as metrics are concerned: two classes are binary, whatever the task."""
PARTS = ("train", "validation", "test")
"""Rows that metrics are measured on."""
_CLASSES: tuple[Kind, ...] = ("binary", "multiclass")


@dataclass(frozen=True)
class Metric:
    """One metric, without the rows that it is measured on."""

    name: str
    what: str
    """What it says, in a sentence."""
    formula: str
    kinds: tuple[Kind, ...]
    """What can be measured by it."""
    maximize: bool = False
    """Whether more of it is better."""
    per_epoch: bool = True
    """Whether it is measured after every epoch; else on the final weights alone, of the rows that
    are held out (of the training rows where none are)."""
    undefined: str = ""
    """Where it has no value, if anywhere."""


MEASURES = (
    Metric(
        "loss",
        "The data loss that is trained on, without penalties, in eval mode.",
        "mean of −log p(true class), in nats; mean of (s − y)² of the target as preprocessed, or "
        "of what `training.loss` asks for; with `sample_weight` Σ w·l / Σ w",
        (*_CLASSES, "regression"),
    ),
    Metric(
        "accuracy",
        "Share of right answers.",
        "(TP + TN) / n; Σ right / n",
        _CLASSES,
        maximize=True,
    ),
    Metric(
        "balanced_accuracy",
        "Mean recall over the classes that occur: all classes weigh the same.",
        "mean of TP_c / (TP_c + FN_c)",
        _CLASSES,
        maximize=True,
    ),
    Metric(
        "classes_predicted",
        "How many different classes were answered.",
        "number of classes c with an answer c",
        _CLASSES,
    ),
    Metric(
        "precision",
        "How many of those answered as positive are positive.",
        "TP / (TP + FP); of more than two classes the mean over those that occur, "
        "0 for one that is never answered",
        _CLASSES,
        maximize=True,
        undefined="two classes: nothing is answered as positive",
    ),
    Metric(
        "recall",
        "How many of the positive are answered so (sensitivity).",
        "TP / (TP + FN); of more than two classes the mean over those that occur",
        _CLASSES,
        maximize=True,
        undefined="two classes: no row is positive",
    ),
    Metric(
        "f1",
        "Harmonic mean of precision and recall.",
        "2·TP / (2·TP + FP + FN); of more than two classes the mean over those that occur",
        _CLASSES,
        maximize=True,
        undefined="two classes: no row is positive, or answered so",
    ),
    Metric(
        "specificity",
        "How many of the negative are answered so.",
        "TN / (TN + FP)",
        ("binary",),
        maximize=True,
        undefined="no row is negative",
    ),
    Metric(
        "rmse",
        "Root of the mean squared error, in the target's own unit.",
        "√(mean of (ŷ − y)²)",
        ("regression",),
    ),
    Metric(
        "r2",
        "Share of the variance that is explained; 0 is as good as the mean, 1 is perfect.",
        "1 − Σ(ŷ − y)² / Σ(y − ȳ)²",
        ("regression",),
        maximize=True,
        undefined="one row only, or all targets are equal",
    ),
    Metric(
        "auc",
        "Area under the ROC curve: how likely a positive row scores higher than a negative one.",
        "P(s₊ > s₋) + P(s₊ = s₋) / 2; of more than two classes the mean of each against the rest",
        _CLASSES,
        maximize=True,
        per_epoch=False,
        undefined="a class does not occur",
    ),
    Metric(
        "average_precision",
        "Area under the precision-recall curve, as a step function.",
        "Σ (R_i − R_{i−1})·P_i over the distinct scores, from the highest",
        ("binary",),
        maximize=True,
        per_epoch=False,
        undefined="no row is positive",
    ),
    Metric(
        "log_loss",
        "Cross-entropy of the probabilities, in nats.",
        "mean of −log p(true class)",
        _CLASSES,
        per_epoch=False,
    ),
    Metric(
        "brier",
        "Mean squared error of the probability of the positive class.",
        "mean of (p − y)², y being 1 or 0",
        ("binary",),
        per_epoch=False,
    ),
    Metric(
        "ece",
        "Expected calibration error: how far probabilities are from frequencies.",
        "Σ_b n_b/n · |mean p − frequency| over 15 bins of equal width, p being that of the "
        "positive class; of more than two classes that of the answer, and how often it is right",
        _CLASSES,
        per_epoch=False,
    ),
    Metric(
        "mae",
        "Mean absolute error, in the target's own unit.",
        "mean of |ŷ − y|",
        ("regression",),
        per_epoch=False,
    ),
    Metric(
        "median_absolute_error",
        "Median of the absolute errors, in the target's own unit.",
        "median of |ŷ − y|",
        ("regression",),
        per_epoch=False,
    ),
    Metric(
        "mape",
        "Mean absolute error as a share of the target: 0.1 is ten percent.",
        "mean of |ŷ − y| / |y|",
        ("regression",),
        per_epoch=False,
        undefined="a target is 0",
    ),
    Metric(
        "pinball",
        "Mean error of a quantile, in the target's own unit: that of a `quantile` loss, else the "
        "median, of which it is half the mean absolute error.",
        "mean of max(q·(y − ŷ), (q − 1)·(y − ŷ))",
        ("regression",),
        per_epoch=False,
    ),
    Metric(
        "poisson_deviance",
        "How far counts are from their means, in twice the log-likelihood of a Poisson.",
        "mean of 2·(y·log(y/ŷ) − y + ŷ)",
        ("regression",),
        per_epoch=False,
        undefined="a target is below 0, or an answer is not above it",
    ),
)
"""What is measured of rows."""

_ALL: tuple[Kind, ...] = ("binary", "multiclass", "regression")
OF_TRIALS = (
    Metric(
        "gap",
        "How much worse the network is on rows that it has not seen.",
        "validation_loss − train_loss",
        _ALL,
        undefined="there are no validation rows",
    ),
    Metric("penalty", "What the penalties add to the loss.", "Σ λ·Ω(w)", _ALL),
    Metric(
        "sparsity",
        "Share of the weights that are exactly 0; biases are not counted.",
        "zeros / weights",
        _ALL,
        maximize=True,
    ),
)
"""What is measured of a trial as a whole; it has no rows in its name."""

_MEASURES = {metric.name: metric for metric in MEASURES}
_OF_TRIALS = {metric.name: metric for metric in OF_TRIALS}


def task_of(classes: Sequence[str]) -> Kind:
    """What is predicted, from the classes of a target; a regression has none."""
    if not classes:
        return "regression"
    return "binary" if len(classes) == 2 else "multiclass"


def definition(name: str) -> Metric | None:
    """The metric behind a name such as ``validation_f1`` or ``gap``; none of that name."""
    part, _, measure = name.partition("_")
    if part in PARTS:
        return _MEASURES.get(measure)
    return _OF_TRIALS.get(name)


def is_maximized(name: str) -> bool:
    """Whether more of a metric is better. Of what has no definition, such as ``objective``, less
    is.
    """
    metric = definition(name)
    return metric is not None and metric.maximize


def is_per_epoch(name: str) -> bool:
    """Whether a metric is measured after every epoch, not of the final weights alone."""
    metric = definition(name)
    return metric is None or metric.per_epoch


def measures(kind: Kind, *, per_epoch: bool | None = None) -> tuple[str, ...]:
    """The names of what is measured of rows; with ``per_epoch``, of those that are, or are not."""
    return tuple(
        metric.name
        for metric in MEASURES
        if kind in metric.kinds and per_epoch in (None, metric.per_epoch)
    )


def measured_parts(rows: dict[str, bool]) -> tuple[str, ...]:
    """The parts that final metrics are measured on, of those that have rows: what is held out, or
    the training rows where nothing is.
    """
    apart = tuple(part for part in PARTS if part != "train" and rows.get(part))
    return apart or ("train",)


def trial_metrics(kind: Kind, rows: dict[str, bool]) -> tuple[str, ...]:
    """The names of all final metrics of a trial.

    Args:
        kind: what is predicted.
        rows: part → whether it has any.
    """
    names = [
        f"{part}_{name}"
        for part in PARTS
        if rows.get(part)
        for name in measures(kind, per_epoch=None if part in measured_parts(rows) else True)
    ]
    names += ["gap"] if rows.get("validation") else []
    return (*names, "penalty", "sparsity")
