"""Plain rows: what is read at once is what is read with care, to the bit, and without a warning."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.data import Column, Encoder, Expectations, PlainReader, Records, Table
from worker.data.table import dates, images, numeric
from worker.spec import Preprocessing

ROWS = 40
BESIDE = ("label", "note")
RNG = np.random.default_rng(0)
COLOUR = Column(name="colour", kind="categorical", categories=("NA", "blue", "red", "unused"))
TOWN = Column(name="town", kind="categorical", categories=("007", "Bern"))


def fitted(cells: list[tuple[Column, Any]], method: str = "standardize") -> Encoder:
    table = Table.of(cells)
    preprocessing = Preprocessing.model_validate({"numeric": method})
    return Encoder.fit(table, table.names, np.arange(ROWS), preprocessing)


NUMBERS = [numeric(f"x{n}", RNG.standard_normal(ROWS) * 10.0**n + n) for n in range(4)]
ALWAYS = numeric("always", np.full(ROWS, 3.5))
COLOURS = (COLOUR, (np.arange(ROWS) % 3).astype(np.int32))
TOWNS = (TOWN, np.ones(ROWS, dtype=np.int32))
HUGE = numeric("huge", np.where(np.arange(ROWS) % 2, 1e19, 0.0))
ENCODERS = {
    "numbers": fitted(NUMBERS),
    "robust": fitted(NUMBERS, "robust"),
    "smooth clip": fitted([*NUMBERS, ALWAYS], "robust_smooth_clip"),
    "mixed, smooth clip": fitted([NUMBERS[2], COLOURS, ALWAYS], "robust_smooth_clip"),
    "as they are": fitted([*NUMBERS, HUGE], "none"),
    "one": fitted(NUMBERS[:1]),
    "one of one value": fitted([ALWAYS]),
    "mixed": fitted([NUMBERS[0], COLOURS, ALWAYS, NUMBERS[1], TOWNS]),
    "categories": fitted([COLOURS]),
}
ENCODERS["of an earlier release"] = replace(ENCODERS["numbers"], low=None, high=None)

number = st.floats(-3, 3) | st.integers(-3, 3)
text = st.sampled_from(["NA", "blue", "red", "Bern", "007"])
strange = st.one_of(
    st.none(),
    st.booleans(),
    st.integers() | st.floats(),
    st.sampled_from([1e300, -math.inf, 10**400, 2**63, 2.0**63, 3.5, 1e19, -0.0]),
    st.sampled_from(["unused", "grey", " red", "", "1.5", "na"]),
    st.lists(st.integers(), max_size=2),
)


def cell(column: Column) -> st.SearchStrategy[Any]:
    ordinary = number if column.kind == "numeric" else text
    return st.one_of(*[ordinary] * 30, strange)


@st.composite
def instances(draw: st.DrawFn, encoder: Encoder) -> list[Any]:
    rows: list[Any] = []
    for _ in range(draw(st.integers(0, 5))):
        cells = [draw(cell(column)) for column in encoder.columns]
        row: Any = cells
        if draw(st.booleans()):
            row = dict(zip((c.name for c in encoder.columns), cells, strict=True))
            row |= draw(st.sampled_from([*[{}] * 9, {"note": None, "label": "x"}, {"odd": 1}]))
        elif draw(st.integers(0, 30)) == 0:
            row = draw(st.sampled_from([cells[:-1], [*cells, 1.0], tuple(cells), None, "text"]))
        rows.append(row)
    return rows


@pytest.mark.parametrize("name", ENCODERS)
def test_what_is_plain_is_what_care_makes_of_it(name: str) -> None:
    encoder = ENCODERS[name]
    reader, expectations = PlainReader.of(encoder, BESIDE), Expectations.of(encoder)
    assert reader is not None

    @given(instances(encoder))
    @settings(max_examples=60)
    def check(rows: list[Any]) -> None:
        found, cells = reader.features(rows), reader.cells(rows)
        # The same rows in two steps, where the columns are numbers alone.
        assert (cells is None) == (found is None or bool(reader.categories))
        if found is None:
            return
        if cells is not None:
            assert reader.encode(cells).tobytes() == found.tobytes()
        records = Records.read(encoder.columns, rows, beside=BESIDE)
        expected = encoder.transform(records.table)
        assert found.dtype == np.float32
        assert found.tobytes() == expected.tobytes()
        assert expectations.surprises(records) == []

    check()


@pytest.mark.parametrize("name", ENCODERS)
def test_ordinary_rows_are_plain(name: str) -> None:
    """In either form, with columns beside, and integers among the numbers."""
    encoder = ENCODERS[name]
    reader = PlainReader.of(encoder, BESIDE)
    ordinary = {"numeric": [0.5, 1], "categorical": ["blue", "red"]}
    ordinary_of = {"always": [3.5, 3.5], "town": ["Bern", "Bern"]}
    columns = [ordinary_of.get(c.name, ordinary[c.kind]) for c in encoder.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    names = [column.name for column in encoder.columns]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    assert reader is not None
    of_arrays, of_records = (
        reader.features(rows),
        reader.features([*records, records[0] | {"note": 1}]),
    )
    assert of_arrays is not None
    assert of_records is not None
    assert of_records[:2].tobytes() == of_arrays.tobytes()
    expected = encoder.transform(Records.read(encoder.columns, rows).table)
    assert of_arrays.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "row",
    [
        None, {"x0": 1.0}, [1.0, 1, 1, 1, 1], (1.0,), [1.0, 1.0, 1.0, None], [1.0, True, 1.0, 1.0],
        [1.0, "1", 1.0, 1.0], [1.0, 1e9, 1.0, 1.0], [math.nan, 1.0, 1.0, 1.0],
        {"x0": 1, "x1": 1, "x2": 1, "x3": 1, "odd": 1},
    ],
)  # fmt: skip
def test_what_needs_a_look_is_left_to_care(row: Any) -> None:
    reader = PlainReader.of(ENCODERS["numbers"], BESIDE)
    assert reader is not None
    assert reader.features([[0.0, 0.0, 0.0, 0.0]]) is not None
    assert reader.features([[0.0, 0.0, 0.0, 0.0], row]) is None


def test_dates_and_images_are_never_plain() -> None:
    day = dates("day", 20_000.0 + np.arange(ROWS))
    assert PlainReader.of(fitted([NUMBERS[0], day])) is None
    assert PlainReader.of(fitted([images("pixels", np.ones((ROWS, 1, 2, 2)))])) is None


def test_numbers_that_would_be_clipped_are_never_plain() -> None:
    narrow = fitted([numeric("narrow", np.linspace(0.0, 1e-30, ROWS))])
    assert PlainReader.of(narrow) is not None
    assert PlainReader.of(replace(narrow, low=None, high=None)) is None


@settings(max_examples=60)
@given(st.data(), st.sampled_from(sorted(ENCODERS)), st.sampled_from(["f2", "f4", "f8", "i8"]))
def test_a_matrix_of_plain_rows(data: st.DataObject, name: str, kind: str) -> None:
    encoder = ENCODERS[name]
    reader = PlainReader.of(encoder)
    assert reader is not None
    odd = st.sampled_from([math.nan, math.inf, -1e300, 2.0**63, 3.5])
    cells = st.integers(-3, 3) if kind == "i8" else st.one_of(*[st.floats(-3, 3)] * 20, odd)
    shape = (3, len(encoder.columns))
    drawn = data.draw(st.lists(cells, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    with np.errstate(over="ignore"):
        matrix = np.array(drawn, dtype=kind).reshape(shape)
    read = reader.matrix_features(matrix)
    if not encoder.takes_numbers:
        assert read is None
    elif read is not None:
        assert read.tobytes() == encoder.transform_numbers(matrix).tobytes()
        assert Expectations.of(encoder).are_met(matrix)
    else:
        beyond = np.abs(matrix.astype(np.float64)) >= 2.0**63
        assert beyond.any() or not Expectations.of(encoder).are_met(matrix)


def test_a_matrix_of_other_columns_is_not_plain() -> None:
    reader = PlainReader.of(ENCODERS["numbers"])
    assert reader is not None
    assert reader.matrix_features(np.zeros((2, 3))) is None
