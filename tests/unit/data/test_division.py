"""Folds that are named, groups that stay together, the order of time, repeated folds."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import PredefinedSplit, StratifiedGroupKFold, TimeSeriesSplit

from worker.data import DividedRows, Outline, Table, prepare
from worker.data.grouping import deal_groups
from worker.data.splits import RowSplit, split_rows
from worker.data.table import categorical, dates, numeric
from worker.data.time_order import time_ordered
from worker.errors import DataError
from worker.search import replica_count
from worker.search.plan import plan
from worker.search.refit import refit_outline
from worker.spec import JobSpec, Split

ROWS = 60


def table(**columns: Any) -> Table:
    """Sixty rows of two classes; row 7 has no target."""
    labels = np.arange(ROWS) % 2
    labels[7] = -1
    cells = [numeric("x", np.arange(float(ROWS))), *columns.values()]
    return Table.of([*cells, categorical("y", ["a", "b"], labels)])


def job(**split: Any) -> JobSpec:
    return JobSpec.model_validate({"dataset": "ds_12345678", "target": "y", "split": split})


def patients(count: int = 12) -> Any:
    names = [f"p{number:02}" for number in range(count)]
    return categorical("patient", names, np.arange(ROWS) * 7 % count)


def whole(split: RowSplit) -> np.ndarray:
    return np.sort(np.concatenate([split.train, split.validation, split.test]))


def disjoint(split: RowSplit, rows: int) -> None:
    np.testing.assert_array_equal(whole(split), np.arange(rows))


# --- folds that are named -------------------------------------------------------------------------


def test_a_column_of_folds_is_a_predefined_split_and_no_feature() -> None:
    folds = numeric("fold", np.array([10.0, 2.0, 1.0])[np.arange(ROWS) * 5 % 3])
    data = table(fold=folds)
    prepared = prepare(data, job(folds={"column": "fold"}))
    assert prepared.features == ("x",)
    assert prepared.encoders[0].left_out == ("fold",)
    numbers = prepared.row_numbers
    expected = PredefinedSplit(np.unique(folds[1][numbers], return_inverse=True)[1])
    for split, (train, validation) in zip(prepared.splits, expected.split(), strict=True):
        np.testing.assert_array_equal(split.train, train)
        np.testing.assert_array_equal(split.validation, validation)
    outline = Outline.of(data, job(folds={"column": "fold"}))
    assert (outline.folds, outline.understood.left_out) == (3, {"fold": "folds"})


def test_texts_that_are_numbers_are_folds_in_the_order_of_numbers() -> None:
    column = categorical("fold", ["1", "10", "2"], np.arange(ROWS) % 3)
    divided = DividedRows.of(table(fold=column), job(folds={"column": "fold"}))
    assert divided.fold_names == ("1", "2", "10")
    held = divided.row_numbers[divided.splits[1].validation]
    assert {column[0].categories[code] for code in column[1][held].tolist()} == {"2"}


def test_one_value_of_the_column_may_be_the_test() -> None:
    column = categorical("part", ["a", "b", "test"], np.arange(ROWS) % 3)
    divided = DividedRows.of(table(part=column), job(folds={"column": "part", "test": "test"}))
    assert divided.fold_names == ("a", "b")
    for split in divided.splits:
        disjoint(split, ROWS - 1)
        assert (divided.row_numbers[split.test] % 3 == 2).all()


def test_lists_of_rows_count_the_uploaded_table() -> None:
    lists = [[9, 0, 1], [7, 3, 2], [5, 4]]
    prepared = prepare(table(), job(folds=lists))
    numbers = prepared.row_numbers
    validation = [numbers[split.validation].tolist() for split in prepared.splits]
    assert validation == [[0, 1, 9], [2, 3], [4, 5]]  # 7 has no target
    assert numbers[prepared.splits[0].train].tolist() == [2, 3, 4, 5]
    outline = Outline.of(table(), job(folds=lists))
    assert outline.understood.rows.used == 7
    assert outline.understood.rows.left_out == {"no target": 1, "in no part of the split": 52}


# --- groups ---------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_groups_are_never_divided_and_every_row_is_dealt_once(data: st.DataObject) -> None:
    count = data.draw(st.integers(6, 40))
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
    groups = np.repeat(np.arange(count), sizes)
    seed = data.draw(st.integers(0, 9))
    drawn = np.random.default_rng(seed)
    labels = drawn.integers(0, 3, len(groups))
    columns = {
        "patient": numeric("patient", groups),
        "y": categorical("y", ["a", "b", "c"], labels),
    }
    x = numeric("x", drawn.normal(size=len(groups)))
    made = Table.of([x, columns["patient"], columns["y"]])
    folds = data.draw(st.one_of(st.none(), st.integers(2, 4)))
    split = {"groups": "patient", "seed": seed, "test": data.draw(st.sampled_from([0.0, 0.2]))}
    if folds:
        split |= {"folds": folds, "repeats": data.draw(st.integers(1, 3))}
    divided = DividedRows.of(made, job(**split))
    numbers = divided.row_numbers
    for one in divided.splits:
        disjoint(one, len(numbers))
        parts = [set(groups[numbers[rows]]) for rows in (one.train, one.validation, one.test)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]
        assert len(one.train) > 0
        assert len(one.validation) > 0
        assert (len(one.test) > 0) == (split["test"] > 0)
        np.testing.assert_array_equal(one.test, divided.splits[0].test)
    if folds:
        dealt = np.concatenate([one.validation for one in divided.splits])
        times = np.bincount(dealt, minlength=len(numbers))
        expected = np.full(len(numbers), split["repeats"])
        expected[divided.splits[0].test] = 0
        np.testing.assert_array_equal(times, expected)


def uneven(fold: np.ndarray, labels: np.ndarray, folds: int) -> float:
    """The largest distance of a fold's share of a class from 1 / folds."""
    share = [
        np.bincount(fold[labels == one], minlength=folds) / (labels == one).sum()
        for one in np.unique(labels)
    ]
    return float(np.abs(np.array(share) - 1 / folds).max())


