"""Messy files: what strangers send, and what a careful reader makes of it, kind by kind."""

import json
from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.data import Table, read_table
from worker.data.category_index import CategoryIndex
from worker.data.patterns import FEW
from worker.data.report import iso_dates
from worker.data.tidy import tidied, tidy
from worker.errors import DataError
from worker.spec import Reading

ROWS = range(40)
NUMBERS = [f"{row * 7 % 31}.25" for row in ROWS]
LINES = ["x,z,y", *(f"{NUMBERS[row]},{'pqr'[row % 3]},{'ab'[row % 2]}" for row in ROWS)]


def read(data: str | bytes, reading: dict[str, object] | None = None) -> Table:
    said = None if reading is None else Reading.model_validate(reading)
    return read_table(BytesIO(data if isinstance(data, bytes) else data.encode()), reading=said)


def column(cells: Sequence[str], name: str = "f") -> str:
    quoted = (cell.replace('"', '""') for cell in cells)
    return "\n".join([f"x,{name}", *(f'{row},"{cell}"' for row, cell in enumerate(quoted))])


def codes(table: Table, name: str | None = "f") -> set[str]:
    return {finding.code for finding in table.findings if finding.column == name}


def refusal(data: str | bytes) -> DataError:
    with pytest.raises(DataError) as caught:
        read(data)
    return caught.value


@pytest.mark.parametrize(
    ("write", "value"),
    [
        (lambda n: f"\u200b{n}.5\ufeff", lambda n: n + 0.5),
        (lambda n: "".join(chr(0xFF10 + int(d)) for d in str(n)), float),
        (lambda n: "".join(chr(0x660 + int(d)) for d in str(n)) + "\u066b5", lambda n: n + 0.5),
        (lambda n: f"{n},-", float),
        (lambda n: f"CHF {n}.\u2013", float),
        (lambda n: f"Rs. {n}.50/-", lambda n: n + 0.5),
        (lambda n: f"{n}.50-", lambda n: -n - 0.5),
        (lambda n: f"{1000 + n}\u5186", lambda n: 1000.0 + n),
        (lambda n: f'="{n}.5"', lambda n: n + 0.5),
        (lambda n: f"'{n}.5", lambda n: n + 0.5),
    ],
)
@pytest.mark.parametrize("rows", [30, FEW + 40])
def test_numbers_are_read_however_they_are_written(
    write: Callable[[int], str], value: Callable[[int], float], rows: int
) -> None:
    numbers = [1 + row * 7 % 313 for row in range(rows)]
    table = read(column([write(number) for number in numbers]))
    assert table.column("f").kind == "numeric"
    assert table.values["f"].tolist() == [value(number) for number in numbers]


@pytest.mark.parametrize(
    "cells", [["1-", "2", "3-"], ["5'", "6'"], ["1/2", "3/4"], ["\u00bd", "1"]]
)
def test_what_may_be_a_name_is_no_number(cells: list[str]) -> None:
    assert read(column(cells * 10)).column("f").kind == "categorical"


@pytest.mark.parametrize("rows", [20, FEW + 40])
def test_what_nobody_sees_makes_no_category(rows: int) -> None:
    cells = ["two lines", " two\nlines", "two \r\n lines\u200b", "\ufefftwo\tlines"]
    assert {tidy(cell) for cell in cells} == {"two lines"}
    texts = [f"{cells[row % 4]} {row // 4}" for row in range(rows)]
    assert tidied(pa.array(texts)).to_pylist() == [tidy(text) for text in texts]
    assert tidy("\U0001f468\u200d\U0001f469") == "\U0001f468\u200d\U0001f469"  # One picture of two.
    table = read(column(cells * 5))
    assert table.column("f").categories == ("two lines",)
    index = CategoryIndex(table.column("f"))
    assert [index.find(cell) for cell in cells] == [0, 0, 0, 0]


def test_a_text_is_the_same_with_its_accents_apart() -> None:
    index = CategoryIndex(read(column(["caf\u00e9", "the\u0301"] * 5)).column("f"))
    assert index.find("cafe\u0301") == index.find("caf\u00e9") >= 0
    assert index.find("th\u00e9") >= 0


@pytest.mark.parametrize("share", [3, 2])
def test_a_text_in_many_rows_of_measurements_is_told(share: int) -> None:
    table = read(
        column(["Na" if row % share == 0 else f"{row}.5" for row in ROWS]), {"missing": ["-"]}
    )
    (found,) = [finding for finding in table.findings if finding.code == "nearly_numeric"]
    assert found.change == {"missing": ["Na", "-"]}  # With what was named before.
    again = read(column(["Na" if row % share == 0 else f"{row}.5" for row in ROWS]), found.change)
    assert again.column("f").kind == "numeric"


