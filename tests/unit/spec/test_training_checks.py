"""What cannot be averaged, cycled or solved is refused, with the field and the remedy."""

from typing import Any

import pytest

from worker.errors import SpecError
from worker.regularization import Regularization
from worker.spec import JobSpec, Trial
from worker.spec.data_checks import check_on_data
from worker.spec.training_checks import check_training

LINEAR = {"kind": "linear"}
SOLVER: dict[str, Any] = {"optimizer": {"kind": "solver"}}
RESTARTS = {"kind": "cosine", "first_period": 10, "multiplier": 2}


def trial(
    regularization: dict[str, Any],
    training: dict[str, Any] | None = None,
    network: dict[str, Any] | None = None,
) -> Trial:
    spec = JobSpec.model_validate(
        {
            "dataset": {"builtin": "circle"},
            "training": training or {},
            "network": network or {"kind": "mlp"},
        }
    )
    return Trial(
        name="t",
        configuration=0,
        network=spec.network,
        regularization=Regularization.model_validate(regularization),
        training=spec.training,
    )


SNAPSHOTS: dict[str, Any] = {"snapshot_ensemble": {"members": 3}}
REFUSED: list[tuple[str, Trial]] = [
    ("regularization.swa", trial({"ema": {}, "swa": {}})),
    ("regularization.snapshot_ensemble.members", trial(SNAPSHOTS, {"epochs": 2})),
    (
        "regularization.snapshot_ensemble.members",
        trial(SNAPSHOTS, {"epochs": 30, "schedule": RESTARTS}),
    ),
    ("training.schedule", trial(SNAPSHOTS, {"schedule": {"kind": "step"}})),
    ("training.schedule", trial(SNAPSHOTS, {"schedule": {"kind": "cosine"}})),
    ("training.optimizer.kind", trial({}, SOLVER)),
    ("training.schedule", trial({}, {**SOLVER, "schedule": {"kind": "step"}}, LINEAR)),
    ("training.precision", trial({}, {**SOLVER, "precision": "bfloat16"}, LINEAR)),
    ("regularization.dropout", trial({"dropout": {}}, SOLVER, LINEAR)),
    (
        "regularization.l1.schedule",
        trial({"l1": {"strength": 0.1, "schedule": {"kind": "linear"}}}, SOLVER, LINEAR),
    ),
    (
        "regularization.elastic_net",
        trial({"elastic_net": {"strength": 0.1}, "group_lasso": {"strength": 0.1}}, SOLVER, LINEAR),
    ),
]


@pytest.mark.parametrize(("param", "refused"), REFUSED)
def test_it_is_refused(param: str, refused: Trial) -> None:
    with pytest.raises(SpecError) as caught:
        check_training(refused)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "allowed",
    [
        trial({"ema": {}, "lookahead": {}}),
        trial({**SNAPSHOTS, "swa": {}}),
        trial(SNAPSHOTS, {"epochs": 31, "schedule": RESTARTS}),
        trial({"l1": {"strength": 0.1}, "l2": {"strength": 0.1}}, SOLVER, LINEAR),
        trial({"early_stopping": {}, "elastic_net": {"strength": 0.1}}, SOLVER, LINEAR),
    ],
)
def test_it_is_allowed(allowed: Trial) -> None:
    check_training(allowed)


@pytest.mark.parametrize(
    ("metric", "classes", "fits"),
    [
        ("validation_accuracy", ("a", "b"), True),
        ("validation_recall", ("a", "b"), True),
        ("validation_recall", ("a", "b", "c"), False),
        ("validation_r2", ("a", "b"), False),
        ("validation_rmse", (), True),
        ("validation_balanced_accuracy", (), False),
        ("gap", (), True),
    ],
)
def test_a_watched_metric_exists_for_the_target(
    metric: str, classes: tuple[str, ...], fits: bool
) -> None:
    stopping = trial({"early_stopping": {"metric": metric}})
    if fits:
        check_on_data(stopping, shape=(2,), classes=classes)
        return
    with pytest.raises(SpecError) as caught:
        check_on_data(stopping, shape=(2,), classes=classes)
    assert caught.value.param == "regularization.early_stopping.metric"
