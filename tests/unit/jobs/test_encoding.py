"""Rows are encoded once for all trainers of a machine, and for one data set only."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.databases import new_database
from worker.data import Encoded, EncodingPlan, Table
from worker.data.table import categorical, numeric
from worker.jobs import matrices_in, row_encoder
from worker.jobs.encoding import RowEncoder
from worker.settings import ServiceSettings
from worker.spec import Preprocessing, Reading
from worker.storage import datasets
from worker.storage.matrices import MatrixStore
from worker.storage.tables import Dataset

NOTHING = Reading(columns={})
IDS = [f"ds_{letter * 24}" for letter in "ab"]


@pytest.fixture
def store(tmp_path: Path) -> MatrixStore:
    return matrices_in(tmp_path, 2**20)


def plan() -> EncodingPlan:
    rng = np.random.default_rng(0)
    cells = [
        numeric("x", rng.normal(size=50)),
        categorical("c", ["a", "b"], rng.integers(0, 2, 50)),
    ]
    table, rows = Table.of(cells), np.arange(50)
    train = (rows[:40], rows[10:])
    return EncodingPlan(table, table.columns, rows, train, Preprocessing())


def encoded(
    store: MatrixStore, dataset_id: str = IDS[0], said: Reading = NOTHING, from_bytes: int = 0
) -> Encoded:
    dataset = Dataset(id=dataset_id, sha256="0", source_sha256="1")
    rows = RowEncoder(
        store, dataset, said, from_bytes=from_bytes, waiting=lambda: pytest.fail("nobody is here")
    )
    return rows.encode(plan())


def fits(monkeypatch: pytest.MonkeyPatch) -> list[EncodingPlan]:
    """The plans that are fitted from now on."""
    asked: list[EncodingPlan] = []
    fit = EncodingPlan.fit

    def look(self: EncodingPlan) -> object:
        asked.append(self)
        return fit(self)

    monkeypatch.setattr(EncodingPlan, "fit", look)
    return asked


def test_the_next_one_finds_it(store: MatrixStore, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = plan().in_memory()
    asked = fits(monkeypatch)
    for _ in range(2):
        found = encoded(store)
        np.testing.assert_array_equal(found.x, expected.x)
        assert not found.x.flags.writeable
        for one, other in zip(found.encoders, expected.encoders, strict=True):
            np.testing.assert_array_equal(one.center, other.center)
    assert len(asked) == 1


def test_others_do_not(store: MatrixStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fits(monkeypatch)
    encoded(store)
    encoded(store, IDS[1])
    encoded(store, said=Reading(columns={}, decimal=","))
    assert len(asked) == 3


def test_what_is_small_or_has_no_room_is_in_memory(
    store: MatrixStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert encoded(store, from_bytes=2**20).x.flags.writeable
    assert encoded(matrices_in(store._folder.parent, 10)).x.flags.writeable
    assert store.owners() == []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MatrixStore, "add", full)
    np.testing.assert_array_equal(encoded(store).x, plan().in_memory().x)


def test_the_fingerprint_is_of_the_rows() -> None:
    one = plan()
    fewer = replace(one, rows=one.rows[:40], train=(one.train[0],))
    shifted = replace(one, rows=one.rows[10:], train=(one.train[0][:30],))
    assert len({each.fingerprint for each in (one, fewer, shifted)}) == 3


def test_what_is_deleted_is_forgotten(store: MatrixStore, tmp_path: Path) -> None:
    database = new_database(tmp_path)
    try:
        with database.write() as session:
            datasets.add_dataset(
                session,
                name="a",
                target=None,
                rows=1,
                columns=[],
                format="parquet",
                bytes=1,
                sha256="0",
                path="a",
                dataset_id=IDS[0],
            )
        for dataset_id in IDS:
            encoded(store, dataset_id)
        row_encoder(ServiceSettings(state=tmp_path), database, None, NOTHING, lambda: None)
        assert store.owners() == [IDS[0]]
    finally:
        database.close()