def test_groups_keep_the_classes_about_as_well_as_scikit_learn() -> None:
    """On 20 sets of groups that lean to one class each: the largest deviation of a class share."""
    ours, theirs = [], []
    for seed in range(20):
        drawn = np.random.default_rng(seed)
        sizes = drawn.integers(1, 30, 80)
        groups = np.repeat(np.arange(80), sizes)
        labels = (drawn.random(len(groups)) < drawn.beta(0.5, 2.0, 80)[groups]).astype(np.int64)
        fold = deal_groups(groups, labels, [0.2] * 5, seed, param="split.folds")
        ours.append(uneven(fold, labels, 5))
        other = np.empty(len(groups), dtype=np.int64)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for number, (_, held) in enumerate(splitter.split(groups, labels, groups)):
            other[held] = number
        theirs.append(uneven(other, labels, 5))
    assert np.mean(ours) <= 1.05 * np.mean(theirs)
    assert max(ours) < 0.03


def test_shares_of_groups_are_near_to_what_is_asked() -> None:
    drawn = np.random.default_rng(3)
    groups = np.repeat(np.arange(300), drawn.integers(1, 10, 300))
    labels = drawn.integers(0, 2, len(groups))
    bins = deal_groups(groups, labels, [0.7, 0.2, 0.1], 4, param="split.groups")
    for one in (0, 1):
        counts = np.bincount(bins[labels == one]) / (labels == one).sum()
        np.testing.assert_allclose(counts, [0.7, 0.2, 0.1], atol=0.01)


def test_one_large_group_is_evened_out_by_the_small_ones() -> None:
    """Groups of equal counts are placed together, and see what stands there."""
    groups = np.repeat(np.arange(101), [100] + [10] * 100)
    fold = deal_groups(groups, np.zeros_like(groups), [0.2] * 5, 0, param="split.folds")
    assert sorted(np.bincount(fold).tolist()) == [220] * 5


