import csv as reference
from datetime import UTC, datetime, time
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.data import Table, prepare, read_table
from worker.data.delimited import parse_csv
from worker.data.parquet import read_parquet
from worker.data.reading import LIMITS, FileLimits
from worker.data.rows.columnar import rewrite_rows
from worker.errors import DataError
from worker.spec import JobSpec, Preprocessing, Reading


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path / "data.parquet", **options)
    return path / "data.parquet"


def refuse(path: Path, limits: FileLimits = LIMITS) -> DataError:
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
            "text": pa.array(["10", " 9 ", ""]),
            "marks": pa.array(["NA", None, "-"]),
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
        ("marks", ("-", "NA"), [1, -1, 0]),
        ("large", ("a", "b"), [1, -1, 0]),
        ("coded", ("x", "y"), [0, 1, -1]),
    ]:
        assert table.column(name).categories == categories
        np.testing.assert_array_equal(table.values[name], codes)
        assert table.values[name].dtype == np.int32


def test_row_groups_with_their_own_dictionaries_agree_with_csv(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers, texts = rng.normal(size=500), rng.choice(["u", "v", "w"], size=500)
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
        (pa.array([time(12, 30)]), "Times of day and durations"),
        (pa.array([0], pa.duration("us")), "Times of day and durations"),
        (pa.array([time(12, 30)]).dictionary_encode(), "Times of day"),
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


MOMENTS = [datetime(2024, 5, 31, 12, tzinfo=UTC), None, datetime(1969, 12, 31, tzinfo=UTC)]
DAYS = [moment and moment.date() for moment in MOMENTS]


@pytest.mark.parametrize(
    ("values", "half"),
    [
        (pa.array(DAYS), 0),
        (pa.array(DAYS, pa.date64()), 0),
        (pa.array(DAYS).dictionary_encode(), 0),
        *((pa.array(MOMENTS, pa.timestamp(unit, "UTC")), 0.5) for unit in ("s", "ms", "us", "ns")),
    ],
)
def test_dates_are_days(tmp_path: Path, values: Any, half: float) -> None:
    path = write(tmp_path, {"fine": [1.0, 2.0, 4.0], "born": values})
    table = read_parquet(path)
    assert (table.column("born").kind, table.column("born").missing) == ("date", 1)
    np.testing.assert_array_equal(table.values["born"], [19874 + half, np.nan, -1])
    (told,) = [found for found in table.findings if found.column == "born"]
    assert (told.severity, told.code) == ("info", "dates")
    texts = read_parquet(path, reading=Reading(columns={"born": "categorical"}))
    assert "1969-12-31" in texts.column("born").categories
    assert not [found for found in texts.findings if found.code == "dates"]


def test_columns_are_what_they_are_declared_to_be(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "code": [1, 2, None],
            "price": ["1,5", "-", None],
            "day": ["2024-05-31", None, "2024-06-01"],
            "nested": [[1], [2], [3]],
            "large": [2**53 + 1, 2**53, None],
        },
    )
    kinds: dict[str, Any] = {"code": "categorical", "day": "date", "nested": "ignore"}
    table = read_parquet(path, reading=Reading(columns=kinds))
    assert table.column("code").categories == ("1", "2")
    np.testing.assert_array_equal(table.values["day"], [19874, np.nan, 19875])
    assert table.ignored == ("nested",)
    assert table.column("large").categories == (str(2**53), str(2**53 + 1))
    assert "large_integers" in {found.code for found in table.findings}
    with pytest.raises(DataError, match="row 1, counted from 0") as caught:
        read_parquet(path, reading=Reading(columns={"price": "numeric", "nested": "ignore"}))
    assert (caught.value.code, caught.value.param) == ("not_a_number", "columns")
    said = Reading(columns={"price": "numeric", "nested": "ignore"}, missing=("-",))
    np.testing.assert_array_equal(
        read_parquet(path, reading=said).values["price"], [1.5, np.nan, np.nan]
    )