def test_many_texts_among_numbers_are_told_and_not_called_missing() -> None:
    cells = [f"PC {row}" if row % 3 == 0 else str(row * 731) for row in ROWS]
    (found,) = [one for one in read(column(cells)).findings if one.code == "nearly_numeric"]
    assert found.change is None


def test_a_number_that_marks_missing_cells_is_one_however_it_is_written() -> None:
    cells = ["-999.0" if row % 5 == 0 else "NA" if row % 7 == 0 else f"{row}.5" for row in ROWS]
    (found,) = [one for one in read(column(cells)).findings if one.code == "missing_number"]
    assert found.change == {"missing": ["-999", "NA"]}
    table = read(column(cells), found.change)
    assert table.column("f").kind == "numeric"
    assert table.column("f").missing == sum(cell in ("-999.0", "NA") for cell in cells)


@pytest.mark.parametrize("kind", ["parquet", "npz"])
def test_files_with_types_take_numbers_for_missing_cells_too(kind: str) -> None:
    cells = np.array([-999.0 if row % 5 == 0 else row / 2 for row in ROWS])
    sink = BytesIO()
    if kind == "parquet":
        pq.write_table(pa.table({"f": cells, "y": [row % 3 for row in ROWS]}), sink)
    else:
        np.savez(sink, x=cells[:, None], y=np.arange(len(ROWS)) % 3)
    table = read(sink.getvalue(), {"missing": ["-999"]})
    assert table.columns[0].missing == 8
    assert np.nanmin(table.values[table.columns[0].name]) == 0.5


def test_large_labels_of_an_array_stay_apart() -> None:
    sink = BytesIO()
    labels = (2**53 + np.arange(len(ROWS)) % 2).astype(np.int64)
    np.savez(sink, x=np.random.default_rng(0).normal(size=(len(ROWS), 2)), y=labels)
    table = read(sink.getvalue())
    assert table.column("y").categories == ("9007199254740992", "9007199254740993")
    assert "large_integers" in codes(table, "y")


@pytest.mark.parametrize(
    ("cell", "first"),
    [
        ("Mon Jan {:02} 10:00:00 2024", "2024-01-01T10:00:00"),
        ("{:02}/Jan/2024:10:00:00 +0000", "2024-01-01T10:00:00"),
        ("{:02}JAN2024", "2024-01-01"),
        ("202401{:02}T100000Z", "2024-01-01T10:00:00"),
        ("202401{:02}100000", "2024-01-01T10:00:00"),
        ("2024{:02}", "2024-01-01"),
        ("17000{:02}000", "2023-11-14T22:30:00"),
        ("17000{:02}000000", "2023-11-14T22:30:00"),
    ],
)
def test_dates_of_other_programs_are_told_and_read_once_declared(cell: str, first: str) -> None:
    text = column([cell.format(1 + row % 12) for row in ROWS], "day")
    (found,) = [one for one in read(text).findings if one.change == {"columns": {"day": "date"}}]
    assert found.code in ("dates", "dates_as_numbers")
    table = read(text, found.change)
    assert iso_dates(table.values["day"][:1]) == [first]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["<=50K", "<=50K.", ">50K"], "similar_labels"),
        (["X-ray", "X\u2013ray", "CT"], "similar_labels"),
        (["O'Neil", "O\u2019Neil", "Li"], "similar_labels"),
        (["Yes", "no", "TRUE", "0"], "similar_labels"),
        (["gr\u00c3\u00bcn", "rot"], "garbled_text"),
        (["gr\ufffdn", "rot"], "garbled_text"),
        (["$3K", "$40K", "$7K"], "numbers_with_units"),
        (["PT3H", "PT5M", "P2DT1H"], "dates"),
        (["1d 2h", "3h 5m", "2 days 3 hours"], "dates"),
        ([f"2024-01-{day} 10:00 CET" for day in range(10, 14)], "dates"),
    ],
)
def test_doubts_about_texts_are_told(cells: list[str], code: str) -> None:
    assert code in codes(read(column(cells * 10)))


@pytest.mark.parametrize(
    "cells", [["yes", "no"], ["0", "1"], ["gr\u00fcn", "rot"], ["\u00c3pfel", "rot"], ["a.", "b."]]
)
def test_plain_texts_are_not_doubted(cells: list[str]) -> None:
    assert not codes(read(column(cells * 10))) & {"similar_labels", "garbled_text"}


