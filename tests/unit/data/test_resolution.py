"""What is predicted, why, and from which rows: nothing of it is guessed in silence."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.data import Table
from worker.data.mixture import Mixture, numbers_of
from worker.data.resolution import Resolution
from worker.data.table import categorical, numeric
from worker.errors import DataError
from worker.results import Advice

PRICES = [str(100 + 10 * (n % 25)) for n in range(100)]
RATES = [f"{n / 8}" for n in range(100)]


def texts(*cells: str | None, declared: bool = False, **more: Any) -> Table:
    """A table whose target y holds these texts, none where a cell is missing."""
    labels = sorted({cell for cell in cells if cell is not None})
    codes = [-1 if cell is None else labels.index(cell) for cell in cells]
    column, values = categorical("y", labels, codes)
    column = column.model_copy(update={"declared": declared})
    return Table.of([(column, values), numeric("x", np.arange(len(cells)))], **more)


def numbers(*cells: float) -> Table:
    return Table.of([numeric("y", cells), numeric("x", np.arange(len(cells)))])


def refused(table: Table, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        Resolution.of(table, "y", **options)
    return caught.value


def finding(code: str, cell: str, line: int, change: dict[str, Any] | None) -> Advice:
    return Advice(
        severity="warning",
        code=code,
        field=None,
        column="y",
        message="…",
        evidence={"line": line, "cell": cell},
        fix='Set "decimal" to ",".',
        change=change,
    )


@pytest.mark.parametrize("stray", ["N/A", "see note", "-", "12a", "--", "1.2.3", "∞", "1 0 0"])
@pytest.mark.parametrize("cells", [PRICES, RATES, PRICES[:9], ["0", "1"] * 20])
def test_a_stray_text_among_numbers_is_never_another_task(cells: list[str], stray: str) -> None:
    cells = [*cells[:7], stray, *cells[7:]]
    error = refused(texts(*cells))
    assert (error.code, error.param) == ("stray_text_in_target", "target")
    assert error.extra["cell"] == stray
    assert error.extra["row"] == 7
    assert error.extra["rows"] == 1
    assert "(row 7, counted from 0)" in error.message
    for way_out in ("target_missing", "missing", "columns", "task"):
        assert f"`{way_out}`" in error.message
    dropped = Resolution.of(texts(*cells), "y", drop=True)
    without = [cell for cell in cells if cell != stray]
    as_numbers = Resolution.of(numbers(*map(float, without)), "y")
    assert dropped.target == as_numbers.target
    assert dropped.left_out == {"text in the target": 1}
    np.testing.assert_array_equal(dropped.values[dropped.rows], as_numbers.values)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.45])
def test_many_stray_texts_in_measurements_are_refused_too(share: float) -> None:
    cells = [*RATES, *["unknown"] * int(100 * share / (1 - share))]
    error = refused(texts(*cells))
    assert error.code == "stray_text_in_target"
    assert error.extra["rows"] == len(cells) - 100
    assert '"unknown"' in error.message


def test_the_line_and_the_cell_are_those_of_the_finding() -> None:
    found = finding("nearly_numeric", "n.a.", 152, {"missing": ["n.a."]})
    cells = [*PRICES[:60], "n.a.", *PRICES[60:]]
    error = refused(texts(*cells, findings=[found]))
    assert error.extra["line"] == 152
    assert "'n.a.' (line 152)" in error.message
    assert error.extra["change"] == {"target_missing": "drop"}
    other = found.model_copy(update={"column": "x", "evidence": {"line": 3}})
    assert "line" not in refused(texts(*cells, findings=[other])).extra


def test_long_and_many_texts_are_told_in_short() -> None:
    cells = [*RATES, *(f"{'x' * 5000}{n}" for n in range(20))]
    error = refused(texts(*cells))
    assert len(error.message) < 1_000
    assert len(json.dumps(error.extra["change"])) < 100


@pytest.mark.parametrize("options", [{"declared": True}, {"task": "multiclass"}])
def test_whoever_says_that_they_are_classes_is_believed(options: dict[str, Any]) -> None:
    resolution = Resolution.of(texts(*PRICES, "N/A"), "y", **options)
    assert resolution.target.task == "multiclass"
    assert "N/A" in resolution.target.classes
    assert len(resolution.target.classes) == 26
    assert resolution.left_out == {}
    assert "`columns`" in resolution.why or "`task`" in resolution.why


def test_what_the_upload_declared_is_believed() -> None:
    table = texts(*PRICES, "N/A", declared=True)
    assert Resolution.of(table, "y").target.task == "multiclass"
    assert refused(table, task="regression").code == "task_mismatch"
    assert Resolution.of(numbers(*range(30)), "y", declared=True).target.task == "multiclass"


@pytest.mark.parametrize(
    "cells",
    [
        [f"0,{n:02}" for n in range(6, 31)],
        [f"{n},{n:03}" for n in range(1, 40)],
        [f"{n} %" for n in range(40)],
        [f"{n}%" for n in range(0, 50, 10)],
        [f"$ {n}.50" for n in range(40)],
        [f"{n},50 €" for n in range(40)],
        [f"1 {n:03}" for n in range(40)],
        [f"1'{n:03}.5" for n in range(40)],
        [f"({n})" for n in range(40)],
        [f"−{n}.5" for n in range(40)],
        [f"1.{n:03},50" for n in range(40)],
        [f"EUR {n}" for n in range(40)],
        ["1", "2", *[f"{n},5" for n in range(40)]],
    ],
)
@pytest.mark.parametrize("drop", [False, True])
def test_numbers_in_a_notation_that_is_not_certain_are_refused(
    cells: list[str], drop: bool
) -> None:
    error = refused(texts(*cells), drop=drop)
    assert (error.code, error.param) == ("target_not_read", "target")
    assert "`decimal`" in error.message
    assert Resolution.of(texts(*cells), "y", declared=True).target.task == "multiclass"


def test_one_number_with_leading_zeros_makes_no_classes() -> None:
    cells = [*RATES[:40], "007.5", *RATES[40:]]
    found = finding("leading_zeros", "007.5", 42, None)
    error = refused(texts(*cells, findings=[found]))
    assert (error.code, error.extra["line"]) == ("target_not_read", 42)
    assert error.extra["change"] == {"columns": {"y": "numeric"}}
    assert "'007.5' (line 42)" in error.message
    assert Resolution.of(texts(*cells), "y", "regression").values[40] == 7.5


@pytest.mark.parametrize("cells", [RATES, [f"{n},{n:03}" for n in range(1, 40)]])
@pytest.mark.parametrize("drop", [False, True])
def test_what_the_reader_doubts_is_not_taken_for_classes(cells: list[str], drop: bool) -> None:
    found = finding("nearly_numeric", cells[0], 2, {"decimal": ","})
    error = refused(texts(*cells, findings=[found]), drop=drop)
    assert (error.code, error.extra["change"]) == ("target_not_read", {"decimal": ","})
    assert error.extra["cell"] == cells[0]


def test_the_remedy_is_that_of_the_finding() -> None:
    cells = [f"{n},{n:03}" for n in range(1, 40)]
    found = finding("nearly_numeric", cells[0], 2, {"decimal": ","})
    error = refused(texts(*cells, findings=[found]))
    assert error.extra["change"] == {"decimal": ","}
    assert error.extra["line"] == 2
    assert found.fix in error.message


@pytest.mark.parametrize(
    "cells",
    [
        ["001", "002", "010"],
        ["01", "1", "001"],
        [f"{n:03}" for n in range(200)],
        ["1", "2", "x"],
        ["A1", "A2", "7"],
        ["12.05.2024", "13.05.2024"],
        ["10.0.0.1", "10.0.0.2"],
        ["5+", "10+", "x"],
        ["low", "high"],
        ["1-2", "3-4", "5-9"],
        ["true", "false"],
    ],
)
def test_labels_stay_as_they_are_written(cells: list[str]) -> None:
    resolution = Resolution.of(texts(*cells * 3), "y")
    assert set(resolution.target.classes) == set(cells)
    assert resolution.numbers is None
    assert "texts" in resolution.why


def test_classes_are_sorted_as_numbers_and_ties_by_text() -> None:
    classes = Resolution.of(texts("010", "1", "001", "2", "01"), "y").target.classes
    assert classes == ("001", "01", "1", "2", "010")
    assert Resolution.of(texts("nan", "2", "10", "nan"), "y").target.classes == ("10", "2", "nan")


def test_a_class_called_na_is_a_class() -> None:
    resolution = Resolution.of(texts("NA", "EU", "NA", None), "y")
    assert resolution.target.classes == ("EU", "NA")
    assert resolution.left_out == {"no target": 1}
    np.testing.assert_array_equal(resolution.rows, [0, 1, 2])


@pytest.mark.parametrize("missing", [51, 90])
@pytest.mark.parametrize("kind", ["numbers", "classes", "texts"])
def test_most_rows_without_a_target_are_an_error_unless_allowed(kind: str, missing: int) -> None:
    present = 100 - missing
    if kind == "texts":
        table = texts(*(["a", "b"] * 50)[:present], *[None] * missing)
    else:
        step = 0.5 if kind == "numbers" else 1
        table = numbers(*(step * (n % 3) for n in range(present)), *[np.nan] * missing)
    error = refused(table)
    assert (error.code, error.param) == ("most_rows_have_no_target", "target")
    assert f"{missing} of 100 rows" in error.message
    assert error.extra["change"] == {"target_missing": "drop"}
    assert ("`missing`" in error.message) == (kind == "texts")
    resolution = Resolution.of(table, "y", drop=True)
    assert (len(resolution.rows), resolution.left_out) == (present, {"no target": missing})


def test_half_of_the_rows_are_enough() -> None:
    resolution = Resolution.of(numbers(*[0, 1] * 25, *[np.nan] * 50), "y")
    assert resolution.left_out == {"no target": 50}


def test_the_positive_class_is_named_and_changes_no_number() -> None:
    table = texts(*["good", "bad"] * 5)
    usual = Resolution.of(table, "y")
    assert (usual.target.positive, usual.target.positive_number) == (None, 1)
    bad = Resolution.of(table, "y", positive="bad")
    assert (bad.target.positive, bad.target.positive_number) == ("bad", 0)
    assert bad.target.classes == usual.target.classes == ("bad", "good")
    np.testing.assert_array_equal(bad.values, usual.values)
    for positive in ("0", "0.0", "0e0"):
        assert Resolution.of(numbers(0, 1), "y", positive=positive).target.positive == "0"


@pytest.mark.parametrize(
    ("table", "positive", "code", "said"),
    [
        (texts("good", "bad"), "baad", "unknown_class", "Did you mean 'bad'"),
        (texts("good", "bad"), "xyz", "unknown_class", "'bad', 'good'"),
        (texts("a", "b", "c"), "a", "not_binary", "3 classes"),
        (numbers(0.5, 1.5), "a", "not_binary", "regression"),
    ],
)
def test_a_positive_class_that_is_none(table: Table, positive: str, code: str, said: str) -> None:
    error = refused(table, positive=positive)
    assert (error.code, error.param) == (code, "positive")
    assert said in error.message


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (numbers(*range(7)), {}, ["7 different whole numbers", "classes", "`task`", "regression"]),
        (numbers(*range(26)), {}, ["26 different whole numbers", "more than 20", "multiclass"]),
        (numbers(*(n / 2 for n in range(25))), {}, ["25 different", "fraction", "`task`"]),
        (texts("a", "b", "c"), {}, ["3 different texts"]),
        (texts("a", "b", "c"), {"declared": True}, ["declared", "`columns`", "3 different"]),
        (numbers(0, 1, 2), {"task": "regression"}, ["`task`", '"regression"']),
        (texts(*RATES), {}, ["100 different numbers as texts", "regression"]),
    ],
)
def test_why_this_task(table: Table, options: dict[str, Any], said: list[str]) -> None:
    why = Resolution.of(table, "y", **options).why
    assert all(part in why for part in said)
    assert why.endswith(".")
    assert why.count(". ") == 0


def test_numbers_as_texts_can_be_measured_where_the_job_says_so() -> None:
    resolution = Resolution.of(texts("001", "2.5", "10", None), "y", "regression")
    np.testing.assert_array_equal(resolution.values, [1, 2.5, 10, np.nan])
    assert refused(texts("1", "2", "x"), task="regression").code == "stray_text_in_target"
    dropped = Resolution.of(texts("1", "2", "x"), "y", "regression", drop=True)
    np.testing.assert_array_equal(dropped.rows, [0, 1])


@pytest.mark.parametrize(
    ("cells", "settled"),
    [
        (["1,234", "12,500", "-3,000"], False),
        (["1,234 €", "$ 12,500"], False),
        (["1,234", "0,234"], True),
        (["1,234", "12,5"], True),
        (["1,234", "1,234,567"], True),
        (["1,234", "1.234,5"], True),
        (["1234", "12.5"], True),
    ],
)
def test_what_settles_a_comma(cells: list[str], settled: bool) -> None:
    table = texts("x", *cells)
    column, codes = table.column("y"), table.values["y"]
    values = np.where(np.array(column.categories) == "x", np.nan, 1.0)
    mixture = replace(Mixture.of(column, codes), values=values, plain=~np.isnan(values))
    assert mixture.first_unsettled == (None if settled else (1, cells[0]))


def test_dates_and_ignored_columns_are_no_targets() -> None:
    table = numbers(1, 2)
    day = table.columns[0].model_copy(update={"kind": "date"})
    dated = Table.of([(day, table.values["y"]), numeric("x", [1, 2])])
    assert '{"y": "categorical"}' in refused(dated).message
    ignored = Table(columns=(), values={}, rows=0, ignored=("y",))
    assert "`columns`" in refused(ignored).message


def test_numbers_of_texts() -> None:
    cells = ("1", "-2.5", "+3", "1e3", ".5", "7.", "007", "-0")
    np.testing.assert_array_equal(numbers_of(cells), [1, -2.5, 3, 1000, 0.5, 7, 7, 0])
    none = ("", "1,5", "1_000", "nan", "inf", "0x10", "1e400", "1e39", "٣", "1 ", "1\n")
    assert np.isnan(numbers_of(none)).all()


@given(st.lists(st.sampled_from(["1", "2", "3.5", "x", "", "0,5"]), min_size=1), st.data())
def test_a_mixture_counts_rows(cells: list[str], data: st.DataObject) -> None:
    missing = data.draw(st.sets(st.integers(0, len(cells) - 1)))
    rows = [None if n in missing else cell for n, cell in enumerate(cells)]
    table = texts(*rows)
    mixture = Mixture.of(table.column("y"), table.values["y"])
    present = [cell for cell in rows if cell is not None]
    assert mixture.rows == len(present)
    plain = [cell for cell in present if cell in ("1", "2", "3.5")]
    assert mixture.number_rows == len(plain)
    if len(plain) < len(present):
        row, cell = mixture.first_text
        assert rows[row] == cell
        assert all(other is None or other in plain for other in rows[:row])
