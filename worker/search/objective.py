"""What the trials of a job are measured by, and what of it can be asked for."""

from collections.abc import Sequence
from difflib import get_close_matches

from worker.data import Outline
from worker.errors import SpecError
from worker.metrics import is_per_epoch, kind_of, trial_metrics
from worker.spec import JobSpec


def metric_names(outline: Outline) -> tuple[str, ...]:
    """The final metrics that a trial on these data has."""
    rows = {
        "train": all(outline.train_rows),
        "validation": all(outline.validation_rows),
        "test": all(outline.test_rows),
    }
    return trial_metrics(kind_of(outline.target.classes), rows)


def check_objective(asked: str, spec: JobSpec, outline: Outline) -> None:
    """Refuse a metric that the trials do not have, or not when it is needed.

    Raises:
        SpecError: naming those that there are.
    """
    known = metric_names(outline)
    if asked not in known:
        near = get_close_matches(asked, known, n=3) or known
        raise SpecError(
            f"The trials have no metric {asked}; did you mean {' or '.join(near)}?",
            param="search.objective",
        )
    if spec.search is not None and spec.search.method == "halving" and not is_per_epoch(asked):
        raise SpecError(
            f"halving compares trials while they train, and {asked} is measured on final weights "
            f'alone. Choose another method, such as "random", or one of: {_of_epochs(known)}.',
            param="search.objective",
        )


def _of_epochs(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if is_per_epoch(name) and not name.startswith("test_"))


def check_threshold(spec: JobSpec, outline: Outline) -> None:
    """Refuse a threshold that has no meaning, or no rows to be chosen on.

    Raises:
        SpecError: the task is not binary, or there are no validation rows.
    """
    if spec.threshold is None:
        return
    task = outline.target.task
    if task != "binary":
        raise SpecError(
            f"A threshold is between two classes, and this task is {task}; leave it out"
            + ("." if len(outline.target.classes) != 2 else ', or set task to "binary".'),
            param="threshold",
        )
    if isinstance(spec.threshold, str) and not all(outline.validation_rows):
        raise SpecError(
            f'The threshold "{spec.threshold}" is chosen on validation rows, and there are none. '
            "Set split.validation, or folds, or give the threshold as a number, such as 0.3.",
            param="threshold",
        )
