"""What a prediction's records hold that training did not is told once a kind and column."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from worker.data import Encoder, EncoderSchema, Expectations, Records, Table, category_index
from worker.data.category_index import Guesses
from worker.data.table import Column, categorical, images, numeric
from worker.results import PredictionWarning
from worker.spec import Preprocessing

COLORS = ["blue", "dark red", "green", "red"]
CITIES = [f"city {number:05}" for number in range(3_000)]


def fit(table: Table, rows: int | None = None) -> Encoder:
    """An encoder that is fitted on the first rows of a table."""
    training = np.arange(rows or table.rows)
    return Encoder.fit(table, table.names, training, Preprocessing())


def met(encoder: Encoder, instances: list[Any]) -> list[PredictionWarning]:
    """The warnings of some instances, by an encoder that was stored and read back."""
    schema = EncoderSchema.model_validate_json(encoder.schema().model_dump_json())
    again = Encoder.load(schema, encoder.constants())
    found = Expectations.of(again).surprises(Records.read(again.columns, instances))
    assert len({(warning.code, warning.column) for warning in found}) == len(found)
    assert all(0 <= w.first < len(instances) and w.count <= len(instances) for w in found)
    return found


def of_category(instances: list[Any], *categories: str) -> list[PredictionWarning]:
    """The warnings of the cells of one categorical column."""
    table = Table.of([categorical("color", categories, range(len(categories)))])
    return met(fit(table), [[cell] for cell in instances])


def mixed() -> Encoder:
    """Age from 20 to 60 with a median of 30, size always 5, and colours of which one is new."""
    return fit(
        Table.of(
            [
                numeric("age", [20.0, 60.0, 30.0, 1e9]),
                categorical("color", COLORS, [0, 2, 3, 1]),
                numeric("size", [5.0, 5.0, 5.0, 5.0]),
            ]
        ),
        rows=3,
    )


def test_nothing_is_met_in_records_as_they_were_trained_on() -> None:
    assert (
        met(
            mixed(),
            [[20, "blue", 5], [-19.9, "green", 5], {"age": 100, "color": " red", "size": 5}],
        )
        == []
    )


def test_each_kind_and_column_is_told_once() -> None:
    warnings = met(
        mixed(),
        [
            [30, "blue", 5],
            [None, "bleu", 5],
            [101, "dark red", None],
            ["NA", None, 6],
            [-1e300 * 1e-262, "", None],
        ],
    )
    assert [(w.code, w.column, w.count, w.first, w.example) for w in warnings] == [
        ("far_outside", "age", 2, 2, 101.0),
        ("missing_filled", "age", 2, 1, None),
        ("unknown_category", "color", 2, 1, "bleu"),
        ("missing_filled", "color", 2, 3, None),
        ("far_outside", "size", 1, 3, 6.0),
        ("missing_filled", "size", 2, 2, None),
    ]
    messages = {(w.code, w.column): w.message for w in warnings}
    assert "20 to 60" in messages["far_outside", "age"]
    assert "instance 2 has 101" in messages["far_outside", "age"]
    assert "median of the training rows was put in, 30" in messages["missing_filled", "age"]
    assert "'bleu' (nearest: 'blue'), 'dark red'." in messages["unknown_category", "color"]


@pytest.mark.parametrize(
    ("cell", "nearest"),
    [
        ("gren", "green"),
        ("GREEN", "green"),
        ("Dark-Red", "dark red"),
        ("blau", "blue"),
        ("xyzzy", None),
        ("g" * 100_000, None),
        (17, None),
        (False, None),
    ],
)
def test_the_nearest_category_is_named(cell: Any, nearest: str | None) -> None:
    (warning,) = of_category(["red", cell, cell], *COLORS)
    assert (warning.code, warning.count, warning.first) == ("unknown_category", 2, 1)
    assert ("nearest" in warning.message) == (nearest is not None)
    assert f"(nearest: {nearest!r})" in warning.message or nearest is None
    assert len(warning.message) < 300
    assert warning.example == cell or str(warning.example).startswith("ggg")


@pytest.mark.parametrize(
    ("cell", "start"),
    [
        ("City 01500", "city 01500"),
        ("city01500", "city 01500"),
        ("CITY_01500", "city 01500"),
        ("city 01500x", "city 01"),
    ],
)
def test_the_nearest_of_many_categories_is_found(cell: str, start: str) -> None:
    (warning,) = of_category([cell], *CITIES)
    assert f"(nearest: '{start}" in warning.message


@pytest.mark.parametrize(
    ("cell", "code"),
    [(1, "ambiguous_category"), (1.0, "ambiguous_category"), ("1", "unknown_category"), (2, None)],
)
def test_a_number_that_several_categories_are_is_none_of_them(cell: Any, code: str | None) -> None:
    warnings = of_category([cell], "01", "001", "2.00")
    assert [warning.code for warning in warnings] == ([] if code is None else [code])


def test_a_request_has_few_categories_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def near(word: str, among: dict[str, str], **how: Any) -> list[str]:
        del how
        compared.append(len(word) * sum(map(len, among)))
        return []

    monkeypatch.setattr(category_index, "get_close_matches", near)
    columns = 50
    table = Table.of(categorical(f"c{n}", CITIES, range(len(CITIES))) for n in range(columns))
    instances = [[f"{'x' * 40}{row}"] * columns for row in range(20)]
    assert len(met(fit(table), instances)) == columns
    assert 0 < len(compared) <= Guesses.MOST
    assert sum(compared) <= Guesses.EFFORT


numbers = st.floats(-1e6, 1e6) | st.just(np.nan)


@settings(max_examples=40)
@given(arrays(np.float64, (4, 3), elements=numbers), arrays(np.float64, (5, 3), elements=numbers))
def test_far_outside_is_further_than_the_range_is_wide(
    trained: np.ndarray, sent: np.ndarray
) -> None:
    table = Table.of(numeric(f"c{place}", column) for place, column in enumerate(trained.T))
    instances = [[None if np.isnan(x) else x for x in row] for row in sent.tolist()]
    expected = []
    for place in range(3):
        known = [x for x in trained[:, place].tolist() if not np.isnan(x)]
        cells = [row[place] for row in instances]
        if known:
            low, high = min(known), max(known)
            far = [
                n
                for n, x in enumerate(cells)
                if x is not None and (x < low - (high - low) or x > high + (high - low))
            ]
            if far:
                expected.append(("far_outside", f"c{place}", len(far), far[0]))
        if None in cells:
            name = f"c{place}"
            expected.append(("missing_filled", name, cells.count(None), cells.index(None)))
    found = met(fit(table), instances)
    assert [(w.code, w.column, w.count, w.first) for w in found] == expected


def test_a_model_of_an_earlier_release_knows_no_range() -> None:
    encoder = replace(mixed(), low=None, high=None)
    assert encoder.constants().keys() == {"fill", "center", "scale", "acts", "seen"}
    found = met(encoder, [[1e9, "pink", 1], [None, "red", 5]])
    assert [warning.code for warning in found] == ["missing_filled", "unknown_category"]


BYTES = np.arange(0, 64, dtype=np.uint8).reshape(4, 1, 4, 4) * 4
FLOATS = (BYTES / 252).astype(np.float32)
DARK = np.full((1, 4, 4), 0, dtype=np.uint8)
BRIGHT = DARK + 200


@pytest.mark.parametrize(
    ("trained", "sent", "code"),
    [
        (BYTES, BRIGHT, None),
        (BYTES, BRIGHT / 255, "pixels_look_scaled"),
        (BYTES, BRIGHT / 200, "pixels_look_scaled"),
        (BYTES, DARK, None),
        (BYTES, BRIGHT + 0.5, None),
        (BYTES[:, :, :1, :2], BRIGHT[:, :1, :2] / 255, "pixels_look_scaled"),
        (BYTES[:, :, :1, :2], BRIGHT[:, :1, :2] / 200, None),
        (BYTES.astype(np.float32) + 1, BRIGHT / 255, "pixels_look_scaled"),
        (FLOATS * 16, BRIGHT / 255, "pixels_look_scaled"),
        (BYTES // 200, BRIGHT / 200, None),
        (FLOATS, BRIGHT / 255, None),
        (FLOATS, BRIGHT, "far_outside"),
        (FLOATS - 0.5, BRIGHT / -255, None),
        (FLOATS - 0.5, BRIGHT / -100, "far_outside"),
    ],
)
def test_pixels_on_another_scale_are_told(
    trained: np.ndarray, sent: np.ndarray, code: str | None
) -> None:
    encoder = fit(Table.of([images("image", trained)]))
    same = trained[0].tolist()
    warnings = met(encoder, [same, {"image": sent.tolist()}, sent.tolist()])
    assert [(w.code, w.column, w.count, w.first) for w in warnings] == (
        [] if code is None else [(code, "image", 2, 1)]
    )
    old = Expectations.of(replace(encoder, low=None, high=None))
    assert old.surprises(Records.read(encoder.columns, [sent.tolist()])) == []


def test_dates_far_outside_are_written_as_dates() -> None:
    column = Column(name="signup", kind="date")
    encoder = Encoder(
        (column,),
        Preprocessing(),
        *np.zeros((3, 0)),
        acts=np.zeros(0, dtype=np.float32),
        seen=np.zeros(0, dtype=np.float32),
        low=np.array([0.0]),
        high=np.array([365.5]),
    )
    records = Records.read([column], [["1971-01-01"], ["1972-06-01T10:00"], [None]])
    far, missing = Expectations.of(encoder).surprises(records)
    assert (far.code, far.count, far.example) == ("far_outside", 1, "1972-06-01")
    assert "1970-01-01 to 1971-01-01" in far.message
    assert (missing.code, missing.first) == ("missing_filled", 2)