def test_strings_that_are_numbers_or_dates_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, {"n": ["10", "9", "7"], "m": ["1.5", "2", "3"]})
    told = {found.column: found for found in read_parquet(path).findings}
    assert (told["m"].code, told["m"].change) == ("nearly_numeric", {"columns": {"m": "numeric"}})
    assert (told["n"].code, told["n"].evidence["row"]) == ("nearly_numeric", 0)
    numbers = read_parquet(path, reading=Reading(columns={"m": "numeric", "n": "numeric"}))
    np.testing.assert_array_equal(numbers.values["m"], [1.5, 2, 3])


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
    assert refuse(path, FileLimits(rows=2)).code == "too_many_rows"
    assert refuse(path, FileLimits(columns=1)).code == "too_many_columns"
    assert refuse(path, FileLimits(cells=5)).code == "too_large"


def test_refusals(tmp_path: Path) -> None:
    assert refuse(write(tmp_path, {"a": pa.array([], pa.float64())})).code == "no_rows"
    assert refuse(write(tmp_path, {"": [1.0]})).code == "invalid_name"
    assert refuse(write(tmp_path, {"a": ["x" * 11]}), FileLimits(cell=10)).code == "cell_too_long"
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


def test_places_beyond_a_dictionary_are_damage(tmp_path: Path) -> None:
    """Found by fuzzing: Arrow gives such columns as they are, and trusts their places later."""
    colours = pa.array(["red", "green", "blue"] * 2).dictionary_encode()
    options: Any = {"compression": "none", "use_dictionary": ["y"]}
    path = write(tmp_path, {"x": list(range(6)), "y": colours}, **options)
    page = b"\x4c\x15\x06\x15"  # the header of a page of a dictionary: three values
    data = path.read_bytes()
    assert data.count(page) == 1
    path.write_bytes(data.replace(page, b"\x4c\x15\x00\x15"))
    assert refuse(path).code == "not_parquet"
    with path.open("rb") as file, pytest.raises(DataError, match="damaged"):
        rewrite_rows(file, tmp_path / "rows.arrow")


def test_the_services_own_tables_are_told_from_uploads(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": [1.0]})
    with pytest.raises(DataError, match="does not carry Parsimony's columns"):
        Table.from_parquet(path)


values = st.one_of(
    st.none(), st.integers(-99, 99).map(float), st.floats(-1e30, 1e30, allow_subnormal=False)
)
texts = st.one_of(st.none(), st.sampled_from(["red", "green", " blue ", "a,b", 'say "hi"']))


@settings(max_examples=50)
@given(
    st.lists(st.tuples(values, texts, st.booleans()), min_size=1, max_size=30),
    st.integers(1, 30),
    st.sampled_from(["standardize", "robust", "robust_smooth_clip", "none"]),
)
def test_a_table_prepares_alike_from_csv_and_from_parquet(
    cells: list[tuple[float | None, str | None, bool]], group: int, method: Any
) -> None:
    # Rows that make every column what its type says, and both classes large enough to split.
    cells = [(1.5, "red", True), (2.0, "blue", False)] * 4 + cells
    numbers, words, labels = zip(*cells, strict=True)
    parquet, csv = BytesIO(), StringIO()
    columns = {"number": pa.array(numbers, pa.float64()), "word": words, "label": labels}
    pq.write_table(pa.table(columns), parquet, row_group_size=group)
    writer = reference.writer(csv)
    writer.writerow(columns)
    for number, word, label in cells:
        writer.writerow(["" if number is None else repr(number), word or "", str(label).lower()])
    parquet.seek(0)
    read = [read_table(parquet), parse_csv(csv.getvalue().encode())]
    assert read[0].columns == read[1].columns
    spec = JobSpec(
        dataset="ds_12345678", target="label", preprocessing=Preprocessing(numeric=method)
    )
    first, second = (prepare(table, spec) for table in read)
    assert first.target == second.target
    assert first.features == second.features
    for name in ("x", "y", "target_center", "target_scale", "row_numbers"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for split, other in zip(first.splits, second.splits, strict=True):
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(getattr(split, part), getattr(other, part))
    for encoder, other_encoder in zip(first.encoders, second.encoders, strict=True):
        assert encoder.schema() == other_encoder.schema()
        for name, constant in encoder.constants().items():
            np.testing.assert_array_equal(constant, other_encoder.constants()[name])
