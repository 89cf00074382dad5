import csv as reference
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.data import Table, charset, delimited_text, plain_blocks, read_csv
from worker.data.delimited import parse_csv
from worker.data.reading import LIMITS, FileLimits
from worker.data.table import MISSING
from worker.data.text_column import PlainColumn
from worker.data.tidy import tidy
from worker.errors import DataError


def refuse(data: bytes, limits: FileLimits = LIMITS) -> DataError:
    with pytest.raises(DataError) as caught:
        parse_csv(data, limits)
    assert caught.value.param == "file"
    return caught.value


def test_columns_are_typed_by_their_cells() -> None:
    table = parse_csv(b"age,job,member,level\n41,skilled,true,0\n?, skilled,false,1\n3.5e1,NA,,0\n")
    kinds = {column.name: column.kind for column in table.columns}
    assert kinds == {
        "age": "numeric",
        "job": "categorical",
        "member": "categorical",
        "level": "numeric",
    }
    assert table.rows == 3
    np.testing.assert_array_equal(table.values["age"], [41, np.nan, 35])
    assert table.column("job").categories == ("skilled",)
    np.testing.assert_array_equal(table.values["job"], [0, 0, -1])
    assert table.column("member").categories == ("false", "true")
    np.testing.assert_array_equal(table.values["member"], [1, 0, -1])
    assert [column.missing for column in table.columns] == [1, 1, 1, 0]


@pytest.mark.parametrize("cell", ["", "NA", "na", "?", "nan", "NaN", "null", "NULL", "  ", " NA "])
def test_missing_cells(cell: str) -> None:
    table = parse_csv(f"a,b\n1,x\n{cell},{cell}\n".encode())
    assert np.isnan(table.values["a"][1])
    assert table.values["b"][1] == -1


def test_a_column_without_values_is_numeric() -> None:
    table = parse_csv(b"a,b\n,1\nNA,2\n")
    assert (table.column("a").kind, table.column("a").missing) == ("numeric", 2)


def test_cells_that_differ_in_spaces_are_one_category() -> None:
    table = parse_csv(b"job,x\nred,1\n red ,2\nblue,3\n")
    assert table.column("job").categories == ("blue", "red")
    np.testing.assert_array_equal(table.values["job"], [1, 1, 0])


def test_spelling_of_numbers() -> None:
    table = parse_csv(b"a\n+1\n.5\n5.\n1E-3\n-0\n")
    np.testing.assert_array_equal(table.values["a"], [1, 0.5, 5, 0.001, 0])
    for text in ("0x10", '"1,000"', "12O"):
        assert parse_csv(f"a\n1\n{text}\n".encode()).column("a").kind == "categorical"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_newlines_and_byte_order_mark(newline: str, mark: bytes) -> None:
    table = parse_csv(mark + newline.join(["", "a,b", "1,x", "", "2,y", ""]).encode())
    assert table.names == ("a", "b")
    np.testing.assert_array_equal(table.values["a"], [1, 2])


def test_quoted_cells() -> None:
    table = parse_csv(b'"a, b",c\n"x, ""y""\nz",1\nplain,2\n')
    assert table.names == ("a, b", "c")
    assert table.column("a, b").categories == ("plain", 'x, "y" z')


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_read_from_the_header(separator: str) -> None:
    table = parse_csv(separator.join("ab").encode() + b"\n" + separator.join("12").encode())
    assert table.names == ("a", "b")


def test_ragged_rows_name_line_and_counts() -> None:
    error = refuse(b'a,b\n"1\n1",2\n\n3\n')
    assert error.code == "ragged_rows"
    assert error.extra["line"] == 5
    assert "Line 5 has 1 cell, the header has 2" in error.message
    assert "Line 3 has 3 cells" in refuse(b"a,b\n1,2\n1,2,3\n").message


