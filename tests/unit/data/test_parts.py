"""A stored table read part by part is the table, wherever reading begins."""

import io
from collections.abc import Iterable

import numpy as np
import pytest

from worker.data import StoredTable, Table, TableInMemory, table
from worker.data.table import categorical, dates, images, numeric
from worker.errors import DataError

ROWS = 100


def example() -> Table:
    rng = np.random.default_rng(0)
    days = np.where(rng.random(ROWS) < 0.1, np.nan, rng.integers(0, 20_000, ROWS))
    return Table.of(
        [
            numeric("a.b", np.where(rng.random(ROWS) < 0.1, np.nan, rng.normal(size=ROWS))),
            categorical("a", ["x", "y", "z"], rng.integers(-1, 3, ROWS)),
            dates("when", days),
            numeric("unread", rng.normal(size=ROWS)),
        ]
    )


def stored(whole: Table) -> StoredTable:
    return StoredTable.open(io.BytesIO(whole.to_parquet()))


def assert_equal(parts: Iterable[Table], whole: Table, names: list[str], first: int) -> None:
    found = list(parts)
    for name in names:
        joined = np.concatenate([part.values[name] for part in found])
        np.testing.assert_array_equal(joined, whole.values[name][first:])
        assert all(part.column(name) == whole.column(name) for part in found)
    assert all(part.names == tuple(n for n in whole.names if n in names) for part in found)


@pytest.mark.parametrize("group", [7, 30])
@pytest.mark.parametrize("size", [9, 30, 64, 200])
def test_parts_make_the_table(size: int, group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the row groups of the file are."""
    monkeypatch.setattr(table, "_GROUP_BYTES", group * 8)
    whole = example()
    names = ["when", "a", "a.b"]
    for source in (stored(whole), TableInMemory(whole)):
        assert (source.rows, source.columns) == (ROWS, whole.columns)
        for first in {0, 1, 3, -(-ROWS // size)}:
            parts = list(source.parts(names, size, first))
            sizes = [part.rows for part in parts]
            assert sizes == [min(size, ROWS - at) for at in range(first * size, ROWS, size)]
            if parts:
                assert_equal(parts, whole, names, first * size)


def test_images_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_GROUP_BYTES", 7 * 12)
    pixels = np.arange(20 * 12, dtype=np.uint8).reshape(20, 1, 3, 4)
    whole = Table.of([images("image", pixels)])
    assert_equal(stored(whole).parts(["image"], 6, 1), whole, ["image"], 6)


def test_another_file_is_refused() -> None:
    with pytest.raises(DataError, match="not a Parquet file"):
        StoredTable.open(io.BytesIO(b"x,y\n1,2\n"))
