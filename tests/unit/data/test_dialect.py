"""How a file is written: separator, header, encoding, what precedes the table, what is no table."""

import codecs
import json
from io import BytesIO

import pytest

from worker.data import Table, read_table
from worker.data.delimited import parse_csv
from worker.errors import DataError
from worker.spec import Reading

ROWS = [("1.5", "a"), ("2.5", "b"), ("3", "a, b"), ("-4", "b")]


def said(**fields: object) -> Reading:
    return Reading.model_validate({"columns": {}, **fields})


def read(text: str | bytes, **fields: object) -> Table:
    data = text.encode() if isinstance(text, str) else text
    return parse_csv(data, reading=said(**fields))


def refuse(text: str | bytes, **fields: object) -> DataError:
    with pytest.raises(DataError) as caught:
        read(text, **fields)
    return caught.value


def codes(table: Table) -> set[str]:
    return {found.code for found in table.findings}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", ["temp (C, mean)", "a;b", "x|y", "one\ttwo", "a, b; c", "plain"])
def test_the_separator_is_what_splits_all_lines(separator: str, header: str) -> None:
    if separator in header:
        header = f'"{header}"'
    lines = [f"{header}{separator}y", *(f"{n}{separator}a" for n in range(5))]
    table = read("\n".join(lines))
    assert table.names == (header.strip('"').replace("\t", " "), "y")


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;", "\ufeffsep=;"])
def test_a_line_that_names_the_separator(line: str) -> None:
    table = read(f"{line}\nx;y, z\n1;2,5\n3;x\n")
    assert table.names == ("x", "y, z")
    assert table.column("y, z").categories == ("2,5", "x")
    assert read("sep=\t\nx\ty\n1\t2\n").names == ("x", "y")
    assert refuse("sep=;\nx;y\n1;2\n3\n").extra["line"] == 4


@pytest.mark.parametrize("mark", ["# exported 2024", "#made by me, with commas", "##", "# a\n# b"])
def test_comments_before_the_header(mark: str) -> None:
    table = read(f"{mark}\nx,y\n1,a\n2,b\n3,\n")
    assert table.names == ("x", "y")
    assert "comment_lines" in codes(table)
    line = 5 + mark.count("\n")
    assert refuse(f"{mark}\nx,y\n1,a\n2,b\n3\n").extra["line"] == line


@pytest.mark.parametrize("header", ["#chrom\tstart", "# chrom\tstart"])
def test_a_header_may_begin_like_a_comment(header: str) -> None:
    table = read(f"{header}\n1\t2\n3\t4\n")
    assert (table.names, table.rows) == (tuple(header.split("\t")), 2)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("x y\n1 a\n2 b\n", " "),
        ("x   y\n1   a\n222 b\n", " "),
        ("x:y\n1:a\n2:b\n", ":"),
        ("x^y\n1^a\n2^b\n", "^"),
        ("x~y\n1~a\n2~b\n", "~"),
    ],
)
def test_one_column_that_another_separator_splits(text: str, mark: str) -> None:
    error = refuse(text)
    assert (error.code, error.param, error.extra["separator"]) == ("one_column", "separator", mark)
    table = read(text, separator=mark)
    assert table.names == ("x", "y")
    assert table.column("y").categories == ("a", "b")
    assert read(text, separator=",").names == (text.split("\n")[0],)


def test_one_column_that_nothing_splits() -> None:
    assert "one_column" in codes(read("x\n1\n2\n"))


def test_blanks_between_aligned_columns() -> None:
    table = read('  x  name\n  1  "a  b"\n 22  c\n', separator=" ")
    assert table.values["x"].tolist() == [1, 22]
    assert table.column("name").categories == ("a  b", "c")


def test_two_separators_that_fit_are_told() -> None:
    table = read("a,b;c\n1,2;3\n4,5;6\n")
    assert "separator" in codes(table)
    assert read("a,b;c\n1,2;3\n4,5;6\n", separator=";").names == ("a,b", "c")


def test_a_separator_that_fails_late_gives_way() -> None:
    rows = "".join(f"{n},5;a\n" for n in range(300)) + "7;b\n"
    table = read("x,y;z\n" + rows)
    assert table.names == ("x,y", "z")


