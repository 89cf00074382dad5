from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.data import Table, parse_csv
from worker.data.parquet import ParquetLimits, read_parquet
from worker.errors import DataError


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path / "data.parquet", **options)
    return path / "data.parquet"


def refuse(path: Path, limits: ParquetLimits | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        read_parquet(path, limits)
    assert caught.value.param == "file"
    return caught.value


def test_the_files_types_decide(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "int": pa.array([1, None, 3], pa.int16()),
            "half": pa.array(np.array([1, 2, np.nan], dtype=np.float16)),
            "decimal": pa.array([Decimal("1.5"), None, Decimal("-2.0")]),
            "nothing": pa.nulls(3),
            "flag": pa.array([True, None, False]),
            "text": pa.array(["10", " 9 ", "NA"]),
            "large": pa.array(["b", None, "a"], pa.large_string()),
            "coded": pa.array(["x", "y", None]).dictionary_encode(),
            "coded_number": pa.array([2.5, None, 2.5]).dictionary_encode(),
        },
    )
    table = read_parquet(path)
    for name, values in {
        "int": [1, np.nan, 3],
        "half": [1, 2, np.nan],
        "decimal": [1.5, np.nan, -2],
        "nothing": [np.nan] * 3,
        "coded_number": [2.5, np.nan, 2.5],
    }.items():
        assert table.column(name).kind == "numeric"
        np.testing.assert_array_equal(table.values[name], values)
    for name, categories, codes in [
        ("flag", ("false", "true"), [1, -1, 0]),
        ("text", ("10", "9"), [0, 1, -1]),
        ("large", ("a", "b"), [1, -1, 0]),
        ("coded", ("x", "y"), [0, 1, -1]),
    ]:
        assert table.column(name).categories == categories
        np.testing.assert_array_equal(table.values[name], codes)
        assert table.values[name].dtype == np.int32


def test_row_groups_with_their_own_dictionaries_agree_with_csv(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers, texts = rng.normal(size=500), rng.choice(["u", "v", "w", "NA"], size=500)
    path = write(tmp_path, {"a": numbers, "b": np.sort(texts)}, row_group_size=60)
    lines = [f"{a!r},{b}" for a, b in zip(numbers.tolist(), np.sort(texts), strict=True)]
    expected = parse_csv("\n".join(["a,b", *lines]).encode())
    table = read_parquet(path)
    assert table.columns == expected.columns
    for name in ("a", "b"):
        np.testing.assert_array_equal(table.values[name], expected.values[name])


def test_the_index_of_pandas_is_no_feature(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": [1.0], "__index_level_0__": [7]})
    assert read_parquet(path).names == ("a",)


@pytest.mark.parametrize(
    ("values", "fragment"),
    [
        (pa.array([date(2020, 1, 1)]), "Dates and times are not features"),
        (pa.array([0], pa.timestamp("us")), "Dates and times are not features"),
        (pa.array([date(2020, 1, 1)]).dictionary_encode(), "Dates and times"),
        (pa.array([[1, 2]]), "column of its own"),
        (pa.array([{"a": 1}]), "column of its own"),
        (pa.array([b"\x00"]), "numbers or strings"),
    ],
)
def test_what_is_no_feature_is_refused_by_name(tmp_path: Path, values: Any, fragment: str) -> None:
    error = refuse(write(tmp_path, {"fine": [1.0], "born": values}))
    assert error.code == "unsupported_column"
    assert "'born'" in error.message
    assert fragment in error.message


@pytest.mark.parametrize("number", [np.inf, -np.inf, 1e39])
def test_numbers_beyond_float32_are_refused(tmp_path: Path, number: float) -> None:
    error = refuse(write(tmp_path, {"a": [1.0, number]}))
    assert error.code == "not_finite"
    assert "'a'" in error.message
    assert "row 1" in error.message


def test_sizes_are_refused_by_the_footer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]})

    def read(*_: Any, **__: Any) -> None:
        raise AssertionError("a page was read")

    monkeypatch.setattr(pq.ParquetFile, "read", read)
    assert refuse(path, ParquetLimits(rows=2)).code == "too_many_rows"
    assert refuse(path, ParquetLimits(columns=1)).code == "too_many_columns"
    assert refuse(path, ParquetLimits(cells=5)).code == "too_large"


def test_refusals(tmp_path: Path) -> None:
    assert refuse(write(tmp_path, {"a": pa.array([], pa.float64())})).code == "no_rows"
    assert refuse(write(tmp_path, {"": [1.0]})).code == "invalid_name"
    assert (
        refuse(write(tmp_path, {"a": ["x" * 11]}), ParquetLimits(cell=10)).code == "cell_too_long"
    )
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    assert refuse(tmp_path / "twice.parquet").code == "duplicate_column"


@pytest.mark.parametrize("damage", ["truncated", "footer", "page"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path, {"a": np.random.default_rng(0).normal(size=1000)})
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "footer":
        data[-40:-8] = b"\xff" * 32
    else:
        data[4:80] = b"\xff" * 76
    path.write_bytes(data)
    assert refuse(path).code == "not_parquet"


def test_the_services_own_tables_are_told_from_uploads(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": [1.0]})
    with pytest.raises(DataError, match="does not carry Parsimony's columns"):
        Table.from_parquet(path)
