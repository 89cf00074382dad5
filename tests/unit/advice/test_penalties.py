"""Penalties and decays beside the data loss, Adam and normalization; how strong they are."""

from typing import Any

import pytest

from tests.findings import LINEAR, SGD, found, outlined, silent
from tests.fleets import fleet
from worker.advice.context import contexts
from worker.advice.penalties import starting_penalty
from worker.regularization import techniques
from worker.regularization.families.penalty import Penalty
from worker.spec import JobSpec

OUTWEIGHS = "penalty_outweighs_loss"


def l1(strength: float, **more: Any) -> dict[str, Any]:
    return {"l1": {"strength": strength, **more}}


def test_the_owners_l1_outweighs_the_loss() -> None:
    """Measured: .01 on all parameters begins at about 2.4 against .69 and collapses."""
    finding = found(OUTWEIGHS, regularization=l1(0.01, biases=True))
    assert finding.severity == "warning"
    assert finding.field == "regularization.l1.strength"
    assert finding.evidence["penalty"] == pytest.approx(2.37, abs=0.01)
    assert finding.evidence["data_loss"] == pytest.approx(0.693, abs=0.001)
    assert finding.evidence["parameters"] == 2751
    assert found(OUTWEIGHS, regularization=l1(0.01)).evidence["penalty"] == pytest.approx(
        2.16, abs=0.01
    )


@pytest.mark.parametrize(
    "job",
    [
        {"regularization": l1(0.001, biases=True)},
        {"regularization": l1(0.002, biases=True)},
        {"regularization": l1(0.01, method="proximal")},  # beside Adam: measured fine
        {"regularization": l1(0.01, schedule={"kind": "linear"})},  # begins at 0
        {"regularization": l1(0.01, layers=[2])},
        {
            "regularization": l1(5.0),
            "network": LINEAR,
            "training": {"optimizer": {"kind": "solver"}},
        },
        {
            "dataset": {"builtin": "diabetes"},
            "preprocessing": {"target": "none"},  # the loss's size is not known
            "regularization": l1(1.0),
        },
    ],
)
def test_what_does_not_outweigh_the_loss(job: dict[str, Any]) -> None:
    assert silent(OUTWEIGHS, **job)


@pytest.mark.parametrize(
    "job",
    [
        {"regularization": l1(0.004)},
        {"regularization": l1(0.01, method="proximal"), "training": SGD},
        {"dataset": {"builtin": "diabetes"}, "regularization": l1(0.01)},
        {"dataset": {"builtin": "digits"}, "regularization": l1(0.01)},
        {"regularization": l1(0.002) | {"group_lasso": {"strength": 0.002}}, "training": SGD},
    ],
)
def test_what_outweighs_the_loss(job: dict[str, Any]) -> None:
    found(OUTWEIGHS, **job)


@pytest.mark.parametrize("name", [n for n, t in techniques().items() if issubclass(t, Penalty)])
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("activation", ["relu", "selu"])
def test_the_closed_form_is_that_of_the_drawn_weights(
    name: str, biases: bool, activation: str
) -> None:
    settings: dict[str, Any] = {"strength": 0.01}
    if "biases" in techniques()[name].model_fields:
        settings["biases"] = biases
    job: dict[str, Any] = {
        "dataset": {"builtin": "breast_cancer"},
        "network": {"kind": "mlp", "hidden": [50, 50], "activation": activation},
        "regularization": {name: settings, "layer_norm": {}},
    }
    engine = fleet(**job, repeats=20).engine
    drawn = float(engine.penalties.value(engine.parameters.values).mean())
    spec = JobSpec.model_validate(job)
    (context,) = contexts(spec, outlined(spec))
    penalty = getattr(spec.regularization, name)
    assert starting_penalty(context, penalty) == pytest.approx(drawn, rel=0.05)


@pytest.mark.parametrize(
    "techniques",
    [
        {"l2": {"strength": 1e-3}},
        {"weight_decay": {"strength": 1e-3, "method": "coupled"}},
        {"elastic_net": {"strength": 1e-3}},
    ],
)
def test_squares_are_rescaled_by_adam(techniques: dict[str, Any]) -> None:
    finding = found("rescaled_by_adam", regularization=techniques)
    assert finding.field == f"regularization.{next(iter(techniques))}"
    assert finding.evidence == {"optimizer": "adam", "strength": 1e-3}
    assert silent("rescaled_by_adam", regularization=techniques, training=SGD)


@pytest.mark.parametrize(
    "techniques",
    [
        {"weight_decay": {"strength": 1e-2}},
        {"l1": {"strength": 1e-3}},
        {"l2": {"strength": 0.0}},
        {"elastic_net": {"strength": 1e-3, "method": "proximal"}},
    ],
)
def test_what_adam_does_not_rescale(techniques: dict[str, Any]) -> None:
    assert silent("rescaled_by_adam", regularization=techniques)


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
@pytest.mark.parametrize("decay", ["l2", "weight_decay"])
def test_decay_under_normalization_acts_on_the_learning_rate(norm: str, decay: str) -> None:
    finding = found(
        "decay_under_normalization", regularization={norm: {}, decay: {"strength": 1e-3}}
    )
    assert finding.severity == "info"
    assert finding.evidence["layers"] == [0, 1]


