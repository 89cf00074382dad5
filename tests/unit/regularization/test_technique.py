"""What every technique says of itself, whatever it does: needs, and where it fits."""

import json
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.json_schema import JsonSchemaMode

from worker.regularization import Regularization, techniques
from worker.regularization.regularization import fitting
from worker.regularization.technique import DataFacts, Memory, NetworkFacts
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


def test_needs_add_up_over_techniques_and_not_over_trials() -> None:
    first, second = Memory(kept=1, activations=6), Memory(kept=2, step=2)
    assert first.at_least(second) == Memory(kept=2, step=2, activations=6)
    assert first.at_least(None) == first
    assert Memory.total([first, second]) == Memory(kept=3, step=2, activations=6)
    assert Memory.total([]) == Memory()


@pytest.mark.parametrize(
    ("name", "settings", "memory"),
    [
        ("l1", {"strength": 0.1}, Memory(step=2)),
        ("weight_decay", {"strength": 0.1}, Memory(step=2)),
        ("max_norm", {}, Memory(step=2)),
        ("ema", {}, Memory(kept=1)),
        ("orthogonality", {"strength": 0.1}, Memory(step=4)),
        ("jacobian", {"strength": 0.1, "projections": 2}, Memory(activations=14)),
        ("dropout", {}, Memory()),
    ],
)
def test_memory_by_name(name: str, settings: dict[str, float], memory: Memory) -> None:
    assert techniques()[name].model_validate(settings).memory() == memory


@pytest.mark.parametrize(
    ("name", "settings", "restrains"),
    [
        ("l1", {"strength": 1e-5}, False),
        ("l1", {"strength": 1e-4}, True),
        ("dropout", {"p": 0.05}, False),
        ("dropout", {"p": [0.0, 0.1]}, True),
        ("dropout", {"p": 0.0, "input_p": 0.1}, True),
        ("drop_connect", {"p": 0.05}, False),
        ("stochastic_depth", {"p": 0.1}, True),
        ("label_smoothing", {"smoothing": 0.0}, False),
        ("label_smoothing", {}, True),
        ("jacobian", {"strength": 0.1}, True),
        *((name, {}, True) for name in ("max_norm", "noise", "mixup", "adversarial", "swa")),
        *((name, {}, True) for name in ("shake_shake", "snapshot_ensemble", "early_stopping")),
        *((name, {}, False) for name in ("batch_norm", "class_weights", "ema", "lookahead")),
    ],
)
def test_what_holds_a_network_back(name: str, settings: dict[str, float], restrains: bool) -> None:
    assert techniques()[name].model_validate(settings).restrains() == restrains


def test_usual_settings_are_within_their_own_usual_range() -> None:
    for technique in techniques().values():
        usual = technique.usual()
        if hasattr(usual, "usual_range"):
            low, high = usual.usual_range()
            assert low <= usual.model_dump()["strength"] <= high


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ({"l1": 1e-4}, {"l1": {"strength": 1e-4}}),
        ({"dropout": 0.5}, {"dropout": {"p": 0.5}}),
        ({"dropout": 0}, {"dropout": {"p": 0.0}}),
        ({"noise": 0.2}, {"noise": {"input": 0.2}}),
        ({"max_norm": 2}, {"max_norm": {"norm": 2.0}}),
        ({"early_stopping": 10}, {"early_stopping": {"patience": 10}}),
        ({"early_stopping": True}, {"early_stopping": {}}),
        ({"batch_norm": True, "swa": False}, {"batch_norm": {}, "swa": None}),
        ({"l1": None, "dropout": {}}, {"l1": None, "dropout": {}}),
    ],
)
def test_short_forms_are_kept_in_the_long_form(
    short: dict[str, object], full: dict[str, object]
) -> None:
    assert Regularization.model_validate(short).model_dump(exclude_unset=True) == full
    again = Regularization.model_validate_json(json.dumps(short))
    assert again.model_dump(exclude_unset=True) == full
    assert again == Regularization.model_validate(full)


@cache
def documented_as(mode: JsonSchemaMode) -> dict[str, Any]:
    fields: dict[str, Any] = Regularization.model_json_schema(mode=mode)["properties"]
    return fields


@pytest.mark.parametrize("name", techniques())
def test_a_technique_accepts_the_short_forms_that_it_documents_and_no_other(name: str) -> None:
    technique = techniques()[name]
    documented = documented_as("validation")[name]
    kinds = {option.get("type") for option in documented["anyOf"][1:]}
    usual, main = technique.example(), technique.main_field()
    number = usual[main] if main else 0.5
    for value, kind in (
        (number, {"number", "integer"}),
        (True, {"boolean"}),
        (False, {"boolean"}),
        (None, {"null"}),
    ):
        if kinds & kind:
            Regularization.model_validate({name: value})
        else:
            with pytest.raises(ValidationError):
                Regularization.model_validate({name: value})
    assert Regularization.model_validate({name: usual}) == Regularization.model_validate(
        {name: number if main else usual}
    )
    assert documented["description"].endswith((".", "`.")), "it says what is short for what"
    answered = documented_as("serialization")[name]
    assert len(answered["anyOf"]) == 2


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
