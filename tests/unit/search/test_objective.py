"""What a job may be for, and where a threshold has a meaning."""

from typing import Any

import pytest

from worker.data import Outline, load_builtin
from worker.errors import SpecError
from worker.search import Search, check_threshold, resolve_search
from worker.spec import Builtin, JobSpec

L1 = {"regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True}}


def known(dataset: str = "circle", **fields: Any) -> tuple[JobSpec, Outline]:
    spec = JobSpec.model_validate({"dataset": {"builtin": dataset}, **fields})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    return spec, Outline.of(table, spec, target)


def search(dataset: str = "circle", split: Any = None, **asked: Any) -> Search:
    fields: dict[str, Any] = {"search": {"space": L1, **asked}}
    if split is not None:
        fields["split"] = split
    spec, outline = known(dataset, **fields)
    return Search(resolve_search(spec, outline), outline)


@pytest.mark.parametrize(
    ("dataset", "objective", "maximize"),
    [
        ("circle", "validation_auc", True),
        ("circle", "validation_average_precision", True),
        ("circle", "validation_brier", False),
        ("circle", "validation_specificity", True),
        ("iris", "validation_f1", True),
        ("iris", "validation_ece", False),
        ("diabetes", "validation_mae", False),
        ("diabetes", "validation_r2", True),
    ],
)
def test_any_final_metric_may_be_the_objective(
    dataset: str, objective: str, *, maximize: bool
) -> None:
    found = search(dataset, objective=objective)
    assert (found.objective, found.maximize) == (objective, maximize)


@pytest.mark.parametrize(
    ("dataset", "objective"),
    [
        ("iris", "validation_specificity"),
        ("iris", "validation_brier"),
        ("diabetes", "validation_auc"),
        ("circle", "validation_rmse"),
        ("circle", "train_auc"),
        ("circle", "auc"),
    ],
)
def test_what_the_trials_do_not_have_is_refused(dataset: str, objective: str) -> None:
    with pytest.raises(SpecError, match="no metric") as caught:
        search(dataset, objective=objective)
    assert caught.value.param == "search.objective"


@pytest.mark.parametrize(
    ("dataset", "objective", "there"),
    [
        ("circle", "validation_auc", "validation_f1"),
        ("iris", "validation_log_loss", "validation_balanced_accuracy"),
        ("diabetes", "validation_mape", "validation_rmse"),
    ],
)
def test_halving_needs_what_every_epoch_has(dataset: str, objective: str, there: str) -> None:
    with pytest.raises(SpecError, match=there) as caught:
        search(dataset, method="halving", objective=objective)
    assert caught.value.param == "search.objective"
    assert search(dataset, method="halving", objective=there).objective == there


def test_auto_halves_only_by_what_every_epoch_has() -> None:
    methods = []
    for objective in ("validation_f1", "validation_auc"):
        spec, outline = known(regularization="auto", search={"objective": objective})
        resolved = resolve_search(spec, outline)
        assert resolved.search is not None
        methods.append(resolved.search.method)
    assert methods == ["halving", "random"]


@pytest.mark.parametrize("threshold", ["f1", "balanced", 0.3])
@pytest.mark.parametrize(
    ("dataset", "task"), [("iris", "auto"), ("diabetes", "auto"), ("circle", "multiclass")]
)
def test_a_threshold_is_between_two_classes(dataset: str, task: str, threshold: Any) -> None:
    with pytest.raises(SpecError, match="between two classes") as caught:
        check_threshold(*known(dataset, task=task, threshold=threshold))
    assert caught.value.param == "threshold"


@pytest.mark.parametrize("threshold", ["f1", "balanced"])
def test_a_threshold_is_chosen_on_validation_rows(threshold: Any) -> None:
    with pytest.raises(SpecError, match="validation rows") as caught:
        check_threshold(*known(threshold=threshold, split={"validation": 0.0}))
    assert caught.value.param == "threshold"
    check_threshold(*known(threshold=threshold))
    check_threshold(*known(threshold=threshold, split={"folds": 3}))
    check_threshold(*known(threshold=0.7, split={"validation": 0.0}))
    check_threshold(*known("iris"))