@pytest.mark.parametrize(
    "text",
    ["5,red,yes\n6,blue,no\n7,red,no\n8,blue,yes\n", "1,x\n2,x\n4,y\n", "$5,a\n$6,a\n$7,b\n"],
)
def test_a_header_that_looks_like_data(text: str) -> None:
    (told,) = [f for f in read(text).findings if f.code == "header_looks_like_data"]
    assert (told.severity, told.change) == ("warning", {"header": False})
    table = read(text, header=False)
    assert table.rows == text.count("\n")
    assert table.names == tuple(
        f"column{n + 1}" for n in range(len(text.split("\n")[0].split(",")))
    )
    assert "header_looks_like_data" not in codes(read(text, header=True))


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n1,a\n2,b\n",
        "country,2019,2020\nA,1,2\nB,3,4\n",
        "id,0,1,2\nq,5,6,7\nr,8,9,1\n",
        "color\n" + "red\nblue\n" * 20,
    ],
)
def test_a_header_that_does_not(text: str) -> None:
    told = [f for f in read(text).findings if f.code == "header_looks_like_data"]
    assert not told


def test_numbers_above_numbers_are_refused_and_can_be_said() -> None:
    error = refuse("5.1,3.5\n4.9,3.0\n")
    assert error.code == "no_header"
    assert "`header`" in error.message
    assert read("5.1,3.5\n4.9,3.0\n", header=False).rows == 2
    assert read("5.1,3.5\n4.9,3.0\n", header=True).names == ("5.1", "3.5")


@pytest.mark.parametrize("again", [1, 3])
def test_a_header_that_stands_again(again: int) -> None:
    block = "".join(f"{n},{n / 2},{'ab'[n % 2]}\n" for n in range(20))
    table = read("x,y,z\n" + "x,y,z\n".join([block] * (again + 1)))
    assert table.rows == 20 * (again + 1)
    assert [c.kind for c in table.columns] == ["numeric", "numeric", "categorical"]
    (told,) = [f for f in table.findings if f.code == "repeated_header"]
    assert told.evidence == {"lines": [22 + 21 * n for n in range(again)], "rows": again}
    late = read("x,y\n" + "x,y\n".join(["1,2\n3,4\n", "5,6\n7,n.b.\n" + "8,9\n" * 6]))
    assert [f.evidence["line"] for f in late.findings if f.code == "nearly_numeric"] == [6]


def test_words_that_stand_again_are_rows() -> None:
    table = read("red,yes\nblue,no\nred,yes\nblue,yes\n")
    assert table.rows == 3
    assert "header_looks_like_data" in codes(table)


def test_the_index_that_pandas_writes() -> None:
    table = read(",x,y\n" + "".join(f"{n},{n * n},{n % 3}\n" for n in range(12)))
    assert table.names == ("Unnamed: 0", "x", "y")
    (told,) = [f for f in table.findings if f.column == "Unnamed: 0"]
    assert (told.code, told.change) == ("identifier", {"columns": {"Unnamed: 0": "ignore"}})
    assert read('"","x"\n"Mazda",1\n"Fiat",2\n"Volvo",4\n').names == ("Unnamed: 0", "x")
    assert refuse(",x\n1,2\n1,3\n").code == "no_header"
    assert refuse("x,,y\n1,2,3\n").code == "no_header"


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_byte_order_marks(name: str) -> None:
    text = "größe,y\n1,é\n2,ü\n"
    data = text.encode(name)
    if name.endswith(("-le", "-be")):
        mark = codecs.BOM_UTF16_LE if name.endswith("le") else codecs.BOM_UTF16_BE
        assert read(data, encoding=name).names == ("größe", "y")
        data = mark + data
    assert read(data).column("y").categories == ("é", "ü")


@pytest.mark.parametrize("name", ["latin-1", "cp1252", "mac-roman", "ISO-8859-15"])
def test_other_encodings_are_named(name: str) -> None:
    data = "größe,y\n1,é\n2,ü\n".encode(name)
    error = refuse(data)
    assert (error.code, error.extra["line"]) == ("not_utf8", 1)
    assert '"encoding": "cp1252"' in error.message
    assert read(data, encoding=name).column("y").categories == ("é", "ü")


@pytest.mark.parametrize(
    "name", ["utf-9", "punycode", "idna", "hex", "rot13", "undefined", "", "\0"]
)
def test_encodings_that_are_none(name: str) -> None:
    reading = said().model_copy(update={"encoding": name})
    with pytest.raises(DataError) as caught:
        parse_csv(b"a,b\n1,2\n", reading=reading)
    assert (caught.value.code, caught.value.param) == ("unknown_encoding", "encoding")
    assert refuse(b"a,b\n1,\xff\n", encoding="ascii").code == "not_encoded"


