import threading
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from worker.data.delimited import parse_csv
from worker.data.side_by_side import LARGE, meanwhile, side_by_side
from worker.data.statistics import TableStatistics
from worker.errors import DataError

ROWS = 60_000


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """As many as Arrow has."""
    before = pa.cpu_count()
    pa.set_cpu_count(request.param)
    yield request.param
    pa.set_cpu_count(before)


def large_csv(**last: str) -> bytes:
    """More than `LARGE`, numbers, dates and texts in turn; cells that the last row has instead."""
    chance = np.random.default_rng(0)
    columns = {f"x{number}": chance.normal(size=ROWS).round(6).astype(str) for number in range(8)}
    columns["day"] = np.datetime_as_string(
        np.datetime64("2024-01-01") + chance.integers(0, 900, ROWS)
    )
    columns["text"] = np.array(["red", "green", "blue"])[chance.integers(0, 3, ROWS)]
    rows = zip(*(cells.tolist() for cells in columns.values()), strict=True)
    lines = [",".join(columns), *map(",".join, rows)]
    lines.append(",".join(last.get(name, str(cells[0])) for name, cells in columns.items()))
    data = "\n".join(lines).encode()
    assert len(data) > LARGE
    return data


def test_the_table_does_not_depend_on_threads() -> None:
    data, before, found = large_csv(), pa.cpu_count(), []
    try:
        for threads in (1, 3):
            pa.set_cpu_count(threads)
            table = parse_csv(data)
            found.append((table.to_parquet(), TableStatistics.of(table, "text").model_dump_json()))
    finally:
        pa.set_cpu_count(before)
    assert found[0] == found[1]


def test_the_error_of_the_first_column_is_raised(threads: int) -> None:
    long = "a" * 70_000
    with pytest.raises(DataError, match="'x2' holds a cell of 70,000") as error:
        parse_csv(large_csv(x2=long, x3=long, text=long))
    assert error.value.extra["line"] == ROWS + 2


def test_few_are_taken_up_before_they_are_asked_for(threads: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = side_by_side(lambda number: number * number, items(), LARGE)
    assert next(results) == 0
    assert len(taken) <= threads + 1
    assert list(results) == [number * number for number in range(1, 100)]


@pytest.mark.parametrize("size", [0, LARGE])
def test_what_is_done_meanwhile_is_done_and_its_error_told(threads: int, size: int) -> None:
    done = threading.Event()
    with meanwhile(done.set, size):
        pass
    assert done.is_set()

    def fail() -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"), meanwhile(fail, size):
        pass
    with pytest.raises(DataError), meanwhile(fail, size):
        raise DataError("no such column", code="unknown_column")
