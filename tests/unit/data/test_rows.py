"""Rows of files: whatever is in their cells, and however they come, all of it comes back."""

import csv
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.data import Column, DelimitedRows, DelimitedWriter, JsonRows, Records
from worker.data.cell_texts import parse_dates, parse_numbers
from worker.data.rows import block, ends
from worker.errors import DataError
from worker.spec import Reading

X = Column(name="x", kind="numeric")
CELLS = st.text(st.sampled_from("ab\",;|\t \r\n'#é\u20ac0.1"), max_size=6)
NUMBERS = st.floats(-1e6, 1e6).map(repr)


def written(rows: list[list[str]], separator: str, newline: str, quoting: Any) -> str:
    if any("\r" in cell for cells in rows for cell in cells):
        quoting = csv.QUOTE_ALL  # Python's writer forgets these.
    sink = io.StringIO()
    csv.writer(sink, delimiter=separator, lineterminator=newline, quoting=quoting).writerows(rows)
    return sink.getvalue()


def passed(content: bytes, size: int, **reading: Any) -> tuple[bytes, list[float]]:
    """A file that comes in pieces: what is written of it, with its numbers appended."""
    reader = DelimitedRows([X], Reading(columns={}, **reading))
    writer: DelimitedWriter | None = None
    sent, numbers = b"", []
    for start in range(0, len(content) + 1, size):
        reader.feed(content[start : start + size])
        while (part := reader.next(last=start + size > len(content))) is not None:
            writer = writer or DelimitedWriter(reader.names, reader.layout)
            values = part.records.table.values["x"]
            numbers += values.tolist()
            sent += writer.write(part.rows, {"x again": pa.array(values)})
    return sent, numbers


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(CELLS, NUMBERS, CELLS), min_size=1, max_size=12),
    separator=st.sampled_from(",;|\t"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    size=st.sampled_from([7, 50, 5000]),
    least=st.sampled_from([16, 64, 2**16]),
)
def test_all_cells_come_back(
    rows: list[tuple[str, str, str]],
    separator: str,
    newline: str,
    quoting: Any,
    size: int,
    least: int,
) -> None:
    table = [["a", "x", "b"], *map(list, rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.data.rows.delimited.LEAST_BYTES", least)
        patch.setattr("worker.data.rows.delimited.ROWS", 1)
        content = written(table, separator, newline, quoting).encode()
        sent, numbers = passed(content, size, separator=separator)
    back = list(csv.reader(io.StringIO(sent.decode(), newline=""), delimiter=separator))
    assert [cells[:3] for cells in back] == table
    assert next(cells[3] for cells in back) == "x again"
    assert numbers == [float(x) for _, x, _ in rows]
    assert [float(cells[3]) for cells in back[1:]] == numbers


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    rest=st.text(st.sampled_from('a",\n'), max_size=12),
)
def test_records_end_where_a_reader_ends_them(
    rows: list[list[str]], quoting: Any, rest: str
) -> None:
    def read(text: bytes) -> list[list[str]]:
        return list(csv.reader(io.StringIO(text.decode(), newline="")))

    whole = written(rows, ",", "\n", quoting).encode() + rest.encode()
    end = ends.end_of_records(whole, ",")
    assert end is not None
    assert read(whole[:end]) + read(whole[end:]) == read(whole)


@pytest.mark.parametrize(
    "text", ["1.5", " 1.5 ", "+1.5", "1e3", "-.5", "(3)", "−2", "NA", "-", "n/a"]
)
@pytest.mark.parametrize("beside", ["2", "", "nan", "1,5", "inf", "x"])
def test_a_number_means_what_it_means_in_json(text: str, beside: str) -> None:
    def by_json(cell: str) -> float:
        return float(Records.read([X], [[cell]]).table.values["x"][0])

    expected = by_json(text)
    rows = written([["x", "y"], [text, "a"], [beside, "b"]], ";", "\n", csv.QUOTE_MINIMAL).encode()
    try:
        also = by_json(beside)
    except DataError:
        with pytest.raises(DataError, match="line 3"):
            passed(rows, 1000)
        return
    np.testing.assert_array_equal(passed(rows, 1000)[1], [expected, also])


@pytest.mark.parametrize("order", [None, "year_first", "day_first", "month_first"])
def test_a_date_means_the_same_beside_any_other(order: Any) -> None:
    column = Column(name="d", kind="date", date_order=order)
    texts = ["05/06/2024", "13/06/2024", "06/13/2024", "2024-06-13", "13.06.2024", "5.6.2024", "x"]
    alone = [float(parse_dates([text], column)[0]) for text in texts]
    np.testing.assert_array_equal(parse_dates(texts, column), alone)
    np.testing.assert_array_equal(parse_dates([""] * 300 + texts, column)[300:], alone)
    assert np.isnan(alone[0]) == (order not in ("day_first", "month_first"))


def test_a_decimal_comma_is_read_at_once_as_it_is_one_by_one() -> None:
    from worker.data.arrow_records import ArrowRecords
    from worker.data.notation import Notation

    column = X.model_copy(update={"notation": Notation(decimal=",")})
    for text in ("1,5", "-,5", "1,5e3", "1", "1.5", "1,", "19.900", "1,5,2", "NA", ""):
        plain = parse_numbers([text], column)
        try:
            told = Records.read([column], [[text]]).table.values["x"]
        except DataError:
            assert np.isnan(plain).all()
            with pytest.raises(DataError):
                ArrowRecords([column]).read({"x": pa.array([text])}, 1, lambda row: ("", None))
            continue
        read = ArrowRecords([column]).read({"x": pa.array([text])}, 1, lambda row: ("", None))
        np.testing.assert_array_equal(read.table.values["x"], told)


def test_a_row_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("delimited", "lines"):
        monkeypatch.setattr(f"worker.data.rows.{module}.LONGEST_ROW", 2**18)
    assert block.LONGEST_ROW == 2**24
    with pytest.raises(DataError, match="quotation mark left open"):
        passed(b'x,y\n"' + b"1,2\n" * 400_000, 2**16)
    lines = JsonRows(lambda rows: Records.read([X], rows))
    for _ in range(20):
        lines.feed(b'{"x":' * 4000)
    with pytest.raises(DataError, match="longer than"):
        lines.next(last=False)


def test_memory_is_a_block() -> None:
    """A file of any length: what is held does not grow with it."""
    reader = DelimitedRows([X], Reading(columns={}))
    reader.feed(b"x\n")
    rows = most = 0
    for _ in range(200):
        reader.feed(b"1.25\n" * 4000)
        while (part := reader.next(last=False)) is not None:
            rows += len(part)
        most = max(most, len(reader._text))
    while (part := reader.next(last=True)) is not None:
        rows += len(part)
    assert rows == 800_000
    assert most < 2**18 + 20_000


@pytest.mark.parametrize(
    "content",
    [
        'a, "x", "b"\n"p, q", "1.5", "r"\n"s", "2.5", "t"\n',
        "'a','x','b'\n'p, q','1.5','r'\n's','2.5','t'\n",
        'a,"x\n",b\np,1.5,r\ns,2.5,t\n',
        "a,\u200bx,b\np,1.5\u200b,r\ns,\ufeff2.5,t\n",
    ],
)
@pytest.mark.parametrize("size", [11, 5000])
def test_files_are_asked_for_answers_as_they_are_uploaded(content: str, size: int) -> None:
    sent, numbers = passed(content.encode(), size)
    assert numbers == [1.5, 2.5]
    lines = list(csv.reader(io.StringIO(sent.decode())))
    assert [line[-1] for line in lines] == ["x again", "1.5", "2.5"]
    assert lines[1][0] in ("p, q", "p")
