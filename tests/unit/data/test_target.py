import numpy as np
import pytest

from worker.data import Table, Target, resolve_target
from worker.data.delimited import parse_csv
from worker.data.table import categorical, numeric
from worker.data.target import labelled_rows
from worker.errors import DataError


def column_of(*cells: object) -> Table:
    return parse_csv("\n".join(["y,x", *(f"{cell},1" for cell in cells)]).encode())


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        (["no", "yes", "no"], "binary", ("no", "yes")),
        ([2, 10, 1], "multiclass", ("1", "2", "10")),
        (["1", "2", "x"], "multiclass", ("1", "2", "x")),
        (["b", "a", "c"], "multiclass", ("a", "b", "c")),
        ([1, 2, ""], "binary", ("1", "2")),
        (["1.0", "0.0"], "binary", ("0", "1")),
        ([0.5, 1, 1], "regression", ()),
        (list(range(21)), "regression", ()),
        (list(range(20)), "multiclass", tuple(map(str, range(20)))),
    ],
)
def test_auto(cells: list[object], task: str, classes: tuple[str, ...]) -> None:
    target = resolve_target(column_of(*cells), "y")
    assert (target.task, target.classes) == (task, classes)
    assert target.outputs == (len(classes) if task == "multiclass" else 1)


def test_a_task_may_be_asked_for() -> None:
    assert resolve_target(column_of(1, 2, 3), "y", "regression").task == "regression"
    two = resolve_target(column_of("a", "b"), "y", "multiclass")
    assert (two.task, two.outputs) == ("multiclass", 2)
    halves = resolve_target(column_of(0.5, 1.5), "y", "binary")
    assert halves.classes == ("0.5", "1.5")
    assert halves.whole_numbers is None


@pytest.mark.parametrize(
    ("classes", "numbers"),
    [
        (("0", "1"), (0, 1)),
        (("-2", "3", "10"), (-2, 3, 10)),
        (("0", "01"), None),
        (("1", "2", "x"), None),
        (("1.0", "2.0"), None),
        (("-0", "1"), None),
        (("1", "٣"), None),
        (("0", str(2**53)), (0, 2**53)),
        (("0", str(2**53 + 1)), None),
        ((), None),
    ],
)
def test_classes_are_numbers_if_all_are_written_as_whole_numbers(
    classes: tuple[str, ...], numbers: tuple[int, ...] | None
) -> None:
    assert Target(column="y", task="multiclass", classes=classes).whole_numbers == numbers


def test_the_data_sets_own_target_is_the_default() -> None:
    table = column_of("a", "b")
    assert resolve_target(table, None, default="y").column == "y"
    with pytest.raises(DataError) as caught:
        resolve_target(table, None)
    assert (caught.value.code, caught.value.param) == ("no_target", "target")
    assert "'y', 'x'" in caught.value.message


@pytest.mark.parametrize(
    ("cells", "task", "code", "param"),
    [
        (["a", "a", ""], "auto", "one_class", "target"),
        ([1, 1], "auto", "one_class", "target"),
        ([1, 1], "regression", "constant_target", "target"),
        (["", ""], "auto", "empty_target", "target"),
        (["a", "b"], "regression", "task_mismatch", "task"),
        (["a", "b", "c"], "binary", "task_mismatch", "task"),
        ([f"id{number}" for number in range(1001)], "auto", "too_many_classes", "target"),
    ],
)
def test_refusals(cells: list[object], task: str, code: str, param: str) -> None:
    with pytest.raises(DataError) as caught:
        resolve_target(column_of(*cells), "y", task)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.param) == (code, param)
    assert "'y'" in caught.value.message


def test_an_unknown_target_names_what_is_near() -> None:
    with pytest.raises(DataError, match="Did you mean 'y'") as caught:
        resolve_target(column_of(1, 2), "yy")
    assert caught.value.param == "target"


def test_values_and_labelled_rows() -> None:
    for cells in (["b", "", "a", "b"], [2, "", 1, 2]):
        table = column_of(*cells)
        target = resolve_target(table, "y")
        np.testing.assert_array_equal(target.values(table), [1, -1, 0, 1])
        assert target.values(table).dtype == np.int64
        np.testing.assert_array_equal(labelled_rows(table, target), [0, 2, 3])
    table = column_of(0.25, "", 1.5)
    target = resolve_target(table, "y")
    np.testing.assert_array_equal(target.values(table), [0.25, np.nan, 1.5])
    np.testing.assert_array_equal(labelled_rows(table, target), [0, 2])


def test_values_of_another_table() -> None:
    target = Target(column="y", task="multiclass", classes=("a", "b", "c"))
    other = Table.of([categorical("y", ["c", "new", "a"], [0, 1, 2])])
    np.testing.assert_array_equal(target.values(other), [2, -1, 0])
    numbers = Target(column="y", task="binary", classes=("1", "2"))
    np.testing.assert_array_equal(numbers.values(Table.of([numeric("y", [2, 7])])), [1, -1])


def test_json_round_trip() -> None:
    target = resolve_target(column_of("a", "b"), "y")
    assert Target.model_validate_json(target.model_dump_json()) == target
    assert Target.model_validate(target.model_dump(mode="json")) == target
