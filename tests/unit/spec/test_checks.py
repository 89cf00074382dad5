"""Rules between network and techniques name the field and the remedy."""

from typing import Any

import pytest

from worker.errors import SpecError
from worker.spec import JobSpec, Trial
from worker.spec.checks import check_trial
from worker.spec.data_checks import check_on_data

RESIDUAL = {"kind": "residual_mlp", "blocks": 3}
CNN = {"kind": "cnn", "channels": [4, 4], "hidden": [8]}
MLP = {"kind": "mlp", "hidden": [8, 8]}


def trial(network: dict[str, Any], regularization: dict[str, Any]) -> Trial:
    spec = JobSpec.model_validate(
        {"dataset": {"builtin": "circle"}, "network": network, "regularization": regularization}
    )
    return Trial(
        name="",
        configuration=0,
        network=spec.network,
        regularization=spec.regularization,
        training=spec.training,
    )


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
def test_refused(
    network: dict[str, Any], regularization: dict[str, Any], param: str, remedy: str
) -> None:
    with pytest.raises(SpecError, match=remedy) as caught:
        check_trial(trial(network, regularization))
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
def test_allowed(network: dict[str, Any], regularization: dict[str, Any]) -> None:
    check_trial(trial(network, regularization))


def test_cnn_needs_images_or_series() -> None:
    for shape in ((3, 8, 8), (2, 20)):
        check_on_data(trial(CNN, {}), shape=shape, classes=("a", "b"))
    with pytest.raises(SpecError) as caught:
        check_on_data(trial(CNN, {}), shape=(20,), classes=("a", "b"))
    assert caught.value.param == "network.kind"
