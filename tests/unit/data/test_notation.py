"""Numbers that are not written plainly: read where it is clear what they are, found where not."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.data import Table
from worker.data.cell_texts import parse_numbers
from worker.data.delimited import parse_csv
from worker.data.notation import have_leading_zeros, is_number, points_are_ambiguous
from worker.errors import DataError
from worker.results import Advice
from worker.spec import Reading

NONE = np.nan


def read(*columns: list[str], **said: object) -> Table:
    """A file with columns a, b, … of these cells, all of them quoted."""
    rows = zip(*columns, strict=True)
    lines = [",".join(f'"{cell}"' for cell in row) for row in rows]
    header = ",".join("abcdef"[: len(columns)])
    reading = Reading.model_validate({"columns": {}, **said})
    return parse_csv("\n".join([header, *lines]).encode(), reading=reading)


def finding(table: Table, code: str, column: str = "a") -> Advice:
    (found,) = [f for f in table.findings if f.code == code and f.column == column]
    return found


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["0,22", "1,5"], [0.22, 1.5]),
        (["-0,5", "3"], [-0.5, 3]),
        (["1.234,50", "7,00"], [1234.5, 7]),
        (["1,234.50", "7.00"], [1234.5, 7]),
        (["1.234.567", "12"], [1234567, 12]),
        (["1,234,567", "1,000"], [1234567, 1000]),
        (["12,34,567", "1,000"], [1234567, 1000]),
        (["1 234,5", "2"], [1234.5, 2]),
        (["1\u00a0234", "2"], [1234, 2]),
        (["1\u202f234.5", "2\u2009000"], [1234.5, 2000]),
        (["1'234", "2"], [1234, 2]),
        (["1\u2019234.25", "2"], [1234.25, 2]),
        (["1_000", "2"], [1000, 2]),
        (["12 %", "3.5%"], [12, 3.5]),
        (["12,5 %", "-3 %"], [12.5, -3]),
        (["$5", "$1,200.50"], [5, 1200.5]),
        (["-$5", "$-6"], [-5, -6]),
        (["5 €", "1.200,50 €"], [5, 1200.5]),
        (["€5.5", "€ 6"], [5.5, 6]),
        (["USD 5", "usd 7"], [5, 7]),
        (["5 EUR", "6 EUR"], [5, 6]),
        (["£5", "£6.10"], [5, 6.1]),
        (["¥500", "¥1000"], [500, 1000]),
        (["₹5", "₹12,34,567"], [5, 1234567]),
        (["R$ 5,50", "R$ 1.000,00"], [5.5, 1000]),
        (["\u22125", "3"], [-5, 3]),
        (["(5.5)", "3"], [-5.5, 3]),
        (["($5)", "$3"], [-5, 3]),
        (["1,5e3", "2"], [1500, 2]),
    ],
)
def test_numbers_in_one_notation_are_read_and_told(cells: list[str], numbers: list[float]) -> None:
    table = read([*cells, ""])
    assert table.column("a").kind == "numeric"
    np.testing.assert_array_equal(table.values["a"], [*numbers, np.nan])
    told = finding(table, "number_format")
    assert (told.severity, told.change) == ("info", {"columns": {"a": "categorical"}})
    assert told.evidence["line"] in (2, 3)
    assert told.evidence["cell"] in cells
    column = table.column("a")
    np.testing.assert_array_equal(parse_numbers(cells, column), numbers)


@pytest.mark.parametrize("cells", [["1", "+2"], ["-1.5", ".5"], ["1e3", "5."], ["0", "-0.25"]])
def test_plain_numbers_are_not_told(cells: list[str]) -> None:
    table = read(cells)
    assert table.column("a").notation is None
    assert "number_format" not in {found.code for found in table.findings}


@pytest.mark.parametrize("cells", [["1,234", "2,500"], ["1,234", "7"], ["-1,000", "12,500"]])
def test_a_mark_that_may_be_either_is_not_guessed(cells: list[str]) -> None:
    table = read(cells)
    assert table.column("a").categories == tuple(sorted(cells))
    told = finding(table, "nearly_numeric")
    assert (told.severity, told.change) == ("warning", {"decimal": ","})
    assert told.evidence["alternative"] == {"thousands": ","}
    as_thousands = read(cells, thousands=",").values["a"]
    as_decimals = read(cells, decimal=",").values["a"]
    np.testing.assert_array_equal(as_thousands, [float(c.replace(",", "")) for c in cells])
    np.testing.assert_array_equal(as_decimals, [float(c.replace(",", ".")) for c in cells])


def test_points_before_three_digits_are_decimal_points_and_told() -> None:
    table = read(["1.234", "12.500"])
    np.testing.assert_array_equal(table.values["a"], [1.234, 12.5])
    assert finding(table, "number_format").change == {"thousands": "."}
    for cells in (["1.234", "0.500"], ["1.234", "12.5"]):
        assert "number_format" not in {found.code for found in read(cells).findings}
    np.testing.assert_array_equal(read(["1.234", "2"], thousands=".").values["a"], [1234, 2])


@pytest.mark.parametrize(
    ("settling", "doubtful", "expected"),
    [
        ("0,22", "1.234", 1234),
        ("1.234,50", "1.234", 1234),
        ("0,22", "1,234", 1.234),
        ("0.22", "1,234", 1234),
        ("1,234.5", "1,234", 1234),
        ("0.22", "1.234", 1.234),
    ],
)
def test_the_decimal_mark_belongs_to_the_file(
    settling: str, doubtful: str, expected: float
) -> None:
    table = read([settling, settling], [doubtful, "5"])
    np.testing.assert_array_equal(table.values["b"], [expected, 5])
    if str(expected) != doubtful:
        finding(table, "number_format", "b")
    # In either order.
    np.testing.assert_array_equal(
        read([doubtful, "5"], [settling, settling]).values["a"], [expected, 5]
    )


def test_columns_that_settle_it_each_for_themselves() -> None:
    table = read(["3,0", "4,5"], ["0.5", "12.538"], ["1,234", "2,500"])
    np.testing.assert_array_equal(table.values["a"], [3, 4.5])
    np.testing.assert_array_equal(table.values["b"], [0.5, 12.538])
    assert finding(table, "nearly_numeric", "c").evidence["cell"] == "1,234"


def test_a_known_decimal_mark_never_drops_the_other() -> None:
    table = read(["1.5", "2,5", "3,5", "4", "5"], decimal=",")
    assert table.column("a").kind == "categorical"
    assert finding(table, "nearly_numeric").evidence["cell"] == "1.5"
    with pytest.raises(DataError, match=r"'1.5' \(line 2\)") as caught:
        read(["1.5", "2,5"], decimal=",", columns={"a": "numeric"})
    assert (caught.value.code, caught.value.param) == ("not_a_number", "columns")
    assert read(["1.500", "2,5"], decimal=",").values["a"].tolist() == [1500, 2.5]


ODD = ["see note", "12O", "1;5", "n.v.t.", "<5", "5 kg", "#######", "1.2.3"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("count", [5, 300])
def test_numbers_but_for_a_few_texts_are_found(odd: str, count: int) -> None:
    cells = [str(n % 40 / 2) for n in range(count)]
    table = read([*cells[:3], odd, *cells[3:]])
    assert table.column("a").kind == "categorical"
    told = finding(table, "nearly_numeric")
    assert told.severity == "warning"
    assert told.evidence["line"] == 5
    assert told.evidence["cell"] == odd
    assert told.evidence["numbers"] == int(count / (count + 1) * 10_000) / 10_000
    assert odd in told.message
    assert "line 5" in told.message
    assert told.change == {"missing": [odd]}
    mended = read([*cells[:3], odd, *cells[3:]], missing=[odd])
    assert (mended.column("a").kind, mended.column("a").missing) == ("numeric", 1)


@pytest.mark.parametrize(
    ("cells", "cell"),
    [
        (["1.5", "2.5", "3.5", "4,5"], "4,5"),
        (["1,5", "2,5", "3,5", "4.5"], "4.5"),
        (["5 %", "6 %", "7 %", "8"], "8"),
        (["$5", "$6", "$7", "€8"], "€8"),
        (["1,234.5", "2.5", "3.5", "1.234,5"], "1.234,5"),
    ],
)
def test_numbers_in_two_notations_are_found(cells: list[str], cell: str) -> None:
    table = read(cells)
    assert table.column("a").categories == tuple(sorted(cells))
    told = finding(table, "nearly_numeric")
    assert (told.evidence["cell"], told.evidence["line"]) == (cell, 5)
    assert told.change is None


def test_a_change_keeps_the_markers_of_the_other_columns() -> None:
    table = read(["1", "2", "3", "-", "5", "x"], ["1", "NA", "3", "4", "5", "6"])
    assert finding(table, "nearly_numeric").change == {"missing": ["x", "-", "NA"]}
    after = read(
        ["1", "2", "3", "-", "5", "x"], ["1", "NA", "3", "4", "5", "6"], missing=["x", "-", "NA"]
    )
    assert [column.kind for column in after.columns] == ["numeric", "numeric"]


@pytest.mark.parametrize("cells", [["007", "12"], ["00", "01"], ["-01", "5"], ["01,5", "2,5"]])
def test_leading_zeros_are_kept(cells: list[str]) -> None:
    table = read(cells)
    assert table.column("a").categories == tuple(sorted(cells))
    told = finding(table, "leading_zeros")
    assert (told.severity, told.change) == ("warning", {"columns": {"a": "numeric"}})
    declared = read(cells, columns={"a": "numeric"})
    assert declared.values["a"].tolist() == [float(cell.replace(",", ".")) for cell in cells]
    assert not any(found.code == "leading_zeros" for found in declared.findings)


@pytest.mark.parametrize("cells", [["0", "10"], ["0.5", "1"], ["-0.5", "0"], ["0e3", "1"]])
def test_zeros_that_a_number_needs(cells: list[str]) -> None:
    assert read(cells).column("a").kind == "numeric"


def test_whole_numbers_that_floats_would_merge_are_kept() -> None:
    cells = [str(2**53 + 1), str(2**53), "5"]
    table = read(cells)
    assert table.column("a").categories == tuple(sorted(cells))
    assert finding(table, "large_integers").evidence["cell"] == cells[0]
    assert read([str(2**60), "5"]).column("a").kind == "numeric"
    assert read(cells, columns={"a": "numeric"}).values["a"][0] == 2**53


def test_units_that_are_no_currency_are_found() -> None:
    table = read(["12 kg", "3.5 kg", "7 kg"])
    assert finding(table, "numbers_with_units").evidence["unit"] == "kg"
    assert not [f for f in read(["A1", "B2", "C3"]).findings if f.column == "a"]


@pytest.mark.parametrize("cell", ["1e39", "-1e39", "inf", "1" + "0" * 40])
@pytest.mark.parametrize("beside", ["1", "1,5", "$3"])
def test_numbers_that_float32_cannot_hold(cell: str, beside: str) -> None:
    written = cell if beside != "$3" else f"${cell}"
    if "inf" in cell and beside != "1":
        return
    with pytest.raises(DataError, match="not a finite number") as caught:
        read([beside, written])
    assert (caught.value.code, caught.value.extra["line"]) == ("not_finite", 3)


@settings(max_examples=40)
@given(st.lists(st.from_regex(r"[+-]?[0-9]{1,4}(\.[0-9]{1,4})?", fullmatch=True), min_size=1))
def test_bytes_tell_leading_zeros_as_patterns_do(texts: list[str]) -> None:
    array = pa.array(["0" * 3, *texts]).slice(1)
    expected = [text.lstrip("+-")[:1] == "0" and text.lstrip("+-")[1:2].isdigit() for text in texts]
    assert have_leading_zeros(array).tolist() == expected


def test_what_is_a_number_in_any_notation() -> None:
    for text in ("5", "1,5", "$5", "5 %", "(3)", "1 234"):
        assert is_number(text), text
    for text in ("", "c1", "1.2.3", "2024-01-01", "12 34", "1,23,4", "5 EUR x", "--5", "$5€"):
        assert not is_number(text), text
    assert points_are_ambiguous(pa.array(["1.234", "5"]))
    assert not points_are_ambiguous(pa.array(["0.234", "1.234"]))


def test_texts_are_numbers_as_their_column_is_written() -> None:
    comma = read(["1.234,5", "2"]).column("a")
    np.testing.assert_array_equal(parse_numbers(["1.234", "0.5", "abc"], comma), [1234, 0.5, NONE])
    percent = read(["5 %", "6%"]).column("a")
    np.testing.assert_array_equal(parse_numbers(["7 %", "7", "$7"], percent), [7, 7, NONE])
    plain = read(["1", "2"]).column("a")
    odd = ["1.5", "\u22122", "1,5", "nan", "inf", "1e999", "\ud800", ""]
    np.testing.assert_array_equal(parse_numbers(odd, plain), [1.5, -2, *[NONE] * 6])


def test_a_point_that_may_separate_thousands_is_not_guessed() -> None:
    """To who wrote 19,9 in training, 19.900 may be nineteen thousand; 19.9 cannot."""
    comma = read(["19,9", "2,5"]).column("a")
    asked = ["19.900", "19.9", "0.900", "19,900", "-1.234.567"]
    np.testing.assert_array_equal(parse_numbers(asked, comma), [NONE, 19.9, 0.9, 19.9, NONE])
