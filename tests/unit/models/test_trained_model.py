"""What is read of a fleet's file is the trial that is asked for: its network, rows and units."""

import pytest
import torch

from tests.fleets import fleet, trained
from worker.data import load_builtin
from worker.models import TrainedModel, certify
from worker.spec import Builtin
from worker.training import FleetRun

DATASET = {"builtin": "diabetes"}
TECHNIQUES = {
    "plain": {},
    "two members": {"snapshot_ensemble": {"members": 2}},
    "three members": {"snapshot_ensemble": {"members": 3}},
    "dropout": {"dropout": {"p": 0.2}},
}
POSITIONS = range(3 * len(TECHNIQUES))


@pytest.fixture(scope="module")
def run() -> FleetRun:
    """Each of the techniques on three folds, with encoders, centres and scales of their own."""
    return trained(
        fleet(
            dataset=DATASET,
            split={"folds": 3, "test": 0.2},
            network={"kind": "mlp", "hidden": [6]},
            training={"epochs": 6, "optimizer": {"kind": "adam", "learning_rate": 0.05}},
            compare=[{"name": n, "regularization": r} for n, r in TECHNIQUES.items()],
        )
    )


@pytest.fixture(scope="module")
def models(run: FleetRun) -> list[TrainedModel]:
    """The model of every trial, from the file."""
    data = run.result().dump()
    return [TrainedModel.load(data, position) for position in POSITIONS]


def test_every_trial_of_a_file_is_certified(run: FleetRun, models: list[TrainedModel]) -> None:
    assert [model.trial for model in models] == list(run.trials)
    assert [model.members for model in models] == [1] * 3 + [2] * 3 + [3] * 3 + [1] * 3
    assert [certify(model).checks for model in models if not certify(model).passed] == []


def test_its_answers_have_the_error_that_the_fleet_measured(
    run: FleetRun, models: list[TrainedModel]
) -> None:
    """In the target's own unit, on the rows that its fold held back, from the table as it came."""
    table, name = load_builtin(Builtin.model_validate(DATASET))
    y = torch.from_numpy(models[0].target.values(table))
    assert name == models[0].target.column
    for model, result in zip(models, run.results(), strict=True):
        held_back = run.prepared.splits[model.trial.fold or 0].validation
        rows = run.prepared.row_numbers[held_back]
        values = model.values(model.encode(table.select(rows)))
        rmse = (values - y[rows]).square().mean().sqrt()
        assert float(rmse) == pytest.approx(result.metrics["validation_rmse"], rel=1e-5)