@pytest.mark.parametrize(
    "techniques",
    [
        {"batch_norm": {}, "l2": {"strength": 1e-3, "layers": [2]}},
        {"batch_norm": {}, "l1": {"strength": 1e-3}},
        {"l2": {"strength": 1e-3}},
    ],
)
def test_decay_that_normalization_does_not_undo(techniques: dict[str, Any]) -> None:
    assert silent("decay_under_normalization", regularization=techniques)


@pytest.mark.parametrize(
    ("name", "settings", "usual"),
    [
        ("l1", {"strength": 0.1, "method": "proximal"}, [1e-4, 1e-2]),
        ("l2", {"strength": 1e-5}, [1e-4, 1e-2]),
        ("weight_decay", {"strength": 0.05, "method": "coupled"}, [1e-4, 1e-2]),
        ("weight_decay", {"strength": 0.2}, [1e-5, 0.1]),
        ("weight_decay", {"strength": 1e-6}, [1e-5, 0.1]),
    ],
)
def test_a_strength_out_of_range(name: str, settings: dict[str, Any], usual: list[float]) -> None:
    finding = found("strength_out_of_range", regularization={name: settings})
    assert finding.field == f"regularization.{name}.strength"
    assert finding.evidence == {"strength": settings["strength"], "usual": usual}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("l1", {"strength": 1e-4}),
        ("l2", {"strength": 1e-2}),
        ("l2", {"strength": 0.0}),
        ("weight_decay", {"strength": 0.1}),
    ],
)
def test_a_strength_in_range(name: str, settings: dict[str, Any]) -> None:
    assert silent("strength_out_of_range", regularization={name: settings})


def test_a_linear_network_has_no_usual_strength() -> None:
    lasso = {"l1": {"strength": 0.5}}
    assert silent("strength_out_of_range", regularization=lasso, network=LINEAR)


@pytest.mark.parametrize("name", ["l1", "weight_decay"])
def test_penalized_biases(name: str) -> None:
    finding = found("biases_penalized", regularization={name: {"strength": 1e-3, "biases": True}})
    assert finding.field == f"regularization.{name}.biases"
    assert finding.evidence == {"weights": 2650, "biases": 101}


def test_biases_that_are_exempt() -> None:
    assert silent("biases_penalized", regularization={"l1": {"strength": 1e-3}})
    assert silent("biases_penalized", regularization={"l1": {"strength": 0.0, "biases": True}})


ADD_UP = "penalties_add_up"


@pytest.mark.parametrize(
    ("techniques", "field"),
    [
        ({"l2": 1e-3, "weight_decay": 1e-3}, "l2"),
        ({"l2": 1e-3, "elastic_net": 1e-3}, "l2"),
        ({"elastic_net": 1e-3, "weight_decay": 1e-3}, "weight_decay"),
        ({"l1": 1e-3, "elastic_net": {"strength": 1e-3, "l1_ratio": 1.0}}, "l1"),
        ({"l2": {"strength": 1e-3, "layers": [0, 1]}, "weight_decay": 1e-3}, "l2"),
    ],
)
def test_techniques_that_do_the_same(techniques: dict[str, Any], field: str) -> None:
    finding = found(ADD_UP, regularization=techniques)
    assert finding.field == f"regularization.{field}"
    assert set(finding.evidence) == set(techniques)


@pytest.mark.parametrize(
    "techniques",
    [
        {"l2": 1e-3},
        {"l2": 0.0, "weight_decay": 1e-3},
        {"l1": 1e-3, "l2": 1e-3},
        {"l2": 1e-3, "elastic_net": {"strength": 1e-3, "l1_ratio": 1.0}},
        {"l1": 1e-3, "elastic_net": {"strength": 1e-3, "l1_ratio": 0.0}},
        {
            "l2": {"strength": 1e-3, "layers": [0]},
            "weight_decay": {"strength": 1e-3, "layers": [1, 2]},
        },
    ],
)
def test_techniques_that_do_different_things(techniques: dict[str, Any]) -> None:
    assert silent(ADD_UP, regularization=techniques)


def test_a_weak_penalty_of_many_weights_is_not_called_weak() -> None:
    """It begins at a tenth of the data loss: to raise it would be the opposite advice."""
    wide = {"kind": "mlp", "hidden": [1000, 1000]}
    assert silent("strength_out_of_range", regularization={"l1": 2e-5}, network=wide)
    assert not silent("strength_out_of_range", regularization={"l1": 2e-5})
