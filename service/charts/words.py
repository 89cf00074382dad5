"""The words of titles and axes: metrics with their units, fields by their paths."""

from worker.text import shortened

LONGEST_TITLE = 84

SHORT = {"auc": "AUC", "ece": "ECE", "f1": "F1", "mae": "MAE", "mape": "MAPE", "r2": "R²"}
SHORT |= {"rmse": "RMSE", "brier": "Brier score", "log_loss": "log loss"}
PARTS_IN_WORDS = {"train": "training", "validation": "validation", "test": "test"}
OTHERS = {
    "objective": "Optimizer's objective, penalties included",
    "gap": "Validation loss − training loss",
    "penalty": "Penalty",
    "sparsity": "Share of weights that are exactly 0",
    "learning_rate": "Learning rate",
    "optimality": "Distance from the optimum, relative to the tolerance",
}
IN_NATS = frozenset({"loss", "log_loss"})
OF_THE_TARGET = frozenset({"rmse", "mae", "median_absolute_error"})
SHARES_OF_ROWS = frozenset(
    {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "specificity"}
)


def metric_in_words(metric: str) -> str:
    """`validation_balanced_accuracy` → `Validation balanced accuracy`."""
    part, _, rest = metric.partition("_")
    if metric in OTHERS:
        return OTHERS[metric]
    if part in PARTS_IN_WORDS and rest:
        words = SHORT.get(rest, rest.replace("_", " "))
        return f"{PARTS_IN_WORDS[part].capitalize()} {words}"
    return SHORT.get(metric, metric.replace("_", " ").capitalize())


def is_loss(metric: str) -> bool:
    """Whether a metric is an error, which falls by powers of ten while a network learns."""
    name = metric.partition("_")[2]
    return metric == "objective" or name in IN_NATS or name in OF_THE_TARGET


def label(metric: str, task: str | None) -> str:
    """The metric in words, and its unit."""
    part, _, rest = metric.partition("_")
    name = rest if part in PARTS_IN_WORDS else metric
    unit = _unit(name, task)
    words = metric_in_words(metric)
    return f"{words} ({unit})" if unit else words


def titled(what: str, job_name: str) -> str:
    """A title: what is drawn, and of which job."""
    return shortened(f"{what}: {job_name}" if job_name else what, LONGEST_TITLE)


def field_name(path: str) -> str:
    """`regularization.l1.strength` → `l1.strength`: the section says nothing to a reader."""
    return path.removeprefix("regularization.")


def _unit(name: str, task: str | None) -> str:
    if name in IN_NATS or name == "gap":
        if task is None:
            return ""
        return "target as preprocessed" if task == "regression" else "nats"
    if name in OF_THE_TARGET:
        return "in the target's unit"
    return "0 to 1" if name in SHARES_OF_ROWS else ""
