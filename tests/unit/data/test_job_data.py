"""What a job makes of its data: the columns that say something, the rows, and this in words."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from worker.data import Column, Outline, Table, prepare, sample, understand
from worker.data.delimited import parse_csv
from worker.data.table import Cells, categorical, images, numeric
from worker.errors import DataError
from worker.spec import JobSpec, PartRows, Split

ROWS = 40
X, Y = np.arange(ROWS) % 7 + 0.5, np.arange(ROWS) % 2
LATER = np.where(np.arange(ROWS) == ROWS - 1, 1.0, np.nan)


def job(**fields: Any) -> JobSpec:
    return JobSpec.model_validate({"dataset": "ds_12345678", "target": "y", **fields})


def date(name: str, values: Any) -> Cells:
    return Column(name=name, kind="date"), np.asarray(values, dtype=np.float64)


def with_x(*cells: Cells) -> Table:
    return Table.of([*cells, numeric("x", X), numeric("y", Y)])


SILENT = [
    (numeric("k", np.full(ROWS, 7.0)), "constant"),
    (numeric("k", np.zeros(ROWS)), "constant"),
    (numeric("k", np.full(ROWS, np.nan)), "empty"),
    (numeric("k", LATER), "constant"),
    (categorical("k", ["only"], np.zeros(ROWS)), "constant"),
    (categorical("k", [], np.full(ROWS, -1)), "empty"),
    (date("k", np.full(ROWS, 19_000.0)), "constant"),
    (date("k", np.full(ROWS, np.nan)), "empty"),
]


@pytest.mark.parametrize(("cells", "reason"), SILENT)
def test_columns_that_say_nothing_are_left_out_of_the_network(cells: Cells, reason: str) -> None:
    table = with_x(cells)
    outline, prepared = Outline.of(table, job()), prepare(table, job())
    assert outline.understood.left_out == {"k": reason}
    assert outline.understood.features == 1
    assert outline.shape == prepared.shape == (1,)
    assert prepared.features == ("x",)
    for encoder in prepared.encoders:
        assert encoder.schema().left_out == ("k",)
        assert encoder.feature_names == ("x",)
        np.testing.assert_array_equal(encoder.transform(with_x()), prepared.x[0])
    some = sample(table, job(), outline, train=20, held_out=5)
    assert (some.features, some.shape) == (prepared.features, prepared.shape)


def test_what_varies_stays() -> None:
    table = with_x(
        numeric("late", np.arange(ROWS) == ROWS - 1),
        categorical("some", ["only"], np.where(Y, 0, -1)),
        date("day", np.arange(ROWS)),
    )
    outline = Outline.of(table, job())
    assert outline.understood.left_out == {}
    assert (outline.understood.features, outline.inputs) == (4, 1 + 1 + 6 + 1)


def test_a_column_that_varies_late_in_a_long_table_stays() -> None:
    rows = 5_000
    late = np.arange(rows) >= rows - 1
    table = Table.of([numeric("late", late), numeric("y", np.arange(rows) % 2)])
    assert Outline.of(table, job()).inputs == 1


def test_only_rows_with_a_target_count() -> None:
    """A column that varies where there is no target says nothing to a network."""
    labels = np.where(np.arange(ROWS) < 30, Y, np.nan)
    mark = np.where(np.arange(ROWS) < 30, 1.0, np.arange(ROWS))
    table = Table.of([numeric("mark", mark), numeric("x", X), numeric("y", labels)])
    assert Outline.of(table, job()).understood.left_out == {"mark": "constant"}
    assert prepare(table, job()).features == ("x",)


@pytest.mark.parametrize(("cells", "reason"), SILENT[:3])
def test_nothing_left_is_an_error_that_says_why(cells: Cells, reason: str) -> None:
    table = replace(Table.of([cells, numeric("y", Y)]), ignored=("id",))
    for step in (Outline.of, prepare, understand):
        with pytest.raises(DataError) as caught:
            step(table, job())
        assert caught.value.code == "no_features"
        assert f"'k' is {reason}" in caught.value.message
        assert "'id' is ignored" in caught.value.message


def test_ignored_columns_are_remembered() -> None:
    table = replace(with_x(numeric("k", np.ones(ROWS))), ignored=("id", "note"))
    assert Outline.of(table, job()).understood.left_out == {
        "k": "constant",
        "id": "ignored",
        "note": "ignored",
    }
    assert prepare(table, job()).encoders[0].left_out == ("k", "id", "note")


def test_images_beside_a_column_that_says_nothing() -> None:
    pixels = np.arange(ROWS * 4, dtype=np.uint8).reshape(ROWS, 1, 2, 2)
    pair = [images("image", pixels), numeric("y", Y)]
    alone = Table.of([*pair, numeric("k", np.ones(ROWS))])
    assert Outline.of(alone, job()).shape == (1, 2, 2)
    with pytest.raises(DataError, match="without 'x'"):
        Outline.of(Table.of([*pair, numeric("x", X)]), job())


def test_folds_have_one_shape_whatever_is_constant_in_one_of_them() -> None:
    first = numeric("rare", np.arange(ROWS) == 3)
    whole = prepare(with_x(first), job(split={"folds": 5}))
    assert whole.x.shape == (5, ROWS, 2)
    for split, encoder, matrix in zip(whole.splits, whole.encoders, whole.x, strict=True):
        assert encoder.acts.tolist() == [float(3 in split.train), 1]
        assert matrix[:, 0].any() == (3 in split.train)


def test_days_have_one_width_in_all_folds() -> None:
    days = np.arange(ROWS) + np.where(np.arange(ROWS) == 3, 0.5, 0.0)
    prepared = prepare(with_x(date("at", days)), job(split={"folds": 4}))
    assert prepared.x.shape == (4, ROWS, 9)
    assert "at.time_of_day_sin" in prepared.encoders[0].feature_names
    outline = Outline.of(with_x(date("at", days)), job())
    assert outline.shape == prepared.shape
    some = sample(with_x(date("at", days)), job(), outline, train=20, held_out=5)
    assert some.shape == prepared.shape


def test_all_of_it_in_words() -> None:
    csv = b"k,x,y\n" + b"".join(
        b"1,%d,%s\n" % (n, [b"good", b"bad", b""][n % 3]) for n in range(90)
    )
    said = Outline.of(parse_csv(csv), job(positive="bad", split={"test": 0.2})).understood
    assert (said.target, said.task, said.positive) == ("y", "binary", "bad")
    assert (said.classes, said.classes_count) == (["bad", "good"], 2)
    assert said.rows.model_dump() == {"used": 60, "left_out": {"no target": 30}}
    assert said.left_out == {"k": "constant"}
    assert said.features == 1
    assert "texts are classes" in said.why
    assert understand(parse_csv(csv), job(positive="bad")) == said


def test_the_second_class_is_positive_unless_another_is_named() -> None:
    assert Outline.of(with_x(), job()).understood.positive == "1"
    assert Outline.of(with_x(), job(positive="0")).understood.positive == "0"
    assert prepare(with_x(), job(positive="0")).target.positive_number == 0
    assert Outline.of(with_x(), job(task="multiclass")).understood.positive is None
    assert Outline.of(with_x(), job(target="x")).understood.positive is None


def test_texts_and_missing_targets_are_counted_apart() -> None:
    cells = ["1.5", "2.5", "", "see note", "3.5", "4.5", "5.5"] * 6
    csv = "\n".join(["x,y", *(f"{n},{cell}" for n, cell in enumerate(cells))]).encode()
    with pytest.raises(DataError, match="see note") as caught:
        Outline.of(parse_csv(csv), job())
    assert caught.value.code == "stray_text_in_target"
    spec = job(target_missing="drop", split={"folds": 3})
    outline, prepared = Outline.of(parse_csv(csv), spec), prepare(parse_csv(csv), spec)
    assert outline.understood.rows.model_dump() == {
        "used": 30,
        "left_out": {"no target": 6, "text in the target": 6},
    }
    assert (outline.understood.task, outline.rows) == ("regression", 30)
    assert prepared.x.shape[1] == 30
    kept = [float(cells[n]) for n in prepared.row_numbers]
    restored = prepared.y[0] * prepared.target_scale[0] + prepared.target_center[0]
    np.testing.assert_allclose(restored, kept, rtol=1e-6)
    some = sample(parse_csv(csv), spec, outline, train=8, held_out=4)
    assert np.isfinite(some.y).all()


@pytest.mark.parametrize("columns", [{"y": "categorical"}, {"y": "categorical", "x": "numeric"}])
def test_a_job_may_declare_its_target_categorical(columns: dict[str, str]) -> None:
    csv = b"x,y\n" + b"".join(b"%d,%d\n" % (n, n % 25) for n in range(99)) + b"1,N\n"
    outline = Outline.of(parse_csv(csv), job(columns=columns))
    assert outline.understood.classes_count == 26
    assert "`columns`" in outline.understood.why


def test_rows_that_the_split_does_not_name_are_told() -> None:
    rows = PartRows(train=tuple(range(20)), validation=(20, 21), test=())
    said = Outline.of(with_x(), job(split=Split(rows=rows).model_dump(mode="json"))).understood
    assert said.rows.model_dump() == {"used": 22, "left_out": {"in no part of the split": 18}}


def test_lists_are_short_whatever_the_data() -> None:
    many = [numeric(f"k{n}", np.ones(300)) for n in range(300)]
    labels = [f"c{n}" for n in range(300)]
    table = Table.of([*many, numeric("x", np.arange(300)), categorical("y", labels, range(300))])
    said = understand(table, job())
    assert (len(said.classes), said.classes_count) == (100, 300)
    assert len(said.left_out) == 100
