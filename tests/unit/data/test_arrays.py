"""Typed columns mean what the same cells mean as JSON."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.data import Column, Encoder, Expectations, Records, Table, check_numbers, read_arrays
from worker.data.table import LARGEST, categorical, numeric
from worker.errors import DataError
from worker.spec import Preprocessing

COLUMNS = (
    Column(name="age", kind="numeric"),
    Column(name="job", kind="categorical", categories=("1", "2.0", "True", "skilled")),
    Column(name="day", kind="date"),
)
IMAGE = (Column(name="image", kind="image", shape=(1, 2, 3)),)
COLOR = (Column(name="image", kind="image", shape=(3, 2, 4)),)
NUMBERS = tuple(Column(name=name, kind="numeric") for name in "abc")


def texts(*values: str) -> NDArray[Any]:
    return np.array(values, dtype=object)


def alike(left: Table, right: Table) -> None:
    assert left.columns == right.columns
    for name, values in left.values.items():
        np.testing.assert_array_equal(values, right.values[name])
        assert values.dtype == right.values[name].dtype


@pytest.mark.parametrize(
    ("ages", "jobs"),
    [
        (np.array([41.5, np.nan]), texts("skilled", "?")),
        (np.array([41, 7], dtype=np.uint8), texts("True", "nobody")),
        (np.array([0.5, np.nan], dtype=np.float16), np.array([1, 2])),
        (texts(" 41 ", "NA"), np.array([2.0, np.nan], dtype=np.float32)),
        (np.array([-(2**62), 3]), np.array([True, False])),
    ],
)
def test_columns_mean_what_instances_mean(ages: NDArray[Any], jobs: NDArray[Any]) -> None:
    days = texts("2024-05-31", "")
    read = read_arrays(COLUMNS, {"job": jobs, "day": days, "age": ages})
    instances = [
        [None if value != value else value for value in row]
        for row in zip(ages.tolist(), jobs.tolist(), days.tolist(), strict=True)
    ]
    expected = Records.read(COLUMNS, instances)
    alike(read.table, expected.table)
    assert read.unmatched == expected.unmatched


@pytest.mark.parametrize(
    ("arrays", "extra", "param", "says"),
    [
        ({"a": [1], "b": [1]}, False, "c", "'c' is not there"),
        ({"a": [1], "b": [1], "c": [1], "d": [1]}, False, "d", "does not know"),
        ({"a": [1], "b": [1], "c": [1, 2]}, False, "c", "2 rows"),
        ({"a": [], "b": [], "c": []}, False, None, "no rows"),
        ({"a": [1], "b": [True], "c": [1]}, False, "instances.0.b", "boolean"),
        ({"a": [1], "b": [1], "c": [np.inf]}, False, "instances.0.c", "finite"),
        ({"a": [1], "b": [1], "c": [1e39]}, True, "instances.0.c", "finite"),
    ],
)
def test_what_does_not_fit_is_named(
    arrays: dict[str, list[Any]], extra: bool, param: str | None, says: str
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read_arrays(NUMBERS, {k: np.array(v) for k, v in arrays.items()}, extra=extra)
    assert caught.value.param == param


def test_what_is_beside_the_columns() -> None:
    one = np.array([1.0])
    arrays = dict.fromkeys("abcd", one)
    assert read_arrays(NUMBERS, arrays, beside=["d"]).table.names == ("a", "b", "c")
    assert read_arrays(NUMBERS, arrays, extra=True).table.names == ("a", "b", "c")


def test_images_in_every_layout() -> None:
    rows = np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3)
    expected = Records.read(IMAGE, rows.tolist()).table
    for given in (rows, rows[:, 0], np.moveaxis(rows, 1, 3), rows.astype(np.float64)):
        alike(read_arrays(IMAGE, {"image": given}, as_bytes=True).table, expected)
    colors = np.arange(48, dtype=np.int16).reshape(2, 3, 2, 4)
    expected = Records.read(COLOR, colors.tolist()).table
    alike(read_arrays(COLOR, {"image": np.moveaxis(colors, 1, 3)}).table, expected)


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (np.zeros((1, 3, 2)), "shape_mismatch"),
        (np.zeros((1, 1, 2, 3), dtype=bool), "shape_mismatch"),
        (np.full((1, 2, 3), np.nan), "not_finite"),
        (np.full((1, 2, 3), -1), "pixels_out_of_range"),
    ],
)
def test_images_that_are_none(image: NDArray[Any], code: str) -> None:
    with pytest.raises(DataError) as caught:
        read_arrays(IMAGE, {"image": image}, as_bytes=True)
    assert caught.value.code == code


@pytest.mark.parametrize("method", ["standardize", "robust", "robust_smooth_clip", "none"])
@pytest.mark.parametrize("width", [1, 3, 64, 150])
def test_a_matrix_encodes_to_the_bits_of_a_table(method: str, width: int) -> None:
    random = np.random.default_rng(width)
    values = random.normal(3.0, 50.0, (40, width))
    values[random.random(values.shape) < 0.1] = np.nan
    values[:, 0] = 1.5  # constant: it never acts
    names = [f"x{place}" for place in range(width)]
    table = Table.of(numeric(name, column) for name, column in zip(names, values.T, strict=True))
    encoder = Encoder.fit(table, names, np.arange(30), Preprocessing(numeric=method))  # type: ignore[arg-type]
    wild = values.copy()
    wild[3] = LARGEST
    whole = np.nan_to_num(values).astype(np.int64)
    matrices: list[NDArray[Any]] = [wild, wild.astype(np.float32), whole]
    for matrix in matrices:
        columns = zip(names, matrix.astype(np.float64).T, strict=True)
        expected = encoder.transform(Table.of(numeric(name, column) for name, column in columns))
        assert encoder.transform_numbers(matrix).tobytes() == expected.tobytes()


def test_a_matrix_of_another_table_is_refused() -> None:
    table = Table.of([numeric("x", [1.0, 2.0]), categorical("c", ["u", "v"], [0, 1])])
    mixed = Encoder.fit(table, table.names, np.arange(2), Preprocessing())
    plain = Encoder.fit(table, ["x"], np.arange(2), Preprocessing())
    for encoder, shape in ((mixed, (2, 2)), (plain, (2, 2)), (plain, (2,))):
        with pytest.raises(DataError, match="numeric columns"):
            encoder.transform_numbers(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_infinite_numbers_are_found_beside_missing_ones(dtype: type) -> None:
    matrix: NDArray[Any] = np.array([[1.0, np.nan, 2.0], [0.0, -np.inf, np.nan]], dtype=dtype)
    with pytest.raises(DataError, match="'b' of instance 1"):
        check_numbers(NUMBERS, matrix)
    check_numbers(NUMBERS, matrix[:1])
    check_numbers(NUMBERS, np.array([[2**63, 0, 1]], dtype=np.uint64))


def test_expectations_are_met_where_there_is_no_surprise() -> None:
    table = Table.of([numeric("x", [0.0, 1.0]), numeric("y", [5.0, 9.0])])
    encoder = Encoder.fit(table, table.names, np.arange(2), Preprocessing())
    expected = Expectations.of(encoder)
    for row in ([0.5, 7.0], [-1.0, 13.0], [-1.1, 7.0], [0.5, 13.1], [np.nan, 7.0]):
        records = Records.read(encoder.columns, [[None if v != v else v for v in row]])
        assert expected.are_met(np.array([row])) == (not expected.surprises(records))
