"""Jobs whose rows are mapped from a file: the same models, and files that go with their data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.api.client import Client, running
from tests.api.kinds import run, send, table
from worker.settings import ServiceSettings
from worker.storage import jobs

pytestmark = pytest.mark.slow

ROWS = 200
JOB: dict[str, Any] = {
    "network": {"kind": "mlp", "hidden": [8]},
    "training": {"epochs": 2, "batch_size": 32},
    "compare": [
        {"name": "plain", "regularization": {}},
        {"name": "some", "regularization": {"dropout": {"p": 0.3}, "batch_norm": {}}},
    ],
    "split": {"folds": 3, "test": 0.2},
}


def uploaded(client: Client) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    numbers, letters = rng.normal(size=ROWS).round(6), rng.choice(list("abc"), ROWS)
    cells = [
        ["" if row % 9 == 0 else f"{number}", letter, "yes" if number > 0 else "no"]
        for row, (number, letter) in enumerate(zip(numbers.tolist(), letters, strict=True))
    ]
    return send(client, table("x,c,y", cells), target="y")


def models(client: Client, job: dict[str, Any]) -> list[str | None]:
    with client.services.database.read() as session:
        return [fleet.result_sha256 for fleet in jobs.fleets(session, job["id"])]


def trained(folder: Path, **settings: Any) -> tuple[list[str | None], list[Path]]:
    """The hashes of a job's models, and the matrices that were kept, which go with their data."""
    with running(ServiceSettings(state=folder, **settings)) as client:
        dataset = uploaded(client)
        first, again = (run(client, dataset, **JOB) for _ in range(2))
        assert first["state"] == again["state"] == "succeeded", first["error"]
        found = models(client, first)
        assert models(client, again) == found
        kept = list((folder / "encoded").rglob("x.f32"))
        assert client.delete(f"/v1/datasets/{dataset['id']}").status_code == 204
        assert not list((folder / "encoded").rglob("x.f32"))
        return found, kept


def test_mapped_rows_train_the_same_models(tmp_path: Path) -> None:
    usual, none = trained(tmp_path / "usual")
    mapped, kept = trained(tmp_path / "mapped", encoded_from_bytes=0)
    alone, without = trained(tmp_path / "alone", encoded_from_bytes=0, encoded_bytes=0)
    assert usual == mapped == alone
    assert (len(none), len(without)) == (0, 0)
    assert len(kept) == 2  # of the folds, and of the refit
