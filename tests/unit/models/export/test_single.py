"""A model as a file of its own: the trial alone, in the project's format, with the same answers."""

from pathlib import Path

import pytest
from safetensors import safe_open

from tests.exported import ORIGIN, RECORDS, mixed_table, run
from worker.models import TrainedModel, certify
from worker.models.export import export

COMPARED = {"plain": {}, "members": {"snapshot_ensemble": {"members": 2}}}


@pytest.fixture(scope="module")
def fleet() -> bytes:
    """Trials 0 to 2 are folds of one network, 3 to 5 of ensembles."""
    return (
        run(
            mixed_table("multiclass"),
            split={"folds": 3},
            compare=[{"name": n, "regularization": r} for n, r in COMPARED.items()],
            training={"epochs": 4, "batch_size": 32},
        )
        .result()
        .dump()
    )


@pytest.mark.parametrize("position", [1, 4])
def test_a_trial_alone_answers_as_in_its_fleet(fleet: bytes, position: int, tmp_path: Path) -> None:
    content = export(fleet, ORIGIN, "safetensors", position=position)
    alone, among = TrainedModel.load(content, 0), TrainedModel.load(fleet, position)
    assert alone.predict_records(RECORDS) == among.predict_records(RECORDS)
    assert certify(alone).passed
    assert alone.members == (1 if position == 1 else 2)
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
        assert (metadata["name"], metadata["target"], metadata["fold"]) == ("a model", "y", "1")
        names = set(file.keys())
        assert file.get_tensor("encoder.fill").shape[0] == 1
        assert ("members.weights.layers.0.weight" in names) == (position == 4)
    assert content == export(fleet, ORIGIN, "safetensors", position=position)


def test_it_is_smaller_than_its_fleet(fleet: bytes) -> None:
    assert len(export(fleet, ORIGIN, "safetensors", position=0)) < len(fleet) / 2
