"""What contradicts itself, its network or its data is refused, with the field and the remedy."""

from typing import Any

import pytest

from worker.errors import SpecError
from worker.regularization import techniques
from worker.regularization.families.augmentation import ImageAugmentation
from worker.regularization.technique import DataFacts
from worker.spec import JobSpec, Trial
from worker.spec.checks import check_trial

RESIDUAL = {"kind": "residual_mlp", "blocks": 3}
CNN = {"kind": "cnn", "channels": [4, 4], "hidden": [8]}
MLP = {"kind": "mlp", "hidden": [8, 8]}
LINEAR = {"kind": "linear"}
SOLVER: dict[str, Any] = {"optimizer": {"kind": "solver"}}
RESTARTS = {"kind": "cosine", "first_period": 10, "multiplier": 2}
FLAT, IMAGES = (10,), (3, 32, 32)
TWO = ("good", "bad")
IMAGE_TECHNIQUES = [n for n, t in techniques().items() if issubclass(t, ImageAugmentation)]


def trial(
    regularization: dict[str, Any],
    training: dict[str, Any] | None = None,
    network: dict[str, Any] | None = None,
) -> Trial:
    spec = JobSpec.model_validate(
        {
            "dataset": {"builtin": "circle"},
            "training": training or {},
            "network": network or MLP,
            "regularization": regularization,
        }
    )
    return Trial(
        name="t",
        configuration=0,
        network=spec.network,
        regularization=spec.regularization,
        training=spec.training,
    )


def check(
    trial: Trial, shape: tuple[int, ...] | None = None, classes: tuple[str, ...] = TWO
) -> None:
    """On two classes and rows that the network takes, unless others are given."""
    usual = IMAGES if trial.network.kind == "cnn" else FLAT
    check_trial(trial, DataFacts(shape or usual, classes))


@pytest.mark.parametrize(
    ("network", "regularization", "param", "remedy"),
    [
        (MLP, {"spatial_dropout": {}}, "regularization.spatial_dropout", "network cnn"),
        (MLP, {"stochastic_depth": {}}, "regularization.stochastic_depth", "residual_mlp"),
        (CNN, {"shake_drop": {}}, "regularization.shake_drop", "residual_mlp"),
        ({"kind": "linear"}, {"shake_shake": {}}, "regularization.shake_shake", "residual_mlp"),
        (MLP, {"dropout": {"p": [0.1]}}, "regularization.dropout.p", "2 hidden layers"),
        (RESIDUAL, {"dropout": {"p": [0.1]}}, "regularization.dropout.p", "3 blocks"),
        (CNN, {"dropout": {"p": [0.1]}}, "regularization.dropout.p", "3 layers"),
        (CNN, {"alpha_dropout": {"p": [0.1]}}, "regularization.alpha_dropout.p", "3 layers"),
        (
            CNN,
            {"spatial_dropout": {"p": [0.1, 0.1, 0.1]}},
            "regularization.spatial_dropout.p",
            "2 convolutions",
        ),
        (
            RESIDUAL,
            {"drop_connect": {"layers": [8]}},
            "regularization.drop_connect.layers",
            "from 0 to 7",
        ),
    ],
)
def test_what_the_network_refuses(
    network: dict[str, Any], regularization: dict[str, Any], param: str, remedy: str
) -> None:
    with pytest.raises(SpecError, match=remedy) as caught:
        check(trial(regularization, network=network))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("network", "regularization"),
    [
        (CNN, {"spatial_dropout": {"p": [0.1, 0.2]}, "dropout": {"p": [0.1, 0.2, 0.3]}}),
        (RESIDUAL, {"shake_drop": {}, "shake_shake": {}, "stochastic_depth": {}}),
        (RESIDUAL, {"dropout": {"p": [0.1, 0.2, 0.3]}, "drop_connect": {"layers": [7]}}),
        ({"kind": "linear"}, {"drop_connect": {}, "dropout": {"input_p": 0.2}}),
    ],
)
def test_what_the_network_allows(network: dict[str, Any], regularization: dict[str, Any]) -> None:
    check(trial(regularization, network=network))


def test_cnn_needs_images_or_series() -> None:
    for shape in ((3, 8, 8), (2, 20)):
        check(trial({}, network=CNN), shape)
    with pytest.raises(SpecError) as caught:
        check(trial({}, network=CNN), (20,))
    assert caught.value.param == "network.kind"


@pytest.mark.parametrize("name", IMAGE_TECHNIQUES)
def test_image_techniques_need_images(name: str) -> None:
    check(trial({name: {}}), IMAGES)
    for shape in ((10,), (3, 100)):
        with pytest.raises(SpecError, match="needs images") as caught:
            check(trial({name: {}}), shape)
        assert caught.value.param == f"regularization.{name}"


@pytest.mark.parametrize("name", ["label_smoothing", "class_weights", "confidence_penalty"])
def test_classes_are_needed(name: str) -> None:
    settings = {name: techniques()[name].usual().model_dump()}
    check(trial(settings))
    with pytest.raises(SpecError, match="acts on classes"):
        check(trial(settings), classes=())