def test_the_seed_exchanges_groups_and_repeats_deal_anew() -> None:
    data = table(patient=patients())
    once, again, other = (
        DividedRows.of(data, job(groups="patient", folds=3, seed=seed)) for seed in (1, 1, 2)
    )
    for first, second in zip(once.splits, again.splits, strict=True):
        np.testing.assert_array_equal(first.validation, second.validation)
    repeated = DividedRows.of(data, job(groups="patient", folds=3, seed=1, repeats=2))
    for split, expected in zip(repeated.splits, (*once.splits, *other.splits), strict=True):
        np.testing.assert_array_equal(split.validation, expected.validation)
    pairs = zip(once.splits, other.splits, strict=True)
    assert any(not np.array_equal(a.validation, b.validation) for a, b in pairs)


def test_a_million_rows_are_dealt_in_a_second_or_two() -> None:
    """Linear: a hundred thousand groups of some rows, and as many of one row each."""
    sizes = np.concatenate([np.full(100_000, 9), np.ones(100_000, dtype=np.int64)])
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.arange(len(groups)) % 7
    fold = deal_groups(groups, labels, [0.2] * 5, 1, param="split.folds")
    assert uneven(fold, labels, 5) < 1e-4


# --- order ----------------------------------------------------------------------------------------


@given(st.integers(12, 80), st.integers(2, 6), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_different_times_are_a_time_series_split(rows: int, folds: int, seed: int) -> None:
    times = np.random.default_rng(seed).permutation(rows).astype(float)
    order = np.argsort(times)
    found = time_ordered(times, validation=0.0, test=0.0, folds=folds)
    expected = TimeSeriesSplit(folds).split(order)
    for (train, validation, test), (before, after) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(train, order[before])
        np.testing.assert_array_equal(validation, order[after])
        assert len(test) == 0


@given(
    st.lists(st.integers(0, 30), min_size=20, max_size=60),
    st.sampled_from([0, 2, 3]),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0.0, 0.1, 0.3]),
)
@settings(max_examples=30, deadline=None)
def test_what_trains_is_before_what_validates_and_that_before_the_test(
    times: list[int], folds: int, validation: float, test: float
) -> None:
    array = np.array(times, dtype=float)
    parts = 1 + (folds or int(validation > 0)) + (test > 0)
    if len(set(times)) < parts:
        with pytest.raises(DataError, match="different times"):
            time_ordered(array, validation=validation, test=test, folds=folds)
        return
    found = time_ordered(array, validation=validation, test=test, folds=folds)
    assert len(found) == max(1, folds)
    for train, held, tested in found:
        assert len(train) > 0
        assert (len(tested) > 0) == (test > 0)
        assert (len(held) > 0) == bool(folds or validation)
        there = [array[part] for part in (train, held, tested) if len(part)]
        for earlier, later in pairwise(there):
            assert earlier.max() < later.min()
        assert len(set(np.concatenate([train, held, tested]))) == sum(
            map(len, (train, held, tested))
        )
    last = np.sort(np.concatenate(found[-1]))
    np.testing.assert_array_equal(last, np.arange(len(times)))


def test_a_boundary_leaves_room_for_those_that_follow() -> None:
    """Eight rows of the last time: where the shares would have the first boundary is none left."""
    times = np.array([0.0, 1, 2, 2, 2, 2, 2, 2, 2, 2])
    ((train, validation, test),) = time_ordered(times, validation=0.2, test=0.1, folds=0)
    assert [part.tolist() for part in (train, validation)] == [[0], [1]]
    assert test.tolist() == list(range(2, 10))


