from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.data import Outline, Table, prepare
from worker.data.splits import RowSplit, split_rows
from worker.data.table import categorical, numeric
from worker.errors import DataError
from worker.spec import JobSpec, PartRows, Split


def numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64)


def sizes(split: RowSplit) -> tuple[int, int, int]:
    return len(split.train), len(split.validation), len(split.test)


def check_parts(split: RowSplit, rows: np.ndarray) -> None:
    for part in (split.train, split.validation, split.test):
        assert part.dtype == np.int64
        np.testing.assert_array_equal(part, np.sort(part))
    whole = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(whole), np.sort(rows))


def test_shares_and_strata() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    (split,) = split_rows(numbers(100), labels, Split(validation=0.2, test=0.1, seed=3))
    assert sizes(split) == (70, 20, 10)
    np.testing.assert_array_equal(np.bincount(labels[split.validation]), [10, 6, 4])
    np.testing.assert_array_equal(np.bincount(labels[split.test]), [5, 3, 2])


@pytest.mark.parametrize(
    ("rows", "share", "drawn"),
    [
        ((11, 12, 17), 0.25, (3, 3, 4)),  # quotas 2.75, 3, 4.25: the odd row is the first class's
        ((17, 12, 11), 0.25, (4, 3, 3)),  # the largest remainder, wherever it stands
        ((13, 14, 13), 0.25, (3, 4, 3)),  # 3.25, 3.5, 3.25
        ((15, 15, 14), 0.25, (4, 4, 3)),  # 3.75, 3.75, 3.5: two odd rows
        ((14, 14, 12), 0.25, (4, 3, 3)),  # 3.5 and 3.5: of equal ones the first
        ((21, 23, 26), 0.1, (2, 2, 3)),  # 2.1, 2.3, 2.6
    ],
)
@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_odd_row_goes_to_the_largest_remainder(
    part: str, rows: tuple[int, ...], share: float, drawn: tuple[int, ...]
) -> None:
    labels = np.repeat(np.arange(len(rows)), rows)
    settings = Split.model_validate({"validation": 0.0, "test": 0.0, part: share, "seed": 4})
    (split,) = split_rows(numbers(len(labels)), labels, settings)
    assert np.bincount(labels[getattr(split, part)]).tolist() == list(drawn)


def test_the_draw_is_pinned() -> None:
    """The same rows on every machine and for every version of NumPy."""
    (split,) = split_rows(numbers(12), None, Split(validation=0.25, test=0.25, seed=11))
    assert split.validation.tolist() == [4, 7, 10]
    assert split.test.tolist() == [0, 3, 6]


