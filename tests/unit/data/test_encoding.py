"""A stored table is encoded without ever being in memory, to the same bits."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from worker.data import Outline, Prepared, Table, prepare, read_when_asked
from worker.data import encoding as module
from worker.data.encoding import Encoded, EncodingPlan, dump_encoders, load_encoders
from worker.data.parts import StoredColumns
from worker.data.table import categorical, dates, numeric
from worker.spec import JobSpec

ROWS = 500


def made() -> Table:
    rng = np.random.default_rng(0)
    hours = np.floor(rng.random(ROWS) * 24 * 900) / 24
    hours[::7] = np.nan
    sizes = rng.lognormal(size=ROWS)
    sizes[rng.random(ROWS) < 0.2] = np.nan
    return Table.of(
        [
            numeric("a", rng.normal(size=ROWS)),
            numeric("a.b", sizes),
            categorical("c", ["x", "y", "z"], rng.integers(-1, 3, ROWS)),
            dates("d", 19_000 + hours),
            numeric("none", np.full(ROWS, 4.0)),
            numeric("w", rng.random(ROWS)),
            categorical("y", ["no", "yes"], rng.integers(-1, 2, ROWS)),  # some rows have none
        ],
        target="y",
    )


def stored(table: Table) -> Table:
    return read_when_asked(io.BytesIO(table.to_parquet()))


def job(**more: Any) -> JobSpec:
    return JobSpec.model_validate({"dataset": f"ds_{'0' * 24}", "target": "y", **more})


def assert_same(found: Prepared, expected: Prepared) -> None:
    np.testing.assert_array_equal(found.x.view(np.uint32), expected.x.view(np.uint32))
    for one, other in zip(found.encoders, expected.encoders, strict=True):
        assert one.schema() == other.schema()
        constants = other.constants()
        assert one.constants().keys() == constants.keys()
        for name, array in one.constants().items():
            assert array.tobytes() == constants[name].tobytes(), name
    for name in ("y", "weights", "offset", "row_numbers"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


JOBS: list[dict[str, Any]] = [
    {},
    {"split": {"folds": 3}, "preprocessing": {"numeric": "robust", "dummies": "standardize"}},
    {"target": "a.b", "sample_weight": "w", "offset": "a", "target_missing": "drop"},
    {"target": "a.b", "split": {"order": "d", "folds": 2}, "columns": {}},
]


@pytest.mark.parametrize("said", JOBS)
def test_a_table_read_when_asked_is_encoded_alike(
    said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, spec = made(), job(**said)
    if "order" in said.get("split", {}):
        table = table.select(np.flatnonzero(~np.isnan(table.values["d"])))
    expected = prepare(table, spec)
    monkeypatch.setattr(module, "BLOCK_ROWS", 64)
    read = stored(table)
    assert isinstance(read.values, StoredColumns)
    assert (read.columns, read.target, read.rows) == (table.columns, table.target, table.rows)
    assert_same(prepare(read, spec), expected)
    assert Outline.of(read, spec) == Outline.of(table, spec)


def test_pieces_make_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 64)
    spec = job(split={"folds": 3})

    def by_pieces(plan: EncodingPlan) -> Encoded:
        encoders = load_encoders(dump_encoders(plan.fit()))
        x = np.full(plan.shape, np.nan, dtype=np.float32)
        for split, first, rows in plan.blocks(encoders):
            x[split, first : first + len(rows)] = rows
        assert x.nbytes == plan.nbytes
        return Encoded(encoders, x)

    assert_same(prepare(stored(made()), spec, encode=by_pieces), prepare(made(), spec))


def fingerprint(**said: Any) -> str:
    found: list[str] = []

    def look(plan: EncodingPlan) -> Encoded:
        found.append(plan.fingerprint)
        return plan.in_memory()

    prepare(made(), job(**said), encode=look)
    return found[0]


def test_what_decides_the_matrix_is_in_its_fingerprint() -> None:
    usual = fingerprint()
    assert fingerprint() == usual
    assert fingerprint(training={"seed": 4}) == usual
    others = [
        fingerprint(split={"seed": 1}),
        fingerprint(split={"validation": 0.3}),
        fingerprint(split={"folds": 3}),
        fingerprint(preprocessing={"numeric": "robust"}),
        fingerprint(preprocessing={"drop_first": True}),
        fingerprint(sample_weight="w"),
        fingerprint(target="a"),
    ]
    assert len({usual, *others}) == len(others) + 1


def test_what_varies_at_once_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the columns that a job outlines, only the target, dates and constant ones are read."""
    asked: list[str] = []
    get: Callable[[StoredColumns, str], Any] = StoredColumns.__getitem__

    def look(self: StoredColumns, name: str) -> Any:
        asked.append(name)
        return get(self, name)

    monkeypatch.setattr(StoredColumns, "__getitem__", look)
    Outline.of(stored(made()), job())
    assert set(asked) == {"y", "d", "none"}