def test_dates_divide_and_stay_features_unless_they_are_ignored() -> None:
    days = np.random.default_rng(0).permutation(ROWS) + 19_000.0
    data = table(date=dates("date", days))
    asked = job(order="date", test=0.2)
    prepared = prepare(data, asked)
    assert prepared.features == ("x", "date")
    (split,) = prepared.splits
    numbers = prepared.row_numbers
    assert days[numbers[split.train]].max() < days[numbers[split.validation]].min()
    assert days[numbers[split.validation]].max() < days[numbers[split.test]].min()
    ignoring = asked.model_copy(update={"columns": {"date": "ignore"}})
    assert ignoring.reading.columns == {}
    without = prepare(data, ignoring)
    assert without.features == ("x",)
    np.testing.assert_array_equal(without.splits[0].test, split.test)


def test_a_refit_of_windows_trains_on_all_rows_beside_the_test() -> None:
    data = table(date=dates("date", np.arange(ROWS) + 19_000.0))
    spec = job(order="date", folds=4, test=0.1)
    outline = Outline.of(data, spec)
    assert outline.understood.rows.used == ROWS - 1
    prepared = prepare(data, spec, refit=True)
    (split,) = prepared.splits
    disjoint(split, ROWS - 1)
    assert len(split.train) == refit_outline(outline).train_rows[0] == ROWS - 1 - len(split.test)
    assert refit_outline(outline).folds == 0


# --- repeated folds -------------------------------------------------------------------------------


def test_repeats_deal_by_the_seeds_that_follow_and_share_the_test_rows() -> None:
    labels = np.arange(53) % 3
    places = np.arange(53)
    repeated = split_rows(places, labels, Split(folds=4, repeats=3, test=0.2, seed=8))
    assert len(repeated) == 12
    once = split_rows(places, labels, Split(folds=4, test=0.2, seed=8))
    for number, split in enumerate(repeated):
        disjoint(split, 53)
        np.testing.assert_array_equal(split.test, once[0].test)
        if number < 4:
            np.testing.assert_array_equal(split.validation, once[number].validation)
    for repeat in range(3):
        dealt = np.concatenate(
            [split.validation for split in repeated[4 * repeat : 4 * repeat + 4]]
        )
        assert len(set(dealt)) == len(dealt) == 53 - len(once[0].test)
    plain = split_rows(places, labels, Split(folds=4, repeats=2, seed=8))
    following = split_rows(places, labels, Split(folds=4, seed=9))
    for split, other in zip(plain[4:], following, strict=True):
        np.testing.assert_array_equal(split.validation, other.validation)


@pytest.mark.parametrize(
    ("split", "folds"),
    [
        ({"folds": 3, "repeats": 4}, 12),
        ({"folds": [[0, 1, 2, 3], [4, 5, 6], [8, 9, 10, 11, 12]]}, 3),
        ({"folds": {"column": "patient"}}, 12),
        ({"folds": 4, "groups": "patient"}, 4),
        ({"folds": 5, "order": "x"}, 5),
        ({"order": "x"}, 0),
    ],
)
def test_each_fold_of_each_configuration_is_one_trial(split: dict[str, Any], folds: int) -> None:
    data = table(patient=patients())
    spec = job(**split).model_copy(update={"repeats": 2})
    outline = Outline.of(data, spec)
    assert (outline.folds, len(outline.train_rows)) == (folds, max(1, folds))
    trials = [trial for one in plan(spec, outline) for trial in one.trials]
    found = sorted((trial.repeat, trial.fold) for trial in trials if trial.fold is not None)
    assert found == [(repeat, fold) for repeat in range(2) for fold in range(folds)]
    assert len(trials) == 2 * max(1, folds)
    if "column" not in str(split):
        assert replica_count(spec) == len(trials)


def test_a_split_survives_json() -> None:
    for split in (
        Split.model_validate({"folds": {"column": "fold", "test": "t"}}),
        Split.model_validate({"folds": [[3, 1], [2]]}),
        Split(folds=5, repeats=3, groups="patient"),
        Split(order="date"),
    ):
        assert Split.model_validate_json(split.model_dump_json()) == split