def test_seeds_differ_and_repeat() -> None:
    first, again, other = (
        split_rows(numbers(100), None, Split(seed=seed))[0].validation for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_row_numbers_are_those_given() -> None:
    rows = np.array([3, 5, 8, 13, 21, 34], dtype=np.int64)
    (split,) = split_rows(rows, None, Split(validation=0.5))
    check_parts(split, rows)


def test_a_lone_row_of_a_class_trains() -> None:
    labels = np.array([0] * 30 + [1])
    for seed in range(20):
        (split,) = split_rows(numbers(31), labels, Split(validation=0.4, test=0.4, seed=seed))
        assert 30 in split.train


def test_a_share_gives_at_least_one_row() -> None:
    (split,) = split_rows(numbers(10), None, Split(validation=0.01, test=0.01))
    assert sizes(split) == (8, 1, 1)


def test_no_validation() -> None:
    (split,) = split_rows(numbers(10), None, Split(validation=0.0))
    assert sizes(split) == (10, 0, 0)


def test_unstratified_on_request() -> None:
    labels = np.repeat([0, 1], [98, 2])
    split = Split(validation=0.5, stratify=False)
    counts = {
        int(
            labels[
                split_rows(numbers(100), labels, split.model_copy(update={"seed": seed}))[
                    0
                ].validation
            ].sum()
        )
        for seed in range(30)
    }
    assert counts == {0, 1, 2}


def test_folds_validate_each_row_once_and_share_the_test_rows() -> None:
    labels = np.repeat([0, 1], [37, 15])
    splits = split_rows(numbers(52), labels, Split(folds=5, test=0.2, seed=7))
    assert len(splits) == 5
    for split in splits:
        check_parts(split, numbers(52))
        np.testing.assert_array_equal(split.test, splits[0].test)
    validated = np.concatenate([split.validation for split in splits])
    assert len(set(validated.tolist())) == len(validated) == 52 - len(splits[0].test)


def test_refusals() -> None:
    with pytest.raises(DataError, match="Class 'rare' has 2 rows") as caught:
        split_rows(
            numbers(20), np.array([0] * 18 + [1] * 2), Split(folds=3), classes=("common", "rare")
        )
    assert caught.value.param == "split.folds"
    with pytest.raises(DataError, match="3 rows cannot make 5 folds"):
        split_rows(numbers(3), None, Split(folds=5))
    with pytest.raises(DataError, match=r"set `split\.validation` to 0"):
        split_rows(numbers(1), None, Split())
    with pytest.raises(DataError, match="none of the 0 rows"):
        split_rows(numbers(0), None, Split(validation=0.0))


def test_unstratified_folds_may_miss_a_class() -> None:
    labels = np.array([0] * 18 + [1] * 2)
    assert len(split_rows(numbers(20), labels, Split(folds=3, stratify=False))) == 3


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    validation=st.floats(0, 0.6),
    test=st.floats(0, 0.39),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_split_is_a_partition_with_the_class_shares(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = numbers(len(labels))
    try:
        (split,) = split_rows(rows, labels, Split(validation=validation, test=test, seed=seed))
    except DataError:
        split = None
    if split is None:
        assert len(labels) - len(counts) < 2  # one row of each class must train
        return
    check_parts(split, rows)
    np.testing.assert_array_equal(np.unique(labels[split.train]), np.arange(len(counts)))
    if min(counts) >= 10:
        expected = np.array(counts) * validation
        assert (
            np.abs(np.bincount(labels[split.validation], minlength=len(counts)) - expected) < 1.5
        ).all()


@given(
    counts=st.lists(st.integers(5, 30), min_size=1, max_size=5),
    folds=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_any_folds_are_even(counts: list[int], folds: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    splits = split_rows(numbers(len(labels)), labels, Split(folds=folds, seed=seed))
    lengths = [len(split.validation) for split in splits]
    assert max(lengths) - min(lengths) <= 1
    table = np.stack(
        [np.bincount(labels[split.validation], minlength=len(counts)) for split in splits]
    )
    assert (table.max(axis=0) - table.min(axis=0) <= 1).all()
    np.testing.assert_array_equal(table.sum(axis=0), counts)


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
    row_numbers = prepared.row_numbers
    np.testing.assert_array_equal(row_numbers[split.train], [1, 2, 9])
    np.testing.assert_array_equal(row_numbers[split.validation], [11])
    np.testing.assert_array_equal(row_numbers[split.test], [12, 19])
    np.testing.assert_allclose(prepared.encoders[0].center, [4.0])
    outline = Outline.of(table(), job(rows=rows))
    assert (outline.train_rows, outline.validation_rows, outline.test_rows) == ((3,), (1,), (2,))


def test_parts_may_be_left_out() -> None:
    (split,) = prepare(table(), job(rows={"train": [1, 2]})).splits
    assert (len(split.train), len(split.validation), len(split.test)) == (2, 0, 0)


@pytest.mark.parametrize("step", [Outline.of, prepare])
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
    errors = [
        (tuple(step for step in error["loc"] if step != "PartRows"), error["msg"])
        for error in caught.value.errors()
    ]
    assert any(loc == place and fragment in message for loc, message in errors), errors


def test_a_split_survives_json() -> None:
    split = Split(rows=PartRows(train=(3, 1), test=(2,)))
    assert Split.model_validate_json(split.model_dump_json()) == split
    assert Split.model_validate_json('{"rows": "given"}').rows == "given"


def test_given_parts_with_their_own_validation() -> None:
    parts = {"train": 12, "validation": 4, "test": 4}
    prepared = prepare(table(parts), job(rows="given"))
    (split,) = prepared.splits
    row_numbers = prepared.row_numbers
    np.testing.assert_array_equal(
        row_numbers[split.train], [n for n in range(12) if n not in {0, 10}]
    )
    np.testing.assert_array_equal(row_numbers[split.validation], [12, 13, 14])
    np.testing.assert_array_equal(row_numbers[split.test], [16, 17, 18, 19])


def test_validation_is_drawn_of_the_given_training_rows() -> None:
    parts = {"train": 16, "test": 4}
    (split,) = prepare(table(parts), job(rows="given", validation=0.3, seed=1)).splits
    assert (len(split.train), len(split.validation), len(split.test)) == (9, 4, 4)
    joined = np.sort(np.concatenate([split.train, split.validation]))
    np.testing.assert_array_equal(joined, np.arange(13))
    (without,) = prepare(table(parts), job(rows="given", validation=0.0)).splits
    assert (len(without.train), len(without.validation)) == (13, 0)