def test_an_open_quotation_mark_names_its_line() -> None:
    error = refuse(b'a,b\n1,2\n3,"x\n4,5\n6,7\n')
    assert error.code == "open_quote"
    assert error.extra["line"] == 3


def test_a_lone_quotation_mark_inside_a_cell_is_text() -> None:
    assert parse_csv(b'size,b\n5" pipe,2\nx,1\n').column("size").categories == ('5" pipe', "x")


@pytest.mark.parametrize(
    ("data", "code", "fragment"),
    [
        (b"", "empty_file", "empty"),
        (b" \n\n ", "empty_file", "empty"),
        (b"a,b\n", "no_rows", "no rows"),
        (b"a,,c\n1,2,3\n", "no_header", "Column 2 has no name"),
        (b"5.1,3.5,setosa\n4.9,3.0,setosa\n", "no_header", "looks like data"),
        (b"1,0,3\n1,2,4\n", "no_header", "looks like data"),
        (b"a,b, a\n1,2,3\n", "duplicate_column", "'a' stands 2 times in the header (columns 1, 3)"),
        (b"a,b\n1,2\n1,\xff\n", "not_utf8", "byte 0xff is not UTF-8 (line 3)"),
        (b"a,b\n1,\x00\n", "not_utf8", "zero byte (line 2)"),
        ("a,b\n1,2\n".encode("utf-16-le"), "not_utf8", "utf-16-le"),
        (b"a,b\n1,x\n\ninf,y\n", "not_finite", "Column 'a' holds 'inf' (line 4)"),
        (b"a,b\n1,x\n2,y\n-Infinity,y\n", "not_finite", "'-Infinity' (line 4)"),
        (b"a,b\n1e39,x\n", "not_finite", "'1e39' (line 2)"),
        (b"a" * 201 + b",b\n1,2\n", "no_header", "201 characters"),
    ],
)
def test_errors_say_where_and_what(data: bytes, code: str, fragment: str) -> None:
    error = refuse(data)
    assert error.code == code
    assert fragment in error.message


def test_counting_headers_are_names() -> None:
    assert parse_csv(b"0,1,2\n5,6,7\n").names == ("0", "1", "2")
    assert parse_csv(b"1,2\n5,6\n").names == ("1", "2")


def test_limits() -> None:
    limits = FileLimits(rows=2, columns=2, cell=5)
    parse_csv(b"a,b\n1,12345\n2,x\n", limits)
    assert refuse(b"a,b,c\n1,2,3\n", limits).code == "too_many_columns"
    assert refuse(b"a,b\n1,2\n1,2\n1,2\n", limits).code == "too_many_rows"
    long = refuse(b"a,b\n1,x\n2,123456\n", limits)
    assert (long.code, long.extra["line"], long.extra["column"]) == ("cell_too_long", 3, "b")
    huge = refuse(b"a,b\n1,x\n2," + b"y" * 200_000 + b"\n")
    assert (huge.code, huge.extra["line"]) == ("cell_too_long", 3)


def test_inf_is_a_category_among_texts() -> None:
    assert parse_csv(b"a\ninf\nlow\n").column("a").categories == ("inf", "low")


def test_read_csv_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n1,x\n")
    assert read_csv(path).names == ("a", "b")


@pytest.mark.slow
def test_large_files_are_read_fast() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(45_000, 17)).round(4).astype(str)
    rows[:, ::2] = rng.choice(["red", "green", "blue"], size=rows[:, ::2].shape)
    header = ",".join(f"c{number}" for number in range(17))
    data = "\n".join([header, *map(",".join, rows.tolist())]).encode()
    began = time.process_time()
    table = parse_csv(data)
    assert time.process_time() - began < 2.0  # all cores together; 0.2 s is usual
    assert table.rows == 45_000


def attempt(read: Callable[[], Table]) -> tuple[Table | None, str]:
    try:
        return read(), ""
    except DataError as error:
        return None, error.code


text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
cells = st.one_of(st.integers(-9, 9).map(str), st.sampled_from(["", "NA", "true", "x"]), text)


