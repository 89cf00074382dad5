"""Columns as they are written for other programs: the same in parts as at once."""

import numpy as np
import pyarrow as pa
import pytest

from worker.data import Table, output_columns
from worker.data.table import categorical, dates, images, numeric

NAMES = ["when", "colour", "size"]
NOON = 19_723.5


def example() -> Table:
    return Table.of(
        [
            numeric("size", [1.0, np.nan, 0.1]),
            categorical("colour", ["red", ""], [0, -1, 0]),
            dates("when", [19_723.0, NOON, np.nan]),
        ]
    )


def test_cells_keep_what_they_are() -> None:
    found = output_columns(example(), NAMES, as_text=False)
    assert list(found) == NAMES
    assert found["size"].equals(pa.array([1.0, None, 0.1]))
    assert found["colour"].equals(pa.array(["red", None, "red"]))
    day = np.datetime64("2024-01-01", "ms")
    expected = [day, day + np.timedelta64(12, "h"), None]
    assert found["when"].equals(pa.array(expected, pa.timestamp("ms")))


def test_a_date_as_text_has_a_time_where_it_has_one() -> None:
    found = output_columns(example(), ["when"], as_text=True)
    assert found["when"].to_pylist() == ["2024-01-01", "2024-01-01T12:00:00", None]


@pytest.mark.parametrize("as_text", [True, False])
def test_parts_are_written_as_the_whole(as_text: bool) -> None:
    table = example()
    whole = pa.table(output_columns(table, NAMES, as_text=as_text))
    parts = [
        pa.table(output_columns(table.select(np.array([row])), NAMES, as_text=as_text))
        for row in range(3)
    ]
    assert pa.concat_tables(parts).combine_chunks().equals(whole)


def test_images_are_not_written() -> None:
    table = Table.of([images("image", np.zeros((2, 1, 4, 4), dtype=np.uint8))])
    with pytest.raises(ValueError, match="images"):
        output_columns(table, ["image"], as_text=True)
