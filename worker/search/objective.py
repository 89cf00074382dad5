"""By which metric the configurations of a search are compared."""

from difflib import get_close_matches

from worker.data import Outline
from worker.errors import SpecError
from worker.search.plan import default_objective
from worker.spec import JobSpec, is_maximized

ALWAYS = ("penalty", "sparsity")


def objective(spec: JobSpec, outline: Outline) -> tuple[str, bool]:
    """The metric, and whether more of it is better.

    Raises:
        SpecError: the job's trials have no such metric.
    """
    asked = spec.search.objective if spec.search is not None else None
    if asked is None:
        return default_objective(outline), False
    known = metrics(spec, outline)
    if asked not in known:
        near = get_close_matches(asked, known, n=3) or known
        raise SpecError(
            f"The trials have no metric {asked}; did you mean {' or '.join(near)}?",
            param="search.objective",
        )
    return asked, is_maximized(asked)


def metrics(spec: JobSpec, outline: Outline) -> list[str]:
    """The final metrics that a trial of this job has."""
    classes = outline.target.classes
    names = ["loss", "rmse", "r2"]
    if classes:
        names = ["loss", "accuracy", "balanced_accuracy", "classes_predicted"]
        names += ["recall"] if len(classes) == 2 else []
    parts = {
        "train": outline.train_rows,
        "validation": outline.validation_rows,
        "test": outline.test_rows,
    }
    found = [f"{part}_{name}" for part, rows in parts.items() if all(rows) for name in names]
    found += ["gap"] if all(outline.validation_rows) else []
    return [*found, *ALWAYS]
