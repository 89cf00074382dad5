"""What techniques put into networks, through training: fleets of one, exact resume, serving."""

from functools import cache
from typing import Any

import pytest
import torch

from tests.fleets import fleet, fleets, resumed, trained
from worker.models import TrainedModel, certify
from worker.training import FleetRun

TRAINING: dict[str, Any] = {"epochs": 3, "batch_size": 32}
CIRCLE: dict[str, Any] = {"dataset": {"builtin": "circle", "rows": 160}, "training": TRAINING}
RAMP = {"kind": "linear"}
RESIDUAL: dict[str, Any] = {
    **CIRCLE,
    "network": {"kind": "residual_mlp", "blocks": 2, "width": 16},
}
CNN: dict[str, Any] = {
    "dataset": {"builtin": "digits"},
    "split": {"rows": {"train": list(range(160)), "validation": list(range(160, 200))}},
    "training": {**TRAINING, "epochs": 2},
    "network": {"kind": "cnn", "channels": [4, 8], "hidden": [16]},
    "shape": (1, 8, 8),
}
SERIES: dict[str, Any] = {**CNN, "shape": (4, 16)}
DETERMINISTIC: list[dict[str, Any]] = [
    {},
    {"batch_norm": {"momentum": 0.3}},
    {"layer_norm": {}},
    {"layer_norm": {}, "l2": {"strength": 1e-3, "biases": True}},
]
RANDOM: list[dict[str, Any]] = [
    {"dropout": {"p": 0.4, "shape": "funnel", "schedule": RAMP}},
    {"alpha_dropout": {}, "layer_norm": {}},
    {"drop_connect": {"schedule": RAMP}},
    {"noise": {"weights": 0.05, "activations": 0.1, "schedule": RAMP}, "batch_norm": {}},
    {"dropout": {"input_p": 0.2}, "early_stopping": {"patience": 1, "min_delta": 1.0}},
]
BRANCHES: list[dict[str, Any]] = [
    {"stochastic_depth": {"schedule": RAMP}},
    {"shake_drop": {"schedule": RAMP}, "early_stopping": {"patience": 1, "min_delta": 1.0}},
    {"shake_drop": {"p": 0.2}, "batch_norm": {}},
]


def compared(*techniques: dict[str, Any]) -> dict[str, Any]:
    return {"compare": [{"name": f"{i}", "regularization": r} for i, r in enumerate(techniques)]}


def weights(run: FleetRun) -> dict[str, torch.Tensor]:
    return {n: t for n, t in run.result().tensors.items() if n.startswith(("weights.", "buffers."))}


def test_trial_of_a_series_equals_its_fleet_of_one() -> None:
    """By SGD: a bias before batch normalization has no gradient but its rounding, which Adam
    would make steps of.
    """
    job = {**SERIES, "training": {**TRAINING, "epochs": 2, "optimizer": {"kind": "sgd"}}}
    together = weights(trained(fleet(**job, **compared(*DETERMINISTIC))))
    for row, techniques in enumerate(DETERMINISTIC):
        for name, tensor in weights(trained(fleet(**job, **compared(techniques)))).items():
            torch.testing.assert_close(tensor[0], together[name][row], rtol=1e-4, atol=1e-5)


STOPPED: dict[str, dict[str, Any]] = {
    "residual": {**RESIDUAL, **compared(*RANDOM, *BRANCHES)},
    "shake_shake": {
        **RESIDUAL,
        **compared({"shake_shake": {}}, {"shake_shake": {}, "shake_drop": {}}),
    },
    "images": {**CNN, **compared(*RANDOM, {"spatial_dropout": {"schedule": RAMP}})},
}


@cache
def undisturbed(name: str) -> bytes:
    return trained(fleet(**STOPPED[name])).result().dump()


@pytest.mark.parametrize("name", STOPPED)
@pytest.mark.parametrize("after", [4, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 7))])
def test_resume_is_bit_identical(name: str, after: int) -> None:
    assert resumed(STOPPED[name], after).result().dump() == undisturbed(name)


@pytest.mark.parametrize(
    "job",
    [
        {**RESIDUAL, **compared(*RANDOM, *BRANCHES, {"shake_shake": {}})},
        {**CNN, **compared(*RANDOM, {"spatial_dropout": {}})},
        {**SERIES, **compared(*RANDOM, {"spatial_dropout": {}})},
    ],
    ids=["residual", "images", "series"],
)
def test_every_trial_is_served_as_it_was_trained(job: dict[str, Any]) -> None:
    for run in fleets(**job):
        data = trained(run).result().dump()
        for position in range(len(run.trials)):
            certificate = certify(TrainedModel.load(data, position))
            assert certificate.passed, certificate


def test_second_branches_are_another_fleet() -> None:
    """They are weights; what differs in layers without weights shares a fleet."""
    job = {**RESIDUAL, **compared({}, {"shake_shake": {}}, {"layer_norm": {}}, *BRANCHES)}
    assert sorted(len(run.trials) for run in fleets(**job)) == [1, 5]


def test_a_last_batch_of_one_row_divides_fleets() -> None:
    """It is left out under batch normalization, so those trials take fewer steps."""
    job = {
        **CIRCLE,
        "split": {"validation": 31},
        **compared({"layer_norm": {}}, {"batch_norm": {}}),
    }
    job["split"] = {"validation": 31 / 160}
    runs = fleets(**job)
    assert [run.engine.data.rows("train") for run in runs] == [129, 129]
    assert [run.engine.batches for run in runs] == [5, 4]
    job["split"] = {"validation": 0.2}
    assert len(fleets(**job)) == 1