RECORDS = [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (json.dumps(RECORDS), "JSON"),
        (json.dumps(RECORDS, indent=2), "JSON"),
        (json.dumps(RECORDS[0], indent=1), "JSON"),
        ("\n".join(map(json.dumps, RECORDS)), "JSON"),
        ("[[1, 2], [3, 4]]", "JSON"),
        ("[1, 2, 3]\n", "JSON"),
        ('{"type": "FeatureCollection"}', "JSON"),
        ("<!DOCTYPE html>\n<html><body>404, not found</body></html>", "web page"),
        ("\n<html lang='en'>\n", "web page"),
        ("<?xml version='1.0'?>\n<rows><r/></rows>", "XML"),
        ("<Error><Code>AccessDenied</Code></Error>", "XML"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "pointer"),
        ("outs:\n- md5: a1\n  path: data.csv\n", "pointer"),
        ("../.git/annex/objects/a/b/SHA256E-s1--c.csv", "pointer"),
        ("@RELATION iris\n@ATTRIBUTE x REAL\n@DATA\n1\n", "ARFF"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_is_no_table_is_called_by_its_name(text: str, what: str, mark: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(BytesIO((mark + text).encode()), "data.csv")
    assert caught.value.code == "unsupported_format"
    assert what in caught.value.message


@pytest.mark.parametrize(
    "text", ["<5,y\n1,2\n", "[a],b\n1,2\n", "{id},b\n1,2\n", "versions,y\n1,2\n", "[1],[2]\n3,4\n"]
)
def test_headers_that_begin_like_something_else(text: str) -> None:
    assert read(text).rows == 1


@pytest.mark.parametrize(
    ("given", "missing", "kind"),
    [
        (None, 3, "numeric"),
        (["-"], 1, "categorical"),
        (["-", "NA", "none"], 3, "numeric"),
        (["-", "na", "none"], 2, "categorical"),
        ([], 0, "categorical"),
    ],
)
def test_markers(given: list[str] | None, missing: int, kind: str) -> None:
    cells = ["1", "2", "-", "NA", " none ", "3", "4", "5", "6", "7", "8", "9"]
    text = "x,y\n" + "".join(f"{cell},1\n" for cell in cells)
    table = read(text, missing=given)
    assert (table.column("x").kind, table.column("x").missing) == (kind, missing)


WEAK = ["None", "nil", "-", "--", ".", "n.a.", "#NULL!", "#DIV/0!", "missing", "<NA>", "\\N", "—"]
SURE = ["", "NA", "na", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "?"]


@pytest.mark.parametrize("marker", WEAK + SURE)
@pytest.mark.parametrize("cells", [["1", "2.5"], ["2024-05-31", "2024-06-01"], ["0,5", "1,5"]])
def test_markers_among_numbers_and_dates(marker: str, cells: list[str]) -> None:
    text = 'x,y\n"' + '",1\n"'.join([*cells, marker]) + '",1\n'
    column = read(text).column("x")
    assert column.missing == 1
    told = [f for f in read(text).findings if f.code == "missing_markers"]
    assert [f.evidence["markers"] for f in told] == ([{marker: 1}] if marker else [])


@pytest.mark.parametrize("marker", WEAK)
def test_weak_markers_among_texts_are_texts_and_told(marker: str) -> None:
    table = read(f"x,y\nred,1\n{marker},2\nblue,2\n{marker},4\n")
    assert table.column("x").categories == tuple(sorted(["red", "blue", marker]))
    (told,) = [f for f in table.findings if f.code == "missing_markers"]
    assert (told.change, told.evidence["markers"]) == ({"missing": [marker]}, {marker: 2})


@pytest.mark.parametrize("marker", SURE[1:])
def test_a_class_that_is_a_marker_can_be_kept(marker: str) -> None:
    text = f"x,y\n1,EU\n2,{marker}\n3,EU\n5,{marker}\n"
    table = read(text)
    assert table.column("y").missing == 2
    (told,) = [f for f in table.findings if f.code == "missing_markers"]
    assert (told.column, told.change) == ("y", {"missing": []})
    assert read(text, missing=[]).column("y").categories == tuple(sorted(["EU", marker]))
