from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from worker.data import Table, check, prepare
from worker.data.table import categorical, numeric
from worker.errors import DataError
from worker.spec import JobSpec, PartRows, Split


def table(parts: dict[str, int] | None = None) -> Table:
    """Twenty rows; 0, 10 and 15 have no target."""
    labels = np.arange(20) % 2
    labels[[0, 10, 15]] = -1
    cells = [numeric("x", np.arange(20.0)), categorical("y", ["a", "b"], labels)]
    return Table.of(cells, target="y", parts=parts)


def job(**split: Any) -> JobSpec:
    return JobSpec.model_validate({"dataset": "ds_12345678", "target": "y", "split": split})


def test_rows_count_the_uploaded_table() -> None:
    rows = {"train": [9, 0, 1, 2], "validation": [10, 11], "test": [19, 15, 12]}
    prepared = prepare(table(), job(rows=rows))
    (split,) = prepared.splits
    numbers = prepared.row_numbers
    np.testing.assert_array_equal(numbers[split.train], [1, 2, 9])
    np.testing.assert_array_equal(numbers[split.validation], [11])
    np.testing.assert_array_equal(numbers[split.test], [12, 19])
    np.testing.assert_allclose(prepared.encoders[0].center, [4.0])
    outline = check(table(), job(rows=rows))
    assert (outline.train_rows, outline.validation_rows, outline.test_rows) == ((3,), (1,), (2,))


def test_parts_may_be_left_out() -> None:
    (split,) = prepare(table(), job(rows={"train": [1, 2]})).splits
    assert (len(split.train), len(split.validation), len(split.test)) == (2, 0, 0)


@pytest.mark.parametrize("step", [check, prepare])
@pytest.mark.parametrize(
    ("rows", "param", "fragment"),
    [
        ({"train": [1, 20]}, "split.rows.train", "no row 20: the data set has 20 rows"),
        ({"train": [1], "test": [2**62]}, "split.rows.test", "no row"),
        ({"train": [0, 10, 15]}, "split.rows.train", "None of the 3 rows"),
        ("given", "split.rows", "not uploaded in parts"),
    ],
)
def test_refusals_by_the_data(step: Any, rows: Any, param: str, fragment: str) -> None:
    with pytest.raises(DataError, match=fragment) as caught:
        step(table(), job(rows=rows))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("split", "place", "fragment"),
    [
        ({"rows": {"train": []}}, ("rows", "train"), "at least 1"),
        ({"rows": {"test": [1]}}, ("rows", "train"), "required"),
        ({"rows": {"train": [1, 2, 1]}}, ("rows", "train"), "names row 1 2 times"),
        ({"rows": {"train": [1, 2], "test": [2]}}, ("rows", "test"), "1 of its rows with train"),
        (
            {"rows": {"train": [1], "validation": [3, 2], "test": [2, 3]}},
            ("rows", "test"),
            "2 of its rows with validation, such as row 2",
        ),
        ({"rows": {"train": [-1]}}, ("rows", "train", 0), "greater than or equal to 0"),
        ({"rows": {"train": ["1"]}}, ("rows", "train", 0), "valid integer"),
        ({"rows": {"train": [True]}}, ("rows", "train", 0), "valid integer"),
        ({"rows": {"train": range(2_000_001)}}, ("rows", "train"), "at most 2000000"),
        ({"rows": {"train": [1]}, "folds": 2}, (), "folds and rows exclude each other"),
        ({"rows": "given", "folds": 2}, (), "folds and rows exclude each other"),
    ],
)
def test_refusals_by_the_spec(split: dict[str, Any], place: tuple[Any, ...], fragment: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Split.model_validate(split)
    found = [
        (tuple(step for step in error["loc"] if step != "PartRows"), error["msg"])
        for error in caught.value.errors()
    ]
    assert any(loc == place and fragment in message for loc, message in found), found


def test_a_split_survives_json() -> None:
    split = Split(rows=PartRows(train=(3, 1), test=(2,)))
    assert Split.model_validate_json(split.model_dump_json()) == split
    assert Split.model_validate_json('{"rows": "given"}').rows == "given"


def test_given_parts_with_their_own_validation() -> None:
    parts = {"train": 12, "validation": 4, "test": 4}
    prepared = prepare(table(parts), job(rows="given"))
    (split,) = prepared.splits
    numbers = prepared.row_numbers
    np.testing.assert_array_equal(numbers[split.train], [n for n in range(12) if n not in {0, 10}])
    np.testing.assert_array_equal(numbers[split.validation], [12, 13, 14])
    np.testing.assert_array_equal(numbers[split.test], [16, 17, 18, 19])


def test_validation_is_drawn_of_the_given_training_rows() -> None:
    parts = {"train": 16, "test": 4}
    (split,) = prepare(table(parts), job(rows="given", validation=0.3, seed=1)).splits
    assert (len(split.train), len(split.validation), len(split.test)) == (9, 4, 4)
    joined = np.sort(np.concatenate([split.train, split.validation]))
    np.testing.assert_array_equal(joined, np.arange(13))
    (without,) = prepare(table(parts), job(rows="given", validation=0.0)).splits
    assert (len(without.train), len(without.validation)) == (13, 0)
