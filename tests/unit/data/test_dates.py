"""Dates: found in text, read where declared, against the standard library."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.data import Table
from worker.data.cell_texts import parse_dates
from worker.data.dates import find_dates
from worker.data.delimited import parse_csv
from worker.errors import DataError
from worker.spec import Reading

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORMATS = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%d %b %Y",
    "%d-%b-%y",
    "%B %d, %Y",
    "%a, %d %b %Y",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
]
MOMENTS = [
    datetime(2024, month, day, 15, 30) for month, day in [(1, 31), (2, 29), (12, 5), (5, 13)]
]


def read(cells: list[str], **said: object) -> Table:
    lines = "\n".join(f'"{cell}",{n}' for n, cell in enumerate(cells))
    reading = Reading.model_validate({"columns": {}, **said})
    return parse_csv(f"day,x\n{lines}\n".encode(), reading=reading)


@pytest.mark.parametrize("form", FORMATS)
def test_dates_are_found_and_read_when_declared(form: str) -> None:
    cells = [moment.strftime(form) for moment in MOMENTS]
    found = read([*cells, ""])
    assert found.column("day").kind == "categorical"
    (told,) = [f for f in found.findings if f.column == "day"]
    assert (told.severity, told.code) == ("warning", "dates")
    assert told.change == {"columns": {"day": "date"}}
    assert told.evidence["line"] == 2

    table = read([*cells, "", "-"], columns={"day": "date"})
    column = table.column("day")
    assert (column.kind, column.missing) == ("date", 2)
    expected = [
        datetime.strptime(cell, form.replace("Z", "")).replace(tzinfo=UTC)
        if "Z" not in form
        else datetime.strptime(cell, form).replace(tzinfo=UTC)
        for cell in cells
    ]
    days = [(moment - EPOCH) / timedelta(days=1) for moment in expected]
    np.testing.assert_allclose(table.values["day"], [*days, np.nan, np.nan], rtol=1e-12)
    np.testing.assert_allclose(parse_dates(cells, column), days, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("2024-05-31T12:00:00Z", 12),
        ("2024-05-31T12:00:00+02:00", 10),
        ("2024-05-31 12:00-0530", 17.5),
        ("2024-05-31T12:00:00+00", 12),
        ("2024-05-31 12:00 UTC", 12),
    ],
)
def test_zones(text: str, hours: float) -> None:
    table = read([text, "2024-05-31"], columns={"day": "date"})
    first, second = table.values["day"]
    assert (first - second) * 24 == pytest.approx(hours)


@pytest.mark.parametrize("cells", [["05/06/2024", "07/08/2024"], ["1-2-2024", "3-4-2024"]])
def test_day_and_month_are_not_guessed(cells: list[str]) -> None:
    (told,) = [f for f in read(cells).findings if f.column == "day"]
    assert (told.code, told.change) == ("dates", None)
    with pytest.raises(DataError, match="year first") as caught:
        read(cells, columns={"day": "date"})
    assert (caught.value.code, caught.value.param) == ("ambiguous_date", "columns")
    assert caught.value.extra["line"] == 2


def test_one_cell_tells_day_from_month() -> None:
    first, second = read(["05/06/2024", "13/08/2024"], columns={"day": "date"}).values["day"]
    assert second - first == (date(2024, 8, 13) - date(2024, 6, 5)).days
    first, second = read(["05/06/2024", "08/13/2024"], columns={"day": "date"}).values["day"]
    assert second - first == (date(2024, 8, 13) - date(2024, 5, 6)).days


@pytest.mark.parametrize("odd", ["soon", "2024-02-30", "2024-13-01", "12:30", "2024", "20240531x"])
def test_a_cell_that_is_no_date_is_named(odd: str) -> None:
    cells = ["2024-05-31", "2024-06-01", "2024-06-02", "2024-06-03", odd]
    with pytest.raises(DataError, match="line 6") as caught:
        read(cells, columns={"day": "date"})
    assert (caught.value.code, caught.value.extra["cell"]) == ("not_a_date", odd)
    assert read(cells, columns={"day": "date"}, missing=[odd]).column("day").missing == 1


def test_numbers_and_times_alone_are_no_dates() -> None:
    for cells in (["1", "2"], ["10:00", "23:59"]):
        with pytest.raises(DataError) as caught:
            read(cells, columns={"day": "date"})
        assert caught.value.code == "not_a_date"
    (told,) = [f for f in read(["10:00", "23:59", "7:05 am"]).findings if f.column == "day"]
    assert (told.code, told.change) == ("dates", None)
    assert "times" in told.message


def test_eight_digits_are_a_date_where_that_is_said() -> None:
    assert read(["20240531", "20240601"]).column("day").kind == "numeric"
    values = read(["20240531", "20240601"], columns={"day": "date"}).values["day"]
    assert values.tolist() == [19874, 19875]


@pytest.mark.parametrize(
    "texts",
    [["1.5", "2.5"], ["a-b", "c/d"], ["10-20", "20-30"], ["v1.2", "may be"], ["1/2", "3/4"]],
)
def test_what_is_no_date(texts: list[str]) -> None:
    assert find_dates(pa.array(texts)) is None


@settings(max_examples=20)
@given(st.lists(st.dates(date(1, 1, 1), date(9999, 12, 31)), min_size=1, max_size=300))
def test_days_are_those_of_the_calendar(days: list[date]) -> None:
    found = find_dates(pa.array([day.isoformat() for day in days]))
    assert found is not None
    assert found.days.tolist() == [(day - date(1970, 1, 1)).days for day in days]
