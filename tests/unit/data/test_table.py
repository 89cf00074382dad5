from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.data import Column, Table
from worker.data import table as table_module
from worker.data.table import categorical, images, numeric
from worker.errors import DataError


def table() -> Table:
    return Table.of(
        [
            numeric("age", [1.5, np.nan, -0.0]),
            categorical("job", ["z", "a", "unused"], [0, 1, -1]),
        ]
    )


def test_categories_are_sorted_and_in_use() -> None:
    column = table().column("job")
    assert column == Column(name="job", kind="categorical", categories=("a", "z"), missing=1)
    np.testing.assert_array_equal(table().values["job"], [1, 0, -1])
    assert table().values["job"].dtype == np.int32


def test_an_unknown_column_names_what_is_near() -> None:
    with pytest.raises(DataError, match="Did you mean 'age'") as caught:
        table().column("aeg", param="target")
    assert (caught.value.code, caught.value.param) == ("unknown_column", "target")
    with pytest.raises(DataError, match="There are: 'age', 'job'"):
        table().column("zzz")


def test_select_keeps_the_schema() -> None:
    picked = table().select(np.array([2, 0]))
    assert picked.columns == table().columns
    np.testing.assert_array_equal(picked.values["job"], [-1, 1])
    assert picked.rows == 2


def test_arrays_must_fit_the_columns() -> None:
    column, values = numeric("a", [1.0])
    with pytest.raises(ValueError, match="same names"):
        Table(columns=(column,), values={"b": values}, rows=1)
    with pytest.raises(ValueError, match="shape"):
        Table(columns=(column,), values={"a": values}, rows=2)
    with pytest.raises(ValueError, match="parts"):
        Table.of([(column, values)], parts={"train": 2})


def test_parquet_from_a_file_and_refusals(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(table().to_parquet())
    assert Table.from_parquet(path).columns == table().columns
    with pytest.raises(DataError, match="not a Parquet file"):
        Table.from_parquet(b"a,b\n1,2\n")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 3, 2), (3, 4, 4), (2, 7)])
@pytest.mark.parametrize("rows", [0, 1, 50])
def test_parquet_is_lossless_for_images(
    dtype: type, shape: tuple[int, ...], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "_GROUP_BYTES", 1000)
    pixels = np.random.default_rng(0).normal(100, 50, size=(rows, *shape)).astype(dtype)
    before = Table.of(
        [images("image", pixels), numeric("y", np.arange(rows))],
        target="y",
        parts={"train": rows - rows // 3, "test": rows // 3},
    )
    after = Table.from_parquet(before.to_parquet())
    assert (after.columns, after.rows) == (before.columns, rows)
    assert (after.target, dict(after.parts)) == (before.target, dict(before.parts))
    assert after.values["image"].dtype == dtype
    np.testing.assert_array_equal(after.values["image"], pixels)
    picked = after.select(np.arange(rows)[::-2])
    np.testing.assert_array_equal(picked.values["image"], pixels[::-2])
    assert (picked.columns, dict(picked.parts), picked.target) == (before.columns, {}, "y")


@given(
    st.lists(
        st.tuples(st.floats(allow_infinity=False), st.none() | st.text(max_size=5)), max_size=20
    )
)
def test_parquet_is_lossless(rows: list[tuple[float, str | None]]) -> None:
    labels = sorted({text for _, text in rows if text is not None}, reverse=True)
    before = Table.of(
        [
            numeric("x", [number for number, _ in rows]),
            categorical("c", labels, [-1 if t is None else labels.index(t) for _, t in rows]),
        ]
    )
    after = Table.from_parquet(before.to_parquet())
    assert (after.columns, after.rows) == (before.columns, len(rows))
    for name, values in before.values.items():
        assert after.values[name].dtype == values.dtype
        np.testing.assert_array_equal(after.values[name], values)
        np.testing.assert_array_equal(np.signbit(after.values[name]), np.signbit(values))