def test_any_data_takes_the_others() -> None:
    check(
        trial({"mixup": {}, "cutmix": {}, "adversarial": {}, "jacobian": {"strength": 1}}),
        classes=(),
    )


@pytest.mark.parametrize(
    ("regularization", "param", "message"),
    [
        ({"class_weights": {"weights": {"god": 2}}}, "class_weights.weights.god", "'good'"),
        ({"random_crop": {"padding": 8}}, "random_crop.padding", "8 pixels"),
        ({"color_jitter": {"saturation": 0.1}}, "color_jitter.saturation", "three channels"),
    ],
)
def test_what_the_data_refuse(regularization: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        check(trial(regularization), (1, 8, 8))
    assert caught.value.param == f"regularization.{param}"


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
    ("regularization.label_smoothing", trial({"label_smoothing": {}}, SOLVER, LINEAR)),
    ("regularization.jacobian", trial({"jacobian": {"strength": 1}}, SOLVER, LINEAR)),
    ("regularization.orthogonality", trial({"orthogonality": {"strength": 1}}, SOLVER, LINEAR)),
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
def test_what_techniques_and_training_refuse(param: str, refused: Trial) -> None:
    with pytest.raises(SpecError) as caught:
        check(refused)
    assert caught.value.param == param


def test_decay_with_a_solver_is_told_the_penalty_with_its_optimum() -> None:
    with pytest.raises(SpecError, match=r"l2 with a strength of 0\.01") as caught:
        check(trial({"weight_decay": {"strength": 0.02}}, SOLVER, LINEAR))
    assert caught.value.param == "regularization.weight_decay"


@pytest.mark.parametrize(
    "allowed",
    [
        trial({"ema": {}, "lookahead": {}}),
        trial({**SNAPSHOTS, "swa": {}}),
        trial(SNAPSHOTS, {"epochs": 31, "schedule": RESTARTS}),
        trial({"l1": {"strength": 0.1}, "l2": {"strength": 0.1}}, SOLVER, LINEAR),
        trial({"early_stopping": {}, "elastic_net": {"strength": 0.1}}, SOLVER, LINEAR),
        trial({"class_weights": {}, "l1": {"strength": 0.1}}, SOLVER, LINEAR),
    ],
)
def test_what_techniques_and_training_allow(allowed: Trial) -> None:
    check(allowed)


@pytest.mark.parametrize(
    ("metric", "classes", "fits"),
    [
        ("validation_accuracy", ("a", "b"), True),
        ("validation_recall", ("a", "b"), True),
        ("validation_recall", ("a", "b", "c"), True),
        ("validation_f1", ("a", "b"), True),
        ("validation_specificity", ("a", "b"), True),
        ("validation_specificity", ("a", "b", "c"), False),
        ("train_precision", (), False),
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
        check(stopping, classes=classes)
        return
    with pytest.raises(SpecError) as caught:
        check(stopping, classes=classes)
    assert caught.value.param == "regularization.early_stopping.metric"


@pytest.mark.parametrize("name", ["l1", "l2", "elastic_net", "group_lasso"])
def test_factors_are_of_columns_as_they_are(name: str) -> None:
    factors = {name: {"strength": 0.1, "factors": {"age": 0.0}}}
    check(trial(factors))
    embedded = trial(factors, network={"kind": "mlp", "embedding": {"kind": "periodic"}})
    with pytest.raises(SpecError, match="or the embedding") as caught:
        check_trial(embedded, DataFacts(FLAT, TWO, numbers=10))
    assert caught.value.param == f"regularization.{name}.factors"


@pytest.mark.parametrize(
    ("network", "training", "param"),
    [
        (LINEAR, {**SOLVER, "loss": {"kind": "quantile"}}, "training.optimizer.kind"),
        (
            LINEAR,
            {
                "optimizer": {"kind": "solver", "method": "proximal_gradient"},
                "loss": {"kind": "poisson"},
            },
            "training.optimizer.method",
        ),
    ],
)
def test_losses_that_a_solver_does_not_take(
    network: dict[str, Any], training: dict[str, Any], param: str
) -> None:
    with pytest.raises(SpecError) as caught:
        check(trial({}, training, network), classes=())
    assert caught.value.param == param


def test_many_weights_of_a_poisson_regression_are_solved_on_request() -> None:
    training = {**SOLVER, "loss": {"kind": "poisson"}}
    check(trial({}, training, LINEAR), (1_999,), ())
    with pytest.raises(SpecError, match="up to 2,000 weights, not for 2,001"):
        check(trial({}, training, LINEAR), (2_000,), ())


def test_members_of_a_log_link_have_no_mean_of_scores() -> None:
    with pytest.raises(SpecError, match="ema or swa"):
        check(trial(SNAPSHOTS, {"epochs": 30, "loss": {"kind": "poisson"}}), classes=())
