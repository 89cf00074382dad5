"""Reports, previews and pages of categories, counted from tables."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.data.report import (
    ColumnReport,
    category_page,
    iso_dates,
    listed,
    preview,
    report,
    stored_report,
    written_ranges,
)
from worker.data.table import LARGEST, Cells, Column, Table, categorical, images, numeric
from worker.errors import DataError

NUMBERS = st.lists(st.none() | st.floats(-1e30, 1e30), min_size=1, max_size=30)
WORDS = st.lists(st.none() | st.sampled_from("abcdefgh"), min_size=1, max_size=60)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def labels(name: str, words: list[str | None]) -> Cells:
    known = sorted({word for word in words if word is not None})
    return categorical(name, known, [-1 if word is None else known.index(word) for word in words])


def dates(name: str, days: list[float]) -> Cells:
    column = Column(name=name, kind="date", missing=int(np.isnan(days).sum()))
    return column, np.array(days)


@given(NUMBERS)
def test_a_column_of_numbers_has_its_figures(numbers: list[float | None]) -> None:
    values = [np.nan if number is None else number for number in numbers]
    (column,) = report(Table.of([numeric("x", values)]))
    known = [number for number in numbers if number is not None]
    assert (column.missing, column.distinct) == (numbers.count(None), len(set(known)))
    assert column.sample == pytest.approx(known[:3])
    if known:
        assert (column.minimum, column.maximum) == (min(known), max(known))
        assert column.mean == pytest.approx(float(np.mean(known)))
    else:
        assert (column.minimum, column.mean, column.maximum) == (None, None, None)


def test_a_column_of_numbers_has_a_histogram_of_its_range() -> None:
    numbers = np.random.default_rng(0).normal(size=500)
    (column,) = report(Table.of([numeric("x", np.append(numbers, np.nan))]))
    assert column.histogram == np.histogram(numbers, bins=16)[0].tolist()


@pytest.mark.parametrize(
    ("numbers", "counts"),
    [([7.0, 7.0], []), ([np.nan], []), ([0.0, 5e-324], [1, *[0] * 14, 1])],
    ids=["one value", "none", "the smallest width"],
)
def test_a_histogram_needs_a_width(numbers: list[float], counts: list[int]) -> None:
    (column,) = report(Table.of([numeric("x", np.array(numbers))]))
    assert column.histogram == counts


def test_ranges_are_written_as_cells() -> None:
    cells = [dates("d", [0.0]), labels("k", ["a"]), numeric("x", [1.0]), numeric("e", [np.nan])]
    columns = Table.of(cells).columns
    low, high = np.array([19_723.0, 0.5, -LARGEST]), np.array([19_725.0, 7.0, LARGEST])
    assert written_ranges(columns, low, high) == {
        "d": ("2024-01-01", "2024-01-03"),
        "x": (0.5, 7),
    }


@given(WORDS)
def test_a_column_of_texts_has_its_commonest_values(words: list[str | None]) -> None:
    table = Table.of([labels("x", words)])
    (column,) = report(table)
    counts = Counter(word for word in words if word is not None)
    assert column.sample == [word for word in words if word is not None][:3]
    assert (column.distinct, column.categories_count) == (len(counts), len(counts))
    expected = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    assert [(one.value, one.count) for one in column.commonest] == expected
    ids = {value: number for number, value in enumerate(sorted(counts), start=1)}
    assert all(one.id == ids[one.value] for one in column.commonest)


@given(st.lists(st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)), min_size=1, max_size=9))
def test_dates_are_written_as_iso_8601(days: list[date | None]) -> None:
    numbers = np.array([np.nan if day is None else day.toordinal() - 719_163 for day in days])
    assert iso_dates(numbers) == [None if day is None else day.isoformat() for day in days]


@given(
    st.datetimes(datetime(1600, 1, 1), datetime(2400, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))
)
def test_a_time_is_written_to_the_second(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    (text, midnight) = iso_dates(np.array([(moment - EPOCH) / timedelta(days=1), 0.0]))
    if (moment - EPOCH) % timedelta(days=1):
        assert text == moment.replace(tzinfo=None).isoformat()
        assert midnight == "1970-01-01T00:00:00"
    else:
        assert text == moment.date().isoformat()


def test_dates_have_first_mean_and_last() -> None:
    (column,) = report(Table.of([dates("d", [19_723.0, np.nan, 19_725.0])]))
    assert (column.kind, column.missing, column.distinct) == ("date", 1, 2)
    assert (column.minimum, column.mean, column.maximum) == (
        "2024-01-01",
        "2024-01-02",
        "2024-01-03",
    )
    assert column.sample == ["2024-01-01", "2024-01-03"]


def test_the_mean_of_dates_alone_may_have_a_time() -> None:
    (column,) = report(Table.of([dates("d", [0.0, 31.0])]))
    assert (column.minimum, column.mean, column.maximum) == (
        "1970-01-01",
        "1970-01-16T12:00:00",
        "1970-02-01",
    )


def test_images_have_their_shape_alone() -> None:
    table = Table.of([images("i", np.zeros((3, 1, 4, 5), np.uint8)), numeric("y", [1, 2, 2.5])])
    first, second = report(table)
    assert (first.shape, first.sample, first.distinct) == ([1, 4, 5], [], None)
    shown = preview(table, 2)
    assert (shown.columns[0].shape, shown.rows) == ([1, 4, 5], [[None, 1], [None, 2]])
    assert second.mean == pytest.approx(5.5 / 3)


def test_a_preview_shows_cells_as_they_were_read() -> None:
    table = Table.of(
        [
            numeric("n", [1.0, np.nan, 2.5]),
            labels("c", ["001", None, "x" * 300]),
            dates("d", [0.0, np.nan, 1.5]),
        ]
    )
    shown = preview(table, 100)
    assert shown.rows_count == 3
    assert [column.kind for column in shown.columns] == ["numeric", "categorical", "date"]
    assert shown.rows == [
        [1, "001", "1970-01-01T00:00:00"],
        [None, None, None],
        [2.5, "x" * 199 + "…", "1970-01-02T12:00:00"],
    ]
    assert preview(table, 1).rows == [[1, "001", "1970-01-01"]]
    assert type(shown.rows[0][0]) is int


def test_what_is_reported_is_bounded_whatever_a_column_holds() -> None:
    words: list[str | None] = [f"{number:06}" + "😀" * 500 for number in range(3000)]
    table = Table.of([labels("x" * 200, words), numeric("n", np.arange(3000) + 0.123456789)])
    columns = report(table)
    for column in columns:
        assert len(column.model_dump_json().encode()) < 16_000
    many = [columns[0]] * 10_000
    assert len(listed(many, 7).model_dump_json().encode()) < 4_000
    assert (listed(many).columns_count, len(listed(many).columns)) == (10_000, 5)


@given(WORDS, st.integers(1, 4))
def test_pages_hold_each_category_once_with_its_count(words: list[str | None], limit: int) -> None:
    table = Table.of([labels("x", words)])
    seen: dict[str, int] = {}
    after, has_more = 0, True
    while has_more:
        page, has_more = category_page(table, "x", after=after, limit=limit)
        assert [one.id for one in page] == list(range(after + 1, after + len(page) + 1))
        seen |= {one.value: one.count for one in page}
        after += limit
    assert list(seen.items()) == sorted(Counter(word for word in words if word).items())


def test_a_column_of_another_kind_has_no_categories() -> None:
    table = Table.of([numeric("age", [1.0])])
    assert category_page(table, "age", after=0, limit=1) == ([], False)
    with pytest.raises(DataError, match="'age'"):
        category_page(table, "agee", after=0, limit=1)


def test_reports_of_earlier_releases_are_read() -> None:
    stored = {
        "name": "job",
        "kind": "categorical",
        "categories": [f"{number:03}" for number in range(30)],
        "missing": 1,
        "shape": [],
    }
    (old,) = stored_report([stored])
    assert (old.categories_count, len(old.categories), old.distinct) == (30, 20, None)
    new = report(Table.of([labels("job", ["a", "b", None])]))
    assert stored_report([json.loads(column.model_dump_json()) for column in new]) == new
    assert isinstance(new[0], ColumnReport)
