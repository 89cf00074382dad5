"""Where techniques fit: the one answer that refuses, offers and warns."""

import pytest

from worker.regularization import techniques
from worker.regularization.catalogue import fitting
from worker.regularization.fit import DataFacts, NetworkFacts
from worker.spec import CnnSpec, LinearSpec, MlpSpec, ResidualMlpSpec

LINEAR = LinearSpec(kind="linear")
MLP = MlpSpec(hidden=(8, 8))
RESIDUAL = ResidualMlpSpec(kind="residual_mlp", width=8, blocks=2)
CNN = CnnSpec(kind="cnn", channels=(4,), hidden=(8,))
MAPS_ALONE = CnnSpec(kind="cnn", channels=(4,), hidden=())
TABLE, NUMBERS = DataFacts((10,), ("a", "b", "c")), DataFacts((10,), ())
IMAGES = DataFacts((3, 8, 8), ("a", "b"))
HIDDEN = {"dropout", "alpha_dropout"}
NORMS = {"batch_norm", "layer_norm"}
BRANCHES = {"stochastic_depth", "shake_drop", "shake_shake"}
OF_IMAGES = {"random_crop", "flip", "rotation", "color_jitter", "image_noise", "erasing"}
OF_CLASSES = {"class_weights", "label_smoothing", "confidence_penalty"}
MAPS = {"spatial_dropout"}


@pytest.mark.parametrize(
    ("network", "data", "absent"),
    [
        (LINEAR, TABLE, HIDDEN | NORMS | BRANCHES | OF_IMAGES | MAPS),
        (MLP, TABLE, BRANCHES | OF_IMAGES | MAPS),
        (MLP, NUMBERS, BRANCHES | OF_IMAGES | MAPS | OF_CLASSES),
        (RESIDUAL, TABLE, OF_IMAGES | MAPS),
        (CNN, IMAGES, BRANCHES),
        (MAPS_ALONE, IMAGES, BRANCHES | HIDDEN),
        (MLP, DataFacts((3, 4, 4), ("a", "b")), BRANCHES | MAPS | {"random_crop"}),
    ],
)
def test_what_is_offered(network: NetworkFacts, data: DataFacts, absent: set[str]) -> None:
    names = list(techniques())
    assert list(fitting(names, network, data)) == [name for name in names if name not in absent]


def test_what_is_of_no_use_is_not_refused() -> None:
    """A linear network with dropout or a norm trains; it is only not offered them."""
    for name in (*HIDDEN, *NORMS):
        misfit = techniques()[name].usual().fits(LINEAR, TABLE)
        assert misfit is not None
        assert not misfit.refused
        assert misfit.message.startswith(name)


def test_a_misfit_names_its_field() -> None:
    dropout = techniques()["dropout"].model_validate({"p": [0.1]})
    misfit = dropout.fits(MLP, TABLE)
    assert misfit is not None
    assert misfit.param("dropout") == "regularization.dropout.p"
    stopping = techniques()["early_stopping"].model_validate({"metric": "validation_r2"})
    misfit = stopping.fits(MLP, TABLE)
    assert misfit is not None
    assert (misfit.refused, misfit.field) == (True, "metric")
