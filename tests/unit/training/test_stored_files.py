"""A checkpoint and a model file of an earlier release: they open, train on and answer as before."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from tests.engine import read_state
from tests.fleets import trained
from tests.stored_state import ARCHIVES, INSTANCES, MODEL, differences, unpack
from worker.data import Outline, Table, prepare
from worker.models import TrainedModel, certify
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun


@dataclass(frozen=True)
class State:
    """A state folder, and what was recorded of it."""

    folder: Path
    recorded: dict[str, Any]

    def row(self, query: str, *values: str) -> tuple[Any, ...]:
        """The only row that a query finds."""
        with closing(sqlite3.connect(self.folder / "parsimony.db")) as connection:
            (row,) = connection.execute(query, values).fetchall()
        found: tuple[Any, ...] = row
        return found

    def file(self, path: str) -> bytes:
        return (self.folder / "artefacts" / path).read_bytes()

    def run(self, job: str) -> FleetRun:
        """The fleet of a job, planned by today's code from the specification that is stored."""
        (spec_text,) = self.row("SELECT spec FROM job WHERE name = ?", job)
        spec = JobSpec.model_validate_json(spec_text)
        path, target = self.row("SELECT path, target FROM dataset")
        table = Table.from_parquet(self.file(path))
        (planned,) = plan(spec, Outline.of(table, spec, target))
        return FleetRun(planned.trials, prepare(table, spec, target))


@pytest.fixture(scope="module", params=ARCHIVES)
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> State:
    folder = tmp_path_factory.mktemp("state")
    return State(folder, unpack(request.param, folder))


def test_a_checkpoint_trains_on_to_what_it_would_have_been(state: State) -> None:
    (path,) = state.row(
        "SELECT c.path FROM checkpoint c JOIN fleet f ON f.checkpoint_id = c.id "
        "JOIN job j ON j.id = f.job_id WHERE j.name = ?",
        "interrupted",
    )
    names = orjson.loads(state.file(f"{path}/manifest.json"))
    resumed = state.run("interrupted")
    resumed.restore(read_state({name: state.file(f"{path}/{name}") for name in names}))
    epochs = [report.epoch for report in resumed.epochs()]
    assert epochs == [3, 4, 5]
    undisturbed = trained(state.run("interrupted"))
    expected, found = undisturbed.result().tensors, resumed.result().tensors
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-5)
    for before, now in zip(undisturbed.results(), resumed.results(), strict=True):
        assert (now.epochs, now.best_epoch) == (before.epochs, before.best_epoch)


def test_a_model_file_is_certified_and_predicts_as_it_did(state: State) -> None:
    path, position = state.row("SELECT path, position FROM model_version")
    model = TrainedModel.load(state.file(path), position)
    certificate = certify(model)
    assert certificate.passed, certificate
    recorded = state.recorded[f"POST /v1/models/{MODEL}/predict"]["body"]["predictions"]
    for instance, before in zip(INSTANCES, recorded, strict=True):
        (now,) = model.predict_records([instance])
        assert list(differences(before, now.model_dump(mode="json", exclude_unset=True))) == []


def test_other_trials_of_the_file_open_too(state: State) -> None:
    path, _ = state.row("SELECT path, position FROM model_version")
    for position in range(6):
        assert certify(TrainedModel.load(state.file(path), position)).passed