@pytest.mark.parametrize("step", [1, 10, 250])
def test_numbers_in_equal_steps_name_rows(step: int) -> None:
    assert "identifier" in codes(read(column([str(1000 + step * row) for row in ROWS])))


@pytest.mark.parametrize(
    "line", ["Total,,", "999,s,b", f"{sum(map(float, NUMBERS))},,", "Summe:,,"]
)
def test_totals_at_the_end_are_told(line: str) -> None:
    found = [one for one in read("\n".join([*LINES, line])).findings if one.code == "totals_row"]
    assert bool(found) == (line != "999,s,b")
    assert all(f"line {len(LINES) + 1}" in one.message for one in found)


@pytest.mark.parametrize(
    "lines",
    [
        [", ".join(f'"{cell}"' for cell in line.split(",")) for line in LINES],
        [",".join(f"'{cell}'" for cell in line.split(",")) for line in LINES],
        [line + "," for line in LINES],
        [LINES[0], *(line + "," for line in LINES[1:])],
        [LINES[0] + ",", *LINES[1:]],
        [line + ",,," for line in LINES],
        [line.replace(",", ",,") for line in LINES],
        ["," + line for line in LINES],
        [*LINES[:9], "   ", "\t", *LINES[9:]],
        [*LINES, "\x1a"],
        ["sep=;", *LINES],
        ["\ufeff\ufeff" + LINES[0], *LINES[1:]],
    ],
)
def test_a_table_is_the_same_however_its_lines_are_dressed(lines: list[str]) -> None:
    text = "\n".join(lines).replace("\n\x1a", "\n\x1a")
    table, plain = read(text), read("\n".join(LINES))
    assert table.names == plain.names
    assert [column.categories for column in table.columns] == [
        column.categories for column in plain.columns
    ]
    for name in plain.names:
        assert np.array_equal(table.values[name], plain.values[name])


def test_blanks_before_quotation_marks_may_hold_separators_behind_them() -> None:
    rows = [f'{row}, "Li, {"AB"[row % 2]}", "q"' for row in ROWS]
    table = read("\n".join(['"n", "who", "z"', *rows]))
    assert table.names == ("n", "who", "z")
    assert table.column("who").categories == ("Li, A", "Li, B")


def test_names_of_rows_without_a_name_are_told() -> None:
    table = read("\n".join([LINES[0], *(f"row{n},{line}" for n, line in enumerate(LINES[1:]))]))
    assert table.names == ("Unnamed: 0", "x", "z", "y")
    assert "row_names" in codes(table, None)
    # A header that lacks a name above numbers is no such file.
    assert refusal("\n".join(["z,y", *LINES[1:]])).code == "ragged_rows"


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        ("\n".join(LINES).encode("utf-16-le"), "not_utf8", "utf-16-le"),
        ("\n".join(LINES).encode("utf-16-be"), "not_utf8", "utf-16-be"),
        (b"GIF89a" + bytes(60), "unsupported_format", "no text"),
        ("\n".join(f'"{line}"' for line in LINES), "one_column", "as a whole"),
        ("\n".join([LINES[0], *(f'"{line}"' for line in LINES[1:])]), "one_column", "as a whole"),
        ("\n".join(["Report,,", *LINES]), "no_header", "title"),
        ("\n".join("0,0,1" for _ in ROWS), "no_header", "`header` to false"),
        ("\n".join(["% made today", *LINES]), "ragged_rows", "comments begin with #"),
        ("\n".join(line.replace(",", "\x01") for line in LINES), "one_column", "separator"),
        ("\n".join(["x,,y", *LINES[1:]]), "no_header", "Column 2 has no name"),
    ],
)
def test_what_is_refused_is_told_what_to_do(data: str | bytes, code: str, says: str) -> None:
    error = refusal(data)
    assert error.code == code
    assert says in error.message + json.dumps(error.extra)


def test_one_column_of_quoted_numbers_is_a_table() -> None:
    assert read('x\n"1,5"\n"2,5"\n"0,5"\n').values["x"].tolist() == [1.5, 2.5, 0.5]


def test_a_line_of_units_is_named() -> None:
    table = read("\n".join([LINES[0], "m,,", *LINES[1:]]))
    (found,) = [one for one in table.findings if one.code == "nearly_numeric"]
    assert "units" in found.fix


def test_a_name_stands_on_one_line() -> None:
    assert read("\n".join(['x,"z\n(cm)",y', *LINES[1:]])).names == ("x", "z (cm)", "y")
