"""By which metric a job chooses, and whether its rows may choose.

Validation rows choose. Training rows would choose what is held back least, and rows of the test
part measure what was chosen, so that they must not have taken part in the choice.
"""

from collections.abc import Sequence
from difflib import get_close_matches

from worker.data import Outline
from worker.errors import SpecError
from worker.metrics import is_per_epoch, task_of, trial_metrics
from worker.search.plan import replica_count
from worker.search.refit import without_validation_remedy
from worker.spec import JobSpec, PartRows

TEST = "test_"
"""How the metrics of test rows begin."""


def check_choice(spec: JobSpec, outline: Outline) -> None:
    """Refuse a search that has no rows to choose by, or not the numbers that its rule needs.

    On the rows that it is trained on, the least regularized configuration is nearly always best,
    and the longest trained.

    Raises:
        SpecError: with code `search_without_validation` where there are no validation rows.
    """
    search = spec.search
    if search is None:
        return
    if not all(outline.validation_rows):
        given = isinstance(spec.split.rows, PartRows)
        raise SpecError(
            "A search chooses by validation rows, and there are none: by training rows the weakest "
            f"regularization would win. Remedy: {without_validation_remedy(spec)}.",
            code="search_without_validation",
            param="split.rows.validation" if given else "split.validation",
        )
    if search.choose == "one_standard_error" and replica_count(spec) < 2:
        raise SpecError(
            "A standard error needs several values of each configuration; set repeats to 3 or "
            'more, or split.folds, or leave search.choose at "best".',
            param="search.choose",
        )


def job_objective(spec: JobSpec, outline: Outline) -> str:
    """The metric by which the configurations of a job are compared.

    Raises:
        SpecError: the job's trials have no such metric, or it is one of test rows.
    """
    asked = None if spec.search is None else spec.search.objective
    validated = all(outline.validation_rows)
    if asked is None:
        return "validation_loss" if validated else "train_loss"
    known = [name for name in metric_names(outline) if not name.startswith(TEST)]
    if asked.startswith(TEST):
        same = f"validation_{asked.removeprefix(TEST)}"
        instead = same if same in known else "validation_loss"
        raise SpecError(
            f"Test rows measure what was chosen, so they must not choose: {asked} cannot be the "
            f"objective. Use {instead}; the test metrics of the winner are in the job's best.",
            param="search.objective",
        )
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
    return asked


def metric_names(outline: Outline) -> tuple[str, ...]:
    """The final metrics that a trial on these data has."""
    rows = {
        "train": all(outline.train_rows),
        "validation": all(outline.validation_rows),
        "test": all(outline.test_rows),
    }
    return trial_metrics(task_of(outline.target.classes), rows)


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
