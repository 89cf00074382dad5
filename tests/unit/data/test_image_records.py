from typing import Any

import numpy as np
import pytest

from worker.data import Column, table_from_records
from worker.errors import DataError

GRAY = Column(name="image", kind="image", shape=(1, 2, 3))
COLOR = Column(name="image", kind="image", shape=(3, 2, 2))
SERIES = Column(name="series", kind="image", shape=(2, 3))


def values(column: Column, instances: list[Any]) -> np.ndarray:
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
    found = values(GRAY, flat)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [pixels, pixels, pixels, pixels / 2])
    np.testing.assert_array_equal(values(GRAY, flat[:2]), [pixels, pixels])


def test_channels_last() -> None:
    pixels = np.arange(12).reshape(2, 2, 3)
    np.testing.assert_array_equal(values(COLOR, [pixels.tolist()])[0], np.moveaxis(pixels, 2, 0))


def test_series() -> None:
    np.testing.assert_array_equal(
        values(SERIES, [[[1, 2, 3], [4, 5, 6]]]), [[[1, 2, 3], [4, 5, 6]]]
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
def test_errors_name_instance_and_column(
    instance: Any, code: str, param: str, fragment: str
) -> None:
    with pytest.raises(DataError) as caught:
        values(GRAY, [[[1, 2, 3], [4, 5, 6]], instance])
    assert (caught.value.code, caught.value.param) == (code, param)
    assert fragment in caught.value.message
