from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.data import Column, Records, Table
from worker.errors import DataError

COLUMNS = (
    Column(name="age", kind="numeric"),
    Column(name="job", kind="categorical", categories=("1", "2.0", "True", "skilled")),
)
GRAY = Column(name="image", kind="image", shape=(1, 2, 3))
COLOR = Column(name="image", kind="image", shape=(3, 2, 2))
SERIES = Column(name="series", kind="image", shape=(2, 3))


def read(columns: Sequence[Column], instances: Sequence[Any], **how: Any) -> Table:
    return Records.read(columns, instances, **how).table


def refuse(instances: Any, **how: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(COLUMNS, instances, **how)
    return caught.value


def test_objects_and_arrays() -> None:
    objects = read(COLUMNS, [{"job": "skilled", "age": 41}, {"age": None, "job": None}])
    arrays = read(COLUMNS, [[41, "skilled"], [None, None]])
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
        (" NA", -1),
        (7, -1),
        (True, 2),
        (False, -1),
    ],
)
def test_categories(value: object, code: int) -> None:
    assert read(COLUMNS, [[1, value]]).values["job"][0] == code


def test_a_missing_number_may_be_text() -> None:
    np.testing.assert_array_equal(
        read(COLUMNS, [["NA", None], [2, None]]).values["age"], [np.nan, 2]
    )