@settings(max_examples=60)
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12))
def test_what_is_written_is_read(rows: list[tuple[str, str, str]]) -> None:
    sink = io.StringIO()
    writer = reference.writer(sink, quoting=reference.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    table, refusal = attempt(lambda: parse_csv(sink.getvalue().encode()))
    if table is None:
        assert refusal == "not_finite"
        return
    assert table.rows == len(rows)
    for position, name in enumerate("abc"):
        column, values = table.column(name), table.values[name]
        for row, value in zip(rows, values, strict=True):
            cell = tidy(row[position])
            if cell.lower() in MISSING:
                assert np.isnan(value) if column.kind == "numeric" else value == -1
            elif column.kind == "numeric":
                assert value == float(cell)
            else:
                assert column.categories[value] == cell


odd_cells = st.one_of(cells, st.sampled_from(["x" * 70, '"', 'a"b', "a,b", "two\nlines", "\r"]))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(odd_cells, odd_cells), min_size=1, max_size=30),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([reference.QUOTE_MINIMAL, reference.QUOTE_ALL]),
    st.integers(8, 200),
)
def test_blocks_do_not_matter(
    rows: list[tuple[str, str]], newline: str, quoting: Any, block: int
) -> None:
    sink = io.StringIO()
    writer = reference.writer(sink, quoting=quoting, lineterminator=newline)
    writer.writerows([("a", "b"), *rows])
    expected, refusal = attempt(lambda: parse_csv(sink.getvalue().encode()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited_text, "BLOCK", block)
        patch.setattr(plain_blocks, "BLOCK", block)
        patch.setattr(plain_blocks, "FEWEST_ROWS", 1)
        patch.setattr(charset, "_PIECE", block)
        table, refusal_in_blocks = attempt(lambda: parse_csv(sink.getvalue().encode()))
    assert refusal_in_blocks == refusal
    if table is not None and expected is not None:
        assert table.columns == expected.columns
        for name, values in expected.values.items():
            np.testing.assert_array_equal(table.values[name], values)


number_cells = st.one_of(
    st.integers(-(10**18), 10**18).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(["1.500", "2.250", "007", "0.5", "+3", ".5", "1e5", "1e309", "9" * 20, " 4 "]),
    st.sampled_from(["", "NA", "-", "1,5", "12 kg", "x"]),
)
few_kinds = st.lists(number_cells, min_size=1, max_size=4).flatmap(st.sampled_from)


@settings(max_examples=100)
@given(st.lists(st.tuples(*[st.one_of(few_kinds, number_cells)] * 3), min_size=1, max_size=8))
def test_a_column_of_plain_numbers_is_the_same_by_either_way(
    rows: list[tuple[str, ...]],
) -> None:
    """Cast as it stands, or by its distinct cells."""
    lines = [";".join(row) for row in [("a", "b", "c"), *rows]]
    data = "\n".join(lines).encode()
    found, refusal = attempt(lambda: parse_csv(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainColumn, "of", lambda *_, **__: None)
        expected, expected_refusal = attempt(lambda: parse_csv(data))
    assert refusal == expected_refusal
    if found is not None and expected is not None:
        assert (found.columns, found.findings) == (expected.columns, expected.findings)
        for name, values in expected.values.items():
            np.testing.assert_array_equal(found.values[name], values)


@given(st.binary(min_size=1, max_size=40), st.integers(4, 9))
def test_bytes_that_are_no_text_are_named_wherever_pieces_end(data: bytes, piece: int) -> None:
    try:
        data.decode()
        expected = None
    except UnicodeDecodeError as error:
        expected = error.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charset, "_PIECE", piece)
        assert charset.first_invalid_byte(data) == expected


def test_an_open_file_is_read_and_stays_open() -> None:
    file = io.BytesIO(b"a,b\n1,x\n")
    assert read_csv(file).names == ("a", "b")
    assert not file.closed
