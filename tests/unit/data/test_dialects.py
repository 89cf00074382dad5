"""Any table in any dialect: read as it was meant, refused with a remedy, or read with a finding."""

import csv
import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.data import Table
from worker.data.delimited import parse_csv
from worker.errors import DataError
from worker.spec import Reading

ABOUT_THE_FILE = {
    "comment_lines",
    "header_looks_like_data",
    "one_column",
    "repeated_header",
    "separator",
}
"""Findings that may be about any column."""
REMEDIES = ("Set ", "set ", "Put ", "put ", "Name ", "Write ", "Correct ", "Complete ", "Give ")


@dataclass(frozen=True)
class Style:
    """How the numbers of one column are written."""

    digits: int
    thousands: str
    before: str
    after: str
    minus: str

    def write(self, number: int, decimal: str) -> str:
        """number / 10**digits in this style."""
        whole, part = divmod(abs(number), 10**self.digits)
        text = f"{whole:,}".replace(",", self.thousands if self.thousands != decimal else "")
        if self.digits:
            text += f"{decimal}{part:0{self.digits}d}"
        text = f"{self.before}{text}{self.after}"
        if number >= 0:
            return text
        return f"({text})" if self.minus == "(" else self.minus + text


@dataclass(frozen=True)
class Dialect:
    """How the file is written."""

    separator: str
    decimal: Literal[".", ","]
    newline: str
    quoting: Any
    mark: bytes
    sep_line: bool
    comment: str
    header: bool
    said: bool
    """Whether the sender says what else would be worked out: separator, header, decimal."""


styles = st.builds(
    Style,
    digits=st.integers(0, 4),
    thousands=st.sampled_from(["", "", "", ",", ".", " ", "'", "\u00a0", "_"]),
    before=st.sampled_from(["", "", "", "", "$", "€ ", "USD "]),
    after=st.sampled_from(["", "", "", ""]),
    minus=st.sampled_from(["-", "-", "-", "\u2212", "("]),
) | st.builds(
    Style,
    digits=st.integers(0, 2),
    thousands=st.just(""),
    before=st.just(""),
    after=st.sampled_from(["%", " %", " €", " kr", "EUR"]),
    minus=st.just("-"),
)
dialects = st.builds(
    Dialect,
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf", "utf-16"]).map(
        lambda mark: mark if isinstance(mark, bytes) else b"utf-16"
    ),
    sep_line=st.booleans(),
    comment=st.sampled_from(["", "", "# exported, 2024"]),
    header=st.sampled_from([True, True, True, False]),
    said=st.booleans(),
)
words = st.text("abcdeéAB ;,|\"'-:/", min_size=1, max_size=6).map(str.strip).filter(bool)
texts = st.one_of(words, st.sampled_from(["red", "007", "01", "none", "2024-05-31", "12 kg", "1"]))
missing = st.sampled_from(["", "", "NA", "N/A", "n/a", "-", "null", "?", "None", "."])


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, list[Any]], dict[str, Style], dict[str, str], int]:
    rows = draw(st.integers(1, 12))
    columns: dict[str, list[Any]] = {}
    written: dict[str, Style] = {}
    markers: dict[str, str] = {}
    for place in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(["x", "price", "temp (C, mean)", "a;b", "id", "2024"]))
        name = f"{name}{place}" if name in columns else name
        if draw(st.booleans()):
            small = st.integers(-9_999, 9_999)
            numbers = st.integers(0, 9) | small | st.integers(-9_999_999, 9_999_999)
            cells: Any = draw(st.sampled_from([st.integers(0, 9), small, numbers]))
            written[name] = draw(styles)
        else:
            cells = draw(st.sampled_from([texts, st.sampled_from(["red", "blue"])]))
        markers[name] = draw(missing)
        columns[name] = draw(
            st.lists(st.one_of(cells, cells, cells, st.none()), min_size=rows, max_size=rows)
        )
    return columns, written, markers, rows


def render(
    columns: dict[str, list[Any]],
    written: dict[str, Style],
    markers: dict[str, str],
    dialect: Dialect,
) -> bytes:
    """The file."""
    sink = io.StringIO()
    if dialect.sep_line:
        sink.write(f"sep={dialect.separator}{dialect.newline}")
    if dialect.comment:
        sink.write(dialect.comment + dialect.newline)
    writer = csv.writer(
        sink,
        delimiter=dialect.separator,
        lineterminator=dialect.newline,
        quoting=dialect.quoting,
    )
    if dialect.header:
        writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(
            markers[name]
            if cell is None
            else written[name].write(cell, dialect.decimal)
            if name in written
            else cell
            for name, cell in zip(columns, row, strict=True)
        )
    text = sink.getvalue()
    return text.encode("utf-16") if dialect.mark == b"utf-16" else dialect.mark + text.encode()


def cells_of(table: Table, name: str) -> list[Any]:
    """Numbers, or labels; none where missing."""
    column, values = table.column(name), table.values[name].tolist()
    if column.kind == "categorical":
        return [None if code < 0 else column.categories[code] for code in values]
    return [None if np.isnan(value) else value for value in values]


def found(table: Table, name: str) -> list[str]:
    """The codes of the findings that are about a column."""
    return [
        finding.code
        for finding in table.findings
        if finding.column == name
        or name in finding.evidence.get("columns", ())
        or finding.code in ABOUT_THE_FILE
    ]


def as_meant(cell: Any, style: Style | None) -> Any:
    if cell is None or style is None:
        return cell
    return float(cell) / 10**style.digits


def attempt(data: bytes, reading: Reading) -> tuple[Table | None, str]:
    try:
        return parse_csv(data, reading=reading), ""
    except DataError as error:
        return None, error.message


def is_same(meant: Any, read: Any) -> bool:
    if isinstance(meant, float) and isinstance(read, float):
        return bool(np.isclose(meant, read, rtol=1e-12))
    return bool(meant == read)


@settings(max_examples=80)
@given(tables(), dialects)
def test_no_table_is_read_to_something_else_in_silence(
    drawn: tuple[dict[str, list[Any]], dict[str, Style], dict[str, str], int], dialect: Dialect
) -> None:
    columns, written, markers, rows = drawn
    data = render(columns, written, markers, dialect)
    reading = Reading(columns={})
    if dialect.said:
        reading = Reading(
            columns={},
            separator=dialect.separator,
            decimal=dialect.decimal,
            header=dialect.header,
        )
    table, refusal = attempt(data, reading)
    if table is None:
        assert any(remedy in refusal for remedy in REMEDIES), refusal
        return
    codes = {finding.code for finding in table.findings}
    names = list(columns) if dialect.header else [f"column{n + 1}" for n in range(len(columns))]
    if not dialect.header and not dialect.said and not written:
        return  # Words above words: nobody can know.
    if list(table.names) != names or table.rows != rows:
        assert codes & ABOUT_THE_FILE or (len(columns) == 1 and table.rows < rows), data
        return
    for name, original in zip(names, columns, strict=True):
        style = written.get(original)
        meant = [as_meant(cell, style) for cell in columns[original]]
        read = cells_of(table, name)
        if table.column(name).kind == "numeric" and style is None:
            # Texts that are numbers, all of them.
            read = [None if cell is None else repr(cell).removesuffix(".0") for cell in read]
        if not all(map(is_same, meant, read)):
            assert found(table, name), (data, name, read, table.findings)