@pytest.mark.parametrize(
    ("instance", "code", "param", "fragment"),
    [
        ({"age": "old", "job": None}, "invalid_value", "instances.1.age", "the text 'old'"),
        ({"age": "4 1", "job": None}, "invalid_value", "instances.1.age", "the text '4 1'"),
        ({"age": "1_000", "job": None}, "invalid_value", "instances.1.age", "the text '1_000'"),
        ({"age": "inf", "job": None}, "invalid_value", "instances.1.age", "the text 'inf'"),
        ({"age": "1e39", "job": None}, "not_finite", "instances.1.age", "finite"),
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


@pytest.mark.parametrize(
    ("text", "number"),
    [("10.5", 10.5), (" 12 ", 12.0), ("1e3", 1000.0), ("-.5", -0.5), ("+7", 7.0), ("007", 7.0)],
)
def test_a_number_may_be_a_text(text: str, number: float) -> None:
    table = read(COLUMNS, [[text, None], [3, None]])
    assert table.values["age"].tolist() == [number, 3.0]


def prices(*categories: str) -> tuple[Column]:
    return (Column(name="price", kind="categorical", categories=tuple(sorted(categories))),)


@pytest.mark.parametrize(
    ("categories", "cell", "found"),
    [
        (["10.40", "10.50"], 10.5, "10.50"),
        (["10.40", "10.50"], "10.50", "10.50"),
        (["3.0", "4.0"], 3, "3.0"),
        (["3.000", "4.000"], 3.0, "3.000"),
        (["007", "008"], 7, "007"),
        (["1e3", "2e3"], 1000, "1e3"),
        (["+5", "-5"], 5, "+5"),
        (["-0.50", "0.50"], -0.5, "-0.50"),
        ([".1", ".2"], 0.1, ".1"),
        (["9007199254740993"], 9007199254740993, "9007199254740993"),
        (["001", "01", "1"], 1, "1"),
        (["001", "01", "1"], 1.0, "1"),
        (["001", "01", "1"], "01", "01"),
    ],
)
def test_a_number_finds_the_category_that_is_the_same_number(
    categories: list[str], cell: object, found: str
) -> None:
    columns = prices(*categories)
    records = Records.read(columns, [[cell]])
    assert columns[0].categories[records.table.values["price"][0]] == found
    assert records.unmatched == {}


@pytest.mark.parametrize(
    ("categories", "cell", "ambiguous"),
    [
        (["001", "01"], 1, True),
        (["1.0", "1.00"], 1, True),
        (["10.50", "10.40"], "10.5", False),
        (["10.50"], 10.51, False),
        (["9007199254740992"], 9007199254740993, False),
        (["001"], "1", False),
        (["1"], True, False),
        (["nan", "inf"], 1e300, False),
        (["1" * 500], int("1" * 19), False),
        (["red"], "Red", False),
    ],
)
def test_what_is_no_category_is_kept_beside_the_table(
    categories: list[str], cell: Any, ambiguous: bool
) -> None:
    columns = prices(*categories, "NA")
    records = Records.read(columns, [["NA"], [None], [""], [cell]])
    assert records.table.values["price"].tolist() == [columns[0].categories.index("NA"), -1, -1, -1]
    (met,) = records.unmatched["price"]
    assert (met.position, met.cell, met.ambiguous) == (3, cell, ambiguous)


@pytest.mark.parametrize(
    ("cell", "days"),
    [("1970-01-02", 1.0), (" 1970-01-01T12:00:00 ", 0.5), (None, np.nan), ("", np.nan)],
)
def test_dates(cell: object, days: float) -> None:
    table = read([Column(name="signup", kind="date")], [[cell]])
    np.testing.assert_array_equal(table.values["signup"], [days])


@pytest.mark.parametrize("cell", ["soon", "1970-13-01", 17, True, []])
def test_what_is_no_date_is_refused(cell: object) -> None:
    with pytest.raises(DataError, match="such as"):
        read([Column(name="signup", kind="date")], [["1970-01-01"], [cell]])


def test_columns_that_are_not_read_may_stand_in_a_record() -> None:
    row = {"age": 1, "job": "1"}
    beside = ("bought", "empty")
    records = [row, row | {"bought": "yes"}, row | {"empty": [1], "bought": None}]
    assert read(COLUMNS, records, beside=beside).rows == 3
    error = refuse([*records, row | {"bouhgt": 1}], beside=beside)
    assert (error.code, error.param) == ("unknown_column", "instances.3.bouhgt")
    assert read(COLUMNS, [*records, row | {"bouhgt": 1}], extra=True).rows == 4
    error = refuse([row, {"aeg": 1, "job": "1"}], extra=True)
    assert (error.code, error.param) == ("missing_column", "instances.1.age")
    assert "lacks the column 'age'; it has 'aeg'" in error.message
    error = refuse([{"bought": 1, "empty": 2}], beside=beside)
    assert (error.code, error.param) == ("missing_column", "instances.0.age")


def test_a_column_of_texts_leaves_the_others_as_they_are() -> None:
    columns = [Column(name=name, kind="numeric") for name in "abc"]
    table = read(columns, [[1, "2", None], [4.5, 5, "6"]])
    assert [table.values[name].tolist()[1] for name in "abc"] == [4.5, 5.0, 6.0]
    with pytest.raises(DataError) as caught:
        read(columns, [[1, "2", None], [float("nan"), 5, "6"]])
    assert caught.value.param == "instances.1.a"


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
        table = read(COLUMNS, instances)
    except DataError as error:
        param = error.param or "none"
    if param is None:
        assert table.rows == len(instances)
        assert not np.isinf(table.values["age"]).any()
    else:
        assert param.startswith("instances")


def image_values(column: Column, instances: list[Any], **how: Any) -> np.ndarray:
    table = read([column], instances, **how)
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
        ("text", "invalid_picture", "instances.1.image", "is a picture"),
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


@pytest.mark.parametrize("wrong", [[[256, 0, 0]], [[-1, 0, 0]], [[0, 255.5, 0]], [[0, 0, 1e30]]])
def test_pixels_that_no_byte_holds_are_refused(wrong: list[list[float]]) -> None:
    right = [[0, 127.5, 255], [0, 0.5, 1]]
    batch = [right, right, [*wrong, [0, 0, 0]]]
    assert len(image_values(GRAY, batch)) == 3
    assert len(image_values(GRAY, [right], as_bytes=True)) == 1
    for instances in (batch, [{"image": image} for image in batch], [[r] for r in batch]):
        with pytest.raises(DataError) as caught:
            image_values(GRAY, instances, as_bytes=True)
        assert (caught.value.code, caught.value.param) == (
            "pixels_out_of_range",
            "instances.2.image",
        )
