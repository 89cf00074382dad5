from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.data import Column, table_from_records
from worker.errors import DataError

COLUMNS = (
    Column(name="age", kind="numeric"),
    Column(name="job", kind="categorical", categories=("1", "2.0", "True", "skilled")),
)
GRAY = Column(name="image", kind="image", shape=(1, 2, 3))
COLOR = Column(name="image", kind="image", shape=(3, 2, 2))
SERIES = Column(name="series", kind="image", shape=(2, 3))


def refuse(instances: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        table_from_records(COLUMNS, instances)
    return caught.value


def test_objects_and_arrays() -> None:
    objects = table_from_records(
        COLUMNS, [{"job": "skilled", "age": 41}, {"age": None, "job": None}]
    )
    arrays = table_from_records(COLUMNS, [[41, "skilled"], [None, None]])
    for table in (objects, arrays):
        assert (table.columns, table.rows) == (COLUMNS, 2)
        np.testing.assert_array_equal(table.values["age"], [41, np.nan])
        np.testing.assert_array_equal(table.values["job"], [3, -1])
        assert table.values["age"].dtype == np.float64
        assert table.values["job"].dtype == np.int32


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("skilled", 3),
        (" skilled ", 3),
        ("unknown", -1),
        ("", -1),
        (1, 0),
        (1.0, 0),
        (2, 1),
        (2.0, 1),
        (7, -1),
        (True, 2),
        (False, -1),
    ],
)
def test_categories(value: object, code: int) -> None:
    assert table_from_records(COLUMNS, [[1, value]]).values["job"][0] == code


def test_a_missing_number_may_be_text() -> None:
    np.testing.assert_array_equal(
        table_from_records(COLUMNS, [["NA", None], [2, None]]).values["age"], [np.nan, 2]
    )


@pytest.mark.parametrize(
    ("instance", "code", "param", "fragment"),
    [
        ({"age": "41", "job": None}, "invalid_value", "instances.1.age", "the text '41'"),
        ({"age": True, "job": None}, "invalid_value", "instances.1.age", "the boolean true"),
        ({"age": [1], "job": None}, "invalid_value", "instances.1.age", "an array"),
        ({"age": 1, "job": {}}, "invalid_value", "instances.1.job", "an object"),
        ({"age": 1e39, "job": None}, "not_finite", "instances.1.age", "finite"),
        ({"age": 10**400, "job": None}, "not_finite", "instances.1.age", "finite"),
        ({"age": float("nan"), "job": None}, "not_finite", "instances.1.age", "null"),
        ({"age": 1}, "missing_column", "instances.1.job", "lacks the column 'job'"),
        ({"age": 1, "jbo": "x"}, "unknown_column", "instances.1.jbo", "Did you mean 'job'?"),
        ({"age": 1, "job": "x", "y": 1}, "unknown_column", "instances.1.y", "does not know"),
        ([1], "invalid_instance", "instances.1", "1 values; the model takes 2"),
        ("text", "invalid_instance", "instances.1", "the text 'text'"),
        (None, "invalid_instance", "instances.1", "null"),
    ],
)
def test_errors_name_instance_and_column(
    instance: object, code: str, param: str, fragment: str
) -> None:
    error = refuse([{"age": 1, "job": "skilled"}, instance])
    assert (error.code, error.param) == (code, param)
    assert fragment in error.message


def test_no_instances() -> None:
    error = refuse([])
    assert (error.code, error.param) == ("no_instances", "instances")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.lists(json_values | st.fixed_dictionaries({"age": json_values, "job": json_values})))
def test_any_json_is_read_or_refused_by_name(instances: list[Any]) -> None:
    param = None
    try:
        table = table_from_records(COLUMNS, instances)
    except DataError as error:
        param = error.param or "none"
    if param is None:
        assert table.rows == len(instances)
        assert not np.isinf(table.values["age"]).any()
    else:
        assert param.startswith("instances")


def image_values(column: Column, instances: list[Any]) -> np.ndarray:
    table = table_from_records([column], instances)
    assert table.columns == (column,)
    return table.values[column.name]


def test_nested_arrays_with_and_without_an_object() -> None:
    pixels = np.arange(6).reshape(1, 2, 3)
    flat = [
        pixels.tolist(),
        {"image": pixels.tolist()},
        pixels[0].tolist(),
        {"image": (pixels / 2).tolist()},
    ]
    pixels_read = image_values(GRAY, flat)
    assert pixels_read.dtype == np.float32
    np.testing.assert_array_equal(pixels_read, [pixels, pixels, pixels, pixels / 2])
    np.testing.assert_array_equal(image_values(GRAY, flat[:2]), [pixels, pixels])


def test_channels_last() -> None:
    pixels = np.arange(12).reshape(2, 2, 3)
    np.testing.assert_array_equal(
        image_values(COLOR, [pixels.tolist()])[0], np.moveaxis(pixels, 2, 0)
    )


def test_series() -> None:
    np.testing.assert_array_equal(
        image_values(SERIES, [[[1, 2, 3], [4, 5, 6]]]), [[[1, 2, 3], [4, 5, 6]]]
    )


@pytest.mark.parametrize(
    ("instance", "code", "param", "fragment"),
    [
        (
            [[1, 2], [3, 4]],
            "shape_mismatch",
            "instances.1.image",
            "has shape 2 x 2; the model takes",
        ),
        ([[1, 2, 3], [4, 5]], "invalid_value", "instances.1.image", "unequal length"),
        ([["1", 2, 3], [4, 5, 6]], "invalid_value", "instances.1.image", "numbers"),
        ([[None, 2, 3], [4, 5, 6]], "invalid_value", "instances.1.image", "numbers"),
        ([[True, False, True]] * 2, "invalid_value", "instances.1.image", "numbers"),
        ([[float("nan"), 2, 3], [4, 5, 6]], "not_finite", "instances.1.image", "finite"),
        ([[1e39, 2, 3], [4, 5, 6]], "not_finite", "instances.1.image", "finite"),
        ([[10**400, 2, 3], [4, 5, 6]], "invalid_value", "instances.1.image", "numbers"),
        ("text", "invalid_value", "instances.1.image", "1 x 2 x 3"),
        (None, "invalid_value", "instances.1.image", "1 x 2 x 3"),
        ({"image": 3}, "invalid_value", "instances.1.image", "no array"),
        ({"imag": []}, "unknown_column", "instances.1.imag", "Did you mean 'image'?"),
        ({}, "missing_column", "instances.1.image", "lacks the column 'image'"),
    ],
)
def test_errors_name_the_image_of_an_instance(
    instance: Any, code: str, param: str, fragment: str
) -> None:
    with pytest.raises(DataError) as caught:
        image_values(GRAY, [[[1, 2, 3], [4, 5, 6]], instance])
    assert (caught.value.code, caught.value.param) == (code, param)
    assert fragment in caught.value.message
