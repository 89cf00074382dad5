"""What is read of a fleet's file is the trial that is asked for: its network, rows and units."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fleets import fleet, trained
from worker.data import load_builtin
from worker.errors import DataError
from worker.models import ModelFile, TrainedModel, certify
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
    y = models[0].target.values(table)
    assert name == models[0].target.column
    for model, result in zip(models, run.results(), strict=True):
        held_back = run.prepared.splits[model.trial.fold or 0].validation
        rows = run.prepared.row_numbers[held_back]
        values = model.answer(model.encode(table.select(rows))).values
        rmse = np.sqrt(np.mean((values - y[rows]) ** 2))
        assert float(rmse) == pytest.approx(result.metrics["validation_rmse"], rel=1e-5)


def test_a_fold_expects_what_its_own_training_rows_held(
    run: FleetRun, models: list[TrainedModel]
) -> None:
    table, _ = load_builtin(Builtin.model_validate(DATASET))
    for model in models[:3]:
        training = run.prepared.row_numbers[run.prepared.splits[model.trial.fold or 0].train]
        known = table.select(training).values
        row = {column.name: float(known[column.name][0]) for column in model.encoder.columns}
        for name, values in known.items():
            if name == model.target.column:
                continue
            width = values.max() - values.min()
            ends = [values.max() + 0.99 * width, values.max() + 1.01 * width]
            records = model.read([row | {name: float(end)} for end in ends])
            (met,) = model.surprises(records)
            assert (met.code, met.column, met.count, met.first) == ("far_outside", name, 1, 1)


def test_the_target_and_columns_left_out_may_stand_in_a_record(models: list[TrainedModel]) -> None:
    model = replace(models[0], encoder=replace(models[0].encoder, left_out=("batch",)))
    row = {column.name: 50.0 for column in model.encoder.columns}
    extended = row | {"batch": "B7", model.target.column: "high"}
    assert model.predict_records([extended]) == model.predict_records([row])
    with pytest.raises(DataError, match="'station', which the model does not know"):
        model.read([row | {"station": 3}])
    read = model.read([row | {"station": 3}], extra=True)
    assert model.predict(read.table) == model.predict_records([row])


def test_a_file_of_an_earlier_release_warns_of_what_it_knows(run: FleetRun) -> None:
    file = run.result()
    tensors = {n: t for n, t in file.tensors.items() if n not in ("encoder.low", "encoder.high")}
    assert len(tensors) == len(file.tensors) - 2
    model = TrainedModel.load(ModelFile(tensors, file.manifest).dump(), 0)
    records = model.read([[1e9] * 9 + [None]])
    assert [warning.code for warning in model.surprises(records)] == ["missing_filled"]
