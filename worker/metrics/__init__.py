"""Metrics: their definitions, in one place, and their arithmetic, over all trials at once.

Nothing here imports torch.

``definitions``                 the table that all else follows from
``classification, regression``  the arithmetic
``curves``                      ROC, precision and recall, calibration
"""

from worker.metrics.classification import (
    BINS,
    Measured,
    Rule,
    choose_threshold,
    confusion,
    final_classification,
    from_confusion,
    log_softmax,
    margins,
)
from worker.metrics.curves import part_curves
from worker.metrics.definitions import (
    PARTS,
    definition,
    is_maximized,
    is_per_epoch,
    measured_parts,
    task_of,
    trial_metrics,
)
from worker.metrics.regression import final_regression, from_squares

__all__ = [
    "BINS",
    "PARTS",
    "Measured",
    "Rule",
    "choose_threshold",
    "confusion",
    "definition",
    "final_classification",
    "final_regression",
    "from_confusion",
    "from_squares",
    "is_maximized",
    "is_per_epoch",
    "log_softmax",
    "margins",
    "measured_parts",
    "part_curves",
    "task_of",
    "trial_metrics",
]
